"""A connection without a network: what is sent to it can be read at once."""

from __future__ import annotations

import asyncio
from collections import deque

from antiphon.protocol.closes import CloseCode
from antiphon.protocol.codec import encode_server_event
from antiphon.protocol.server import ServerEvent


class MemoryConnection:
    """Keeps what it is sent, encoded, until it is taken.

    Overflow policy: one who lets more than ``max_queued_bytes`` lie is hung up on.
    """

    def __init__(
        self, connection_id: str = "memory", *, max_queued_bytes: int = 64 * 1024 * 1024
    ) -> None:
        self.id = connection_id
        self.closed: tuple[int, str] | None = None
        """The close code and its reason, once it is closed."""
        self._max_queued_bytes = max_queued_bytes
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._taken = asyncio.Event()

    @property
    def queued_bytes(self) -> int:
        return self._queued_bytes

    def send(self, event: ServerEvent) -> None:
        if self.closed is not None:
            return
        data = encode_server_event(event)
        if self._queued_bytes + len(data) > self._max_queued_bytes:
            self.close(CloseCode.TRY_AGAIN_LATER, "The client does not read.")
            return
        self._queue.append(data)
        self._queued_bytes += len(data)

    def close(self, code: int, reason: str) -> None:
        if self.closed is None:
            self.closed = (code, reason)
        self._taken.set()

    async def flushed(self) -> None:
        while self._queue and self.closed is None:
            self._taken.clear()
            await self._taken.wait()

    def take(self) -> bytes | None:
        """The oldest message that was not taken, as JSON; None: there is none."""
        if not self._queue:
            return None
        data = self._queue.popleft()
        self._queued_bytes -= len(data)
        self._taken.set()
        return data
