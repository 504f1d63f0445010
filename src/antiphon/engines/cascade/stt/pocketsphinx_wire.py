"""What is said between us and the processes that run pocketsphinx."""

from __future__ import annotations

from msgspec import Struct


class Begin(Struct, frozen=True, tag="begin", array_like=True):
    grammar_key: str
    """Empty: no grammar."""
    jsgf: str
    pronunciations: dict[str, str]


class Audio(Struct, frozen=True, tag="audio", array_like=True):
    pcm: bytes
    """16-bit mono at 24 kHz."""


class Finish(Struct, frozen=True, tag="finish", array_like=True):
    pass


class Cancel(Struct, frozen=True, tag="cancel", array_like=True):
    pass


class Pronunciations(Struct, frozen=True, tag="pronunciations", array_like=True):
    """The answer to `Unknown`: ARPAbet of the words that can be pronounced."""

    arpabet: dict[str, str]


Command = Begin | Audio | Finish | Cancel | Pronunciations


class Heard(Struct, frozen=True, tag="heard", array_like=True):
    text: str
    final: bool
    stable_chars: int = 0
    in_grammar: bool = False


class Unknown(Struct, frozen=True, tag="unknown", array_like=True):
    """Words of the grammar that the dictionary lacks: say `Pronunciations`."""

    words: tuple[str, ...]


class Trouble(Struct, frozen=True, tag="trouble", array_like=True):
    """For the log; the turn goes on as well as it can."""

    what: str


News = Heard | Unknown | Trouble
