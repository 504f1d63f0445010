"""What may become of an event on its way to the client."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from antiphon.errors import ProtocolError
from antiphon.protocol.client import ClientEvent
from antiphon.protocol.server import ServerEvent


@dataclass(frozen=True, slots=True)
class Text:
    """A message that may be no event at all."""

    message: bytes


@dataclass(frozen=True, slots=True)
class Altered:
    """An event, changed after it was written in the client's dialect."""

    event: ServerEvent
    alter: Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class Later:
    """What follows does not wait for it."""

    outcome: Outcome
    ms: int


@dataclass(frozen=True, slots=True)
class Pause:
    """All that follows waits."""

    ms: int


@dataclass(frozen=True, slots=True)
class Again:
    """An event, again and again, until the client cancels the response or is gone."""

    event: ServerEvent
    every_ms: int
    then: Sequence[ServerEvent]
    """What follows once it is cancelled; it may still grow."""


@dataclass(frozen=True, slots=True)
class StopResponse:
    """The session is to stop a response, as if the client had cancelled it."""

    response_id: str


@dataclass(frozen=True, slots=True)
class Deaf:
    """Nothing is read of what the client sends, for a while."""

    ms: int


@dataclass(frozen=True, slots=True)
class Silence:
    """A call's sound is lost, both ways, for a while."""

    ms: int


@dataclass(frozen=True, slots=True)
class HangUp:
    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Tear:
    """The connection is gone without a close frame; ``reset``: and without its end, too."""

    reset: bool


Outcome = (
    ServerEvent
    | Text
    | Altered
    | Later
    | Pause
    | Again
    | StopResponse
    | Deaf
    | Silence
    | HangUp
    | Tear
)
Filter = Callable[[ServerEvent], Iterable[Outcome]]
"""What becomes of each event while a fault has its hold of something."""
Refuses = Callable[[ClientEvent], ProtocolError | None]
"""Why a client's event is refused; None: it is not."""
