"""What is told of a session: facts, without a word of what was said."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from antiphon.protocol.server import Usage
from antiphon.protocol.timeline import Timeline


class Answered(Struct, frozen=True):
    """A turn of the user has its answer."""

    timeline: Timeline


class ResponseEnded(Struct, frozen=True):
    response_id: str
    status: str
    usage: Usage | None


class Interrupted(Struct, frozen=True):
    """The user spoke, and the assistant stopped (barge-in)."""


class FalselyStopped(Struct, frozen=True):
    """The assistant stopped for a sound in which nothing was understood."""


EnginePart = Literal["recognizer", "language_model", "voice", "engine"]


class EngineError(Struct, frozen=True):
    """``engine`` is the name of the one that served then."""

    engine: str
    part: EnginePart


class InputLost(Struct, frozen=True):
    """A recogniser was too slow for a turn, and did not hear all of it."""


class EngineChanged(Struct, frozen=True):
    """Another one serves the session from now on."""

    engine: str


class SessionEnded(Struct, frozen=True):
    """Nothing more happens in it."""


Fact = (
    SessionEnded
    | Answered
    | ResponseEnded
    | Interrupted
    | FalselyStopped
    | EngineError
    | InputLost
    | EngineChanged
)
