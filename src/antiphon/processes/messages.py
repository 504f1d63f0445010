"""What the processes of one server say to their supervisor and, through it, to each other.

A message is MessagePack behind its length.  Both ends are of one version and one machine, so there
is no number of a version in it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Raw, Struct

from antiphon.identity.principal import Principal
from antiphon.limits.policy import Limits, Subject

NOBODY_WAITS: Final = 0
"""The id of a call or a question whose answer nobody wants."""
MAX_MESSAGE_BYTES: Final = 32 * 1024 * 1024
_LENGTH = struct.Struct("!I")


# --- To the supervisor -------------------------------------------------------


class Call(Struct, frozen=True, tag="call"):
    """Of something that all processes share."""

    id: int
    service: str
    method: str
    args: Raw


class Ask(Struct, frozen=True, tag="ask"):
    """Something of all the others."""

    id: int
    question: Raw


class Answer(Struct, frozen=True, tag="answer"):
    id: int
    value: Raw


class LinkTo(Struct, frozen=True, tag="link_to"):
    """Give me a connection to that process."""

    id: int
    process: str


class Freest(Struct, frozen=True, tag="freest"):
    """Who has the most room for one more session?  Returns a name, which may be mine."""

    id: int


class Load(Struct, frozen=True, tag="load"):
    """How a process does; it tells this several times a second."""

    sessions: int
    late_ms: float = 0.0
    takes_sessions: bool = True


class Ready(Struct, frozen=True, tag="ready"):
    """It can be sent clients."""

    welcome: tuple[str, ...] = ()
    """What the operator is told of the server, in lines that have "{url}" where that stands."""


class Failed(Struct, frozen=True, tag="failed"):
    """It cannot serve, and ends."""

    message: str


FromProcess: TypeAlias = Call | Ask | Answer | LinkTo | Freest | Load | Ready | Failed


# --- To a process ------------------------------------------------------------


class Begin(Struct, frozen=True, tag="begin"):
    """The first message: who you are."""

    process: str
    number: int
    """From 0."""
    processes: int
    token: str
    """What shows that a request comes from one of us."""
    url: str
    """Of the server."""
    config_path: str | None
    overrides: dict[str, Any]
    """Settings of the command line."""


class Raised(Struct, frozen=True):
    """An error of the method that was called."""

    kind: str
    args: tuple[str, ...]


class Returned(Struct, frozen=True, tag="returned"):
    id: int
    value: Raw = Raw(msgspec.msgpack.encode(None))
    raised: Raised | None = None


class Asked(Struct, frozen=True, tag="asked"):
    id: int
    question: Raw


class Answers(Struct, frozen=True, tag="answers"):
    """Of all who answered in time, by their names."""

    id: int
    values: dict[str, Raw]


ToProcess: TypeAlias = Begin | Returned | Asked | Answers


# --- Questions ---------------------------------------------------------------


class Has(Struct, frozen=True, tag="has"):
    """Is it with you?  A session's id, a call's, a conversation's that is live, a resume token."""

    name: str


class Listed(Struct, frozen=True, tag="listed"):
    """Which sessions are live with you?"""


class Measured(Struct, frozen=True, tag="measured"):
    """What would `/metrics` say?"""


class Health(Struct, frozen=True, tag="health"):
    """What would `/healthz` and `/readyz` say?"""


class Drains(Struct, frozen=True, tag="drains"):
    """Take no new sessions, or take them again; how many are live?"""

    on: bool | None
    """None: as it is."""
    within_s: float | None = None


class Taken(Struct, frozen=True, tag="taken"):
    """What clients of mine sent, or were answered: it counts with you too."""

    of: Literal["messages", "answers"]
    rows: tuple[tuple[Subject, Limits, int, int], ...]
    """How many, and their bytes or tokens."""


class Errors(Struct, frozen=True, tag="errors"):
    """What went wrong last with you, that this one may see?"""

    seen_by: Principal
    limit: int


class Deeds(Struct, frozen=True, tag="deeds"):
    """What was done last through you, that this one may see?"""

    seen_by: Principal
    limit: int
    before_s: float | None


class Guessed(Struct, frozen=True, tag="guessed"):
    """So many wrong keys were shown to me, by address: it counts with you too."""

    counts: dict[str, int]


class Reload(Struct, frozen=True, tag="reload"):
    """Read the configuration again: is it good?  Or (``take``): go by what was read so."""

    take: bool = False


class Stop(Struct, frozen=True, tag="stop"):
    """Go: let sessions end, or (``now``) do not."""

    now: bool = False


Question: TypeAlias = (
    Has | Listed | Measured | Health | Drains | Taken | Errors | Deeds | Guessed | Reload | Stop
)


class HealthTold(Struct, frozen=True):
    health: dict[str, Any]
    checks: dict[str, str]


# --- Bytes -------------------------------------------------------------------

encode_value = msgspec.msgpack.Encoder().encode
"""Of an argument, an answer, a question."""
_from_process: msgspec.msgpack.Decoder[FromProcess] = msgspec.msgpack.Decoder(FromProcess)
_to_process: msgspec.msgpack.Decoder[ToProcess] = msgspec.msgpack.Decoder(ToProcess)
_question: msgspec.msgpack.Decoder[Question] = msgspec.msgpack.Decoder(Question)


def raw(value: object) -> Raw:
    return Raw(encode_value(value))


def framed(message: FromProcess | ToProcess) -> bytes:
    data = encode_value(message)
    return _LENGTH.pack(len(data)) + data


def from_process(data: bytes) -> FromProcess:
    return _from_process.decode(data)


def to_process(data: bytes) -> ToProcess:
    return _to_process.decode(data)


def question_in(data: Raw) -> Question:
    return _question.decode(data)


class Frames:
    """Puts together what a stream has cut.  What is longer than any message ends the connection:
    the other end is none of ours.
    """

    def __init__(self) -> None:
        self._unread = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Raises:
        ValueError: that is no message.
        """
        self._unread += data
        while len(self._unread) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._unread)
            if length > MAX_MESSAGE_BYTES:
                raise ValueError(f"a message of {length} bytes")
            end = _LENGTH.size + length
            if len(self._unread) < end:
                return
            message = bytes(self._unread[_LENGTH.size : end])
            del self._unread[:end]
            yield message
