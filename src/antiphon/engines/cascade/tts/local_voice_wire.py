"""What is said between us and any process that speaks with a network of its own."""

from __future__ import annotations

from msgspec import Struct


class Speak(Struct, frozen=True, tag="speak", array_like=True):
    text: str
    voice: str
    """As the network names it."""
    speed: float
    waits_for_first: bool
    """Nothing of the utterance has been heard yet: goes before the rest of others."""


class Cancel(Struct, frozen=True, tag="cancel", array_like=True):
    """Forget the job, at once."""


Command = Speak | Cancel


class Made(Struct, frozen=True, tag="made", array_like=True):
    """All of a `Speak`."""

    pcm: bytes
    """16-bit mono at 24 kHz."""
    marks: tuple[tuple[int, int], ...] | None = None
    """(text_end, end_sample) of each word; None: the network does not tell."""


class Failed(Struct, frozen=True, tag="failed", array_like=True):
    reason: str


News = Made | Failed
