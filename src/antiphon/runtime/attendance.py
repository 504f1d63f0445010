"""The connections of a session, and what each may send."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from antiphon.core.records import Record
from antiphon.errors import ProtocolError
from antiphon.protocol.client import ClientEvent
from antiphon.protocol.server import ServerEvent
from antiphon.runtime.connection import Connection

HIGH_WATER_BYTES = 1024 * 1024
"""More unread than this, and the session takes no more news of its engine for a while: the
engine's own bounded queue makes it wait.  (A reader that never reads closes its connection.)"""


class Attendance:
    """Where nothing is kept, events go straight to the connections."""

    def __init__(self) -> None:
        self._connections: dict[str, Connection] = {}
        self._may_send: dict[str, Collection[str]] = {}

    def __contains__(self, connection: Connection) -> bool:
        return connection.id in self._connections

    def __iter__(self) -> Iterator[str]:
        """Their ids, in the order in which they came."""
        return iter(self._connections)

    @property
    def present(self) -> tuple[Connection, ...]:
        return tuple(self._connections.values())

    def join(
        self,
        connection: Connection,
        may_send: Collection[str] | None,
        *,
        owns: bool = True,  # noqa: ARG002  For those who keep a log.
    ) -> None:
        self._connections[connection.id] = connection
        if may_send is not None:
            self._may_send[connection.id] = may_send

    def leave(self, connection: Connection) -> bool:
        """Returns whether it was there."""
        self._may_send.pop(connection.id, None)
        return self._connections.pop(connection.id, None) is not None

    def check(self, connection: Connection, event: ClientEvent) -> None:
        """Raises:
        ProtocolError: the connection may not send that.
        """
        may_send = self._may_send.get(connection.id)
        kind = str(event.__struct_config__.tag)
        if may_send is None or kind in may_send:
            return
        listed = ", ".join(f"'{name}'" for name in sorted(may_send)) or "nothing"
        message = f"This connection may not send '{kind}'. It may send: {listed}."
        raise ProtocolError("event_not_allowed", message, param="type", event_id=event.event_id)

    def record(self, record: Record) -> None:
        """Something changed that lasts; the events that tell of it follow."""

    def send(self, event: ServerEvent) -> None:
        for connection in self._connections.values():
            connection.send(event)

    def send_to(self, connection_id: str, event: ServerEvent) -> None:
        """One that has left meanwhile is not told."""
        if (connection := self._connections.get(connection_id)) is not None:
            connection.send(event)

    def close(self, code: int, reason: str) -> None:
        for connection in list(self._connections.values()):
            connection.close(code, reason)

    async def emptied(self) -> None:
        """Wait until nothing is held back any more."""

    async def caught_up(self) -> None:
        """Wait until nobody is so far behind that more would only pile up."""
        for connection in list(self._connections.values()):
            if connection.queued_bytes > HIGH_WATER_BYTES:
                await connection.flushed()
