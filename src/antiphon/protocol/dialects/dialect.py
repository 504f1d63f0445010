"""What a dialect is: by its name, and as one connection speaks it.

Inside everything is GA.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import msgspec

from antiphon.errors import ProtocolError
from antiphon.protocol.client import ClientEvent
from antiphon.protocol.server import ServerEvent
from antiphon.protocol.session import AnySession

Json = dict[str, Any]
Extras = dict[str, Any]
"""What a session has in one dialect, and GA has no place for (beta: ``temperature``)."""


class Dialect(NamedTuple):
    """How one connection spells the events: bytes to events, and events to messages.

    It belongs to that connection, since some remember what they have told it.
    """

    decode: Callable[[bytes | str], ClientEvent]
    """Raises `ProtocolError`."""
    encode: Callable[[ServerEvent], tuple[bytes, ...]]
    """One event may be one message, none or several."""


class Connects(Protocol):
    def __call__(self, *, strict: bool, extras: Extras) -> Dialect:
        """Speak it on one connection.

        Args:
            strict: Refuse unknown keys, as OpenAI's server does.
            extras: What the session begins with, as bound to a client secret.
        """
        ...


def _read_ga(settings: Json) -> tuple[Json, Extras]:
    return settings, {}


def _tell_ga(session: AnySession, _: Extras) -> Json:
    told: Json = msgspec.to_builtins(session)
    return told


def _blame_ga(error: ProtocolError, _: Json) -> ProtocolError:
    return error


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a dialect spells a session; as GA does, unless told.

    Attributes:
        read: The settings of a session as GA has them, and the extras.  Both sides are JSON
            that nobody has checked yet.  Raises `ProtocolError`, in the dialect's words.
        tell: A session, and its extras, as clients of the dialect know it.
        blame: An error about GA's settings in the dialect's words, given what was sent.
    """

    read: Callable[[Json], tuple[Json, Extras]] = _read_ga
    tell: Callable[[AnySession, Extras], Json] = _tell_ga
    blame: Callable[[ProtocolError, Json], ProtocolError] = _blame_ga


@dataclass(frozen=True, kw_only=True)
class NamedDialect:
    """A dialect, whoever speaks it.

    Attributes:
        name: As client secrets remember it.
        header: What in the header ``OpenAI-Beta`` asks for it; None: nothing does.
        subprotocol: The WebSocket subprotocol that asks for it.
        own_client_events: The client events that only it has, and what GA calls them.
    """

    name: str
    connect: Connects
    settings: Settings = Settings()
    header: str | None = None
    subprotocol: str | None = None
    own_client_events: tuple[tuple[str, str], ...] = ()
