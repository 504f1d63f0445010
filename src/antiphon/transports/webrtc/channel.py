"""The data channel as a `Connection`: one text message for each event."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from typing import Final, Protocol

from antiphon.errors import ProtocolError
from antiphon.protocol.client import ClientEvent
from antiphon.protocol.codec import encode_server_event
from antiphon.protocol.dialect import GA, Dialect
from antiphon.protocol.fitting import fitting
from antiphon.protocol.server import Error, ErrorDetail, ServerEvent

log = logging.getLogger(__name__)

MAX_MESSAGE_BYTES: Final = 262_144
"""Of an event from the client: what our answers announce."""
MAX_QUEUED_BYTES: Final = 8 * 1024 * 1024
"""Not yet taken by SCTP.  Above, the slow reader's call is ended."""
MAX_KEPT_BYTES: Final = 1024 * 1024
"""Of events that wait for a channel."""
TRY_AGAIN_LATER: Final = 1013
TORN: Final = 1006


class Wire(Protocol):
    """What carries the messages: `Peer`."""

    @property
    def queued_bytes(self) -> int: ...

    def send_text(self, text: str) -> None: ...

    async def writable(self) -> None: ...


class EventsChannel:
    """Keeps events until it is certain where the client wants them; then they leave in order.

    A channel that is open may turn out to be another one than that of the events (`Channels`);
    what was sent there leaves again by the next that opens.

    Args:
        max_message_bytes: what the peer takes at once; None: anything.  More would make the
            stack refuse it, or close the channel, so longer events are shortened.
        expected: whether a channel was offered; without one, events go nowhere.
        on_close: the session wants the call ended, with a WebSocket close code and why.
    """

    def __init__(
        self,
        connection_id: str,
        wire: Wire,
        *,
        dialect: Dialect = GA,
        max_message_bytes: int | None,
        expected: bool,
        on_close: Callable[[int, str], None],
    ) -> None:
        self._id = connection_id
        self._wire = wire
        self._dialect = dialect
        self._max_message_bytes = max_message_bytes
        self._on_close = on_close
        self.is_expected = expected
        self._kept = _Kept()
        self._open = False
        self._settled = False
        self._closed = False

    @property
    def id(self) -> str:
        return self._id

    @property
    def is_open(self) -> bool:
        return self._open

    @property
    def dialect(self) -> Dialect:
        return self._dialect

    @property
    def queued_bytes(self) -> int:
        return self._wire.queued_bytes if self._open else self._kept.size_bytes

    def send(self, event: ServerEvent) -> None:
        if self.is_expected:
            for whole in self._dialect.encode(event):
                for message in fitting(whole, self._max_message_bytes):
                    self._send_message(message)

    def write(self, message: bytes) -> None:
        """One text message as it stands, whatever is in it: for a server that is to misbehave."""
        if self.is_expected:
            self._send_message(message)

    def tear(self, *, reset: bool) -> None:  # noqa: ARG002  A call has one way to be gone.
        """End the call; nothing is said before."""
        self.close(TORN, "torn")

    def _send_message(self, message: bytes) -> None:
        if self._closed:
            return
        if self._open and self.queued_bytes + len(message) > MAX_QUEUED_BYTES:
            self.close(TRY_AGAIN_LATER, "The client reads too slowly.")
            return
        if not self._settled:
            self._kept.add(message)
        if self._open:
            self._wire.send_text(message.decode())

    def read(self, data: str | bytes) -> ClientEvent:
        """Raises ProtocolError."""
        if len(data) > MAX_MESSAGE_BYTES:
            raise ProtocolError(
                "invalid_event",
                f"The message is longer than {MAX_MESSAGE_BYTES} bytes, which is what the"
                " answer's max-message-size allows.",
            )
        return self._dialect.decode(data)

    def opened(self) -> None:
        """A channel has opened that nothing was sent on yet."""
        self._open = True
        for message in self._kept.messages:
            self._wire.send_text(message.decode())
        if self._kept.left_out:
            log.warning("connection %s: %d events did not wait", self._id, self._kept.left_out)
            self._wire.send_text(_left_out(self._kept.left_out).decode())

    def settled(self) -> None:
        """It is the one that the client uses."""
        self._settled = True
        self._kept = _Kept()

    def lost(self) -> None:
        """It has closed, and was not the one."""
        self._open = False

    def close(self, code: int, reason: str) -> None:
        if not self._closed:
            self._closed = True
            self._on_close(code, reason)

    async def flushed(self) -> None:
        if self._open:
            await self._wire.writable()


class _Kept:
    """Events for a channel that may still open.  Overflow: the newest are left out, and counted;
    the client is told.
    """

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.size_bytes = 0
        self.left_out = 0

    def add(self, message: bytes) -> None:
        if self.left_out or self.size_bytes + len(message) > MAX_KEPT_BYTES:
            self.left_out += 1
        else:
            self.messages.append(message)
            self.size_bytes += len(message)


def _left_out(count: int) -> bytes:
    error = ErrorDetail(
        type="server_error",
        code="events_left_out",
        message=f"The data channel opened late: the last {count} events before were not kept.",
    )
    return encode_server_event(Error(event_id=f"event_{secrets.token_hex(8)}", error=error))
