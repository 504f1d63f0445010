"""What is said between us and the process that runs espeak-ng."""

from __future__ import annotations

from msgspec import Struct


class Speak(Struct, frozen=True, tag="speak", array_like=True):
    text: str
    names: tuple[str, ...]
    """espeak-ng voices, best first."""
    wpm: int
    word_gap: int
    pitch: int
    pitch_range: int
    volume: int
    waits_for_first: bool
    """Nothing of the utterance has been heard yet: goes before the rest of long ones."""


class Cancel(Struct, frozen=True, tag="cancel", array_like=True):
    """Forget the job, at once."""


class Pronounce(Struct, frozen=True, tag="pronounce", array_like=True):
    words: tuple[str, ...]


Command = Speak | Cancel | Pronounce


class Piece(Struct, frozen=True, tag="piece", array_like=True):
    pcm: bytes
    """16-bit mono at 24 kHz."""
    marks: tuple[tuple[int, int], ...]
    """(text_end, end_sample) of the words that end in it, at 24 kHz."""


class Spoken(Struct, frozen=True, tag="spoken", array_like=True):
    """The last word on a `Speak`."""


class Pronounced(Struct, frozen=True, tag="pronounced", array_like=True):
    ipa: tuple[str, ...]
    """In the order of the words."""


class Failed(Struct, frozen=True, tag="failed", array_like=True):
    reason: str


News = Piece | Spoken | Pronounced | Failed
