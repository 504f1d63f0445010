"""A place in a session, which its owner may leave for a while and find as it was."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection

from antiphon.protocol import server
from antiphon.protocol.server import ServerEvent
from antiphon.runtime.connection import Connection

MAX_EVENTS = 5_000
MAX_AUDIO_BYTES = 2 * 1024 * 1024
"""44 s of speech at 24 kHz."""
FROM_THE_BEGINNING = ""


class Backlog:
    """What was sent last, for one who comes back and names the last event that arrived.

    A cursor is an event's id.  Ids are made of the session's seed and a number, so that a cursor
    of another session is never found here, and is a gap.

    Overflow policy: the oldest events leave; a cursor before them finds a gap.
    """

    def __init__(
        self, *, max_events: int = MAX_EVENTS, max_audio_bytes: int = MAX_AUDIO_BYTES
    ) -> None:
        self._sent: deque[ServerEvent] = deque()
        self._unshared: set[str] = set()
        """Ids of those that no other was sent; few."""
        self._max_events = max_events
        self._max_audio_bytes = max_audio_bytes
        self._audio_bytes = 0
        self._is_whole = True
        """Nothing has left yet."""

    def keep(self, event: ServerEvent, *, shared: bool) -> None:
        self._sent.append(event)
        if not shared:
            self._unshared.add(event.event_id)
        self._audio_bytes += audio_bytes(event)
        while len(self._sent) > self._max_events or self._audio_bytes > self._max_audio_bytes:
            oldest = self._sent.popleft()
            self._audio_bytes -= audio_bytes(oldest)
            self._unshared.discard(oldest.event_id)
            self._is_whole = False

    def after(self, cursor: str, *, shared_only: bool = False) -> list[ServerEvent] | None:
        """What was sent since, oldest first; None: a gap."""
        missed: list[ServerEvent] = []
        for event in reversed(self._sent):
            if event.event_id == cursor:
                break
            # Each connection has a welcome of its own.
            is_theirs = not shared_only or event.event_id not in self._unshared
            if is_theirs and not isinstance(event, server.SessionCreated):
                missed.append(event)
        else:
            if cursor != FROM_THE_BEGINNING or not self._is_whole:
                return None
        missed.reverse()
        return missed


class Seat:
    """Where events for one connection go.  It is told nothing before it is welcome.

    Args:
        may_send: Types of client events that who sits here may send; None: all.
        backlog: What is kept for the return of its owner; None: nothing.
    """

    def __init__(
        self,
        connection: Connection,
        may_send: Collection[str] | None = None,
        *,
        backlog: Backlog | None = None,
    ) -> None:
        self.connection: Connection | None = connection
        """None: it is kept for its owner, who is away."""
        self.may_send = may_send
        self.backlog = backlog
        self.unsent_audio_bytes = 0
        """What came while nobody was here."""
        self._is_welcome = False

    def send(self, event: ServerEvent, *, shared: bool = True) -> None:
        if self.backlog is not None:
            self.backlog.keep(event, shared=shared)
        if self.connection is None:
            self.unsent_audio_bytes += audio_bytes(event)
        elif self._is_welcome:
            self.connection.send(event)

    def welcome(self, created: server.SessionCreated, missed: Collection[ServerEvent]) -> None:
        """The first events that its connection is sent."""
        assert self.connection is not None, "somebody has come"
        if self.backlog is not None:
            self.backlog.keep(created, shared=False)
        self._is_welcome = True
        self.connection.send(created)
        for event in missed:
            self.connection.send(event)

    def leave(self) -> None:
        """It is kept for who sat here."""
        self.connection = None
        self._is_welcome = False

    def take(self, connection: Connection, may_send: Collection[str] | None) -> None:
        """Its owner is back, by another connection."""
        self.connection = connection
        self.may_send = may_send
        self.unsent_audio_bytes = 0
        self._is_welcome = False


def audio_bytes(event: ServerEvent) -> int:
    return len(event.delta) if isinstance(event, server.ResponseOutputAudioDelta) else 0
