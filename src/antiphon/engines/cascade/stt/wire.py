"""What is said between us and any process that recognises speech."""

from __future__ import annotations

from msgspec import Struct

MEDIA_RATE_HZ = 24_000


class Audio(Struct, frozen=True, tag="audio", array_like=True):
    pcm: bytes
    """16-bit mono at 24 kHz."""


class Finish(Struct, frozen=True, tag="finish", array_like=True):
    pass


class Cancel(Struct, frozen=True, tag="cancel", array_like=True):
    pass


class Heard(Struct, frozen=True, tag="heard", array_like=True):
    text: str
    final: bool
    stable_chars: int = 0
    in_grammar: bool = False
    language: str = ""
    """As of `Transcript`."""
    while_spoken: bool = False
    aside: str = ""
    """The same."""


class Trouble(Struct, frozen=True, tag="trouble", array_like=True):
    """For the log; the turn goes on as well as it can."""

    what: str
    lost_s: float = 0.0
    """So much sound was dropped."""
