"""What a conversation wants done, in order."""

from __future__ import annotations

from dataclasses import dataclass

from antiphon.protocol.client import ClientEvent
from antiphon.talk.notices import Notice


@dataclass(frozen=True)
class Send:
    event: ClientEvent


@dataclass(frozen=True)
class Show:
    notice: Notice


@dataclass(frozen=True)
class Abort:
    """The conversation cannot go on."""

    why: str


Action = Send | Show | Abort
Actions = list[Action]
