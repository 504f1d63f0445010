"""The data channel as a `Connection`: one text message for each event."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Protocol

import msgspec

from antiphon.errors import ProtocolError
from antiphon.protocol.client import ClientEvent
from antiphon.protocol.dialect import GA, Dialect
from antiphon.protocol.server import ServerEvent

log = logging.getLogger(__name__)

MAX_MESSAGE_BYTES: Final = 262_144
"""Of an event from the client: what our answers announce."""
MAX_QUEUED_BYTES: Final = 8 * 1024 * 1024
"""Not yet taken by SCTP.  Above, the slow reader's call is ended."""
TRY_AGAIN_LATER: Final = 1013


class Wire(Protocol):
    """What carries the messages: `Peer`."""

    @property
    def queued_bytes(self) -> int: ...

    def send_text(self, text: str) -> None: ...

    async def writable(self) -> None: ...


class EventsChannel:
    """Keeps events until the client's channel is open; then they leave in order.

    Args:
        max_message_bytes: what the peer takes at once; None: anything.  More would make the
            stack refuse it, or close the channel, so longer events are trimmed or left out.
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
        self._early: deque[str] = deque()
        self._early_bytes = 0
        self._open = False
        self._closed = False

    @property
    def id(self) -> str:
        return self._id

    @property
    def is_open(self) -> bool:
        return self._open

    @property
    def queued_bytes(self) -> int:
        return self._early_bytes + self._wire.queued_bytes

    def send(self, event: ServerEvent) -> None:
        if self.is_expected:
            for message in self._dialect.encode(event):
                self._send_message(message)

    def _send_message(self, message: bytes) -> None:
        if self._closed:
            return
        data: bytes | None = message
        if self._max_message_bytes is not None and len(message) > self._max_message_bytes:
            data = self._shortened(message)
        if data is None:
            return
        if self.queued_bytes + len(data) > MAX_QUEUED_BYTES:
            self.close(TRY_AGAIN_LATER, "The client reads too slowly.")
        elif self._open:
            self._wire.send_text(data.decode())
        else:
            self._early.append(data.decode())
            self._early_bytes += len(data)

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
        self._open = True
        while self._early:
            self._wire.send_text(self._early.popleft())
        self._early_bytes = 0

    def close(self, code: int, reason: str) -> None:
        if not self._closed:
            self._closed = True
            self._on_close(code, reason)

    async def flushed(self) -> None:
        if self._open:
            await self._wire.writable()

    def _shortened(self, message: bytes) -> bytes | None:
        assert self._max_message_bytes is not None
        event: dict[str, Any] = msgspec.json.decode(message)
        kind = event["type"]
        for shorten in (_without_audio, _without_descriptions):
            data = msgspec.json.encode(shorten(event))
            if len(data) <= self._max_message_bytes:
                log.info("connection %s: %s was sent in short", self._id, kind)
                return data
        log.warning("connection %s: %s is too long for the peer: left out", self._id, kind)
        return None


def _without_audio(event: dict[str, Any]) -> dict[str, Any]:
    item = event.get("item")
    for part in item.get("content", ()) if isinstance(item, dict) else ():
        part.pop("audio", None)
    return event


def _without_descriptions(event: dict[str, Any]) -> dict[str, Any]:
    _without_audio(event)
    for tool in (event.get("session") or {}).get("tools") or ():
        tool.pop("description", None)
    return event
