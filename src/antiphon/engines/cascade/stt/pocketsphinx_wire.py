"""What is said between us and the processes that run pocketsphinx, beside `wire`."""

from __future__ import annotations

from msgspec import Struct

from antiphon.engines.cascade.stt.wire import Audio, Cancel, Finish, Heard, Trouble

ALL, GRAMMARS = "all", "grammars"
"""What a process understands: anything, or only sentences of the turn's grammar."""


class Begin(Struct, frozen=True, tag="begin", array_like=True):
    grammar_key: str
    """Empty: no grammar."""
    jsgf: str
    pronunciations: dict[str, str]


class Pronunciations(Struct, frozen=True, tag="pronunciations", array_like=True):
    """The answer to `Unknown`: ARPAbet of the words that can be pronounced."""

    arpabet: dict[str, str]


Command = Begin | Audio | Finish | Cancel | Pronunciations


class Unknown(Struct, frozen=True, tag="unknown", array_like=True):
    """Words of the grammar that the dictionary lacks: say `Pronunciations`."""

    words: tuple[str, ...]


News = Heard | Unknown | Trouble
