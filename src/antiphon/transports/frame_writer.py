"""Text frames of a WebSocket, queued while the socket is full."""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

WRITE_CHUNK_BYTES: Final = 64 * 1024
MAX_UNFLUSHED_BYTES: Final = 256 * 1024
"""More than this is written at once, not at the end of the loop's turn."""

_HEADER_126 = struct.Struct("!BBH").pack
_HEADER_127 = struct.Struct("!BBQ").pack
_TEXT = 0x81  # FIN, opcode 1


def text_frame_header(length: int) -> bytes:
    """The header of an unmasked, unfragmented text frame (RFC 6455, 5.2)."""
    if length < 126:
        return bytes((_TEXT, length))
    if length < 65536:
        return _HEADER_126(_TEXT, 126, length)
    return _HEADER_127(_TEXT, 127, length)


class Socket(NamedTuple):
    """What a `FrameWriter` needs of the socket below it."""

    transport: asyncio.WriteTransport
    is_paused: Callable[[], bool]
    """Whether the transport holds more than it wants to."""
    resumed: Callable[[], asyncio.Task[None]]
    """A task that ends when ``is_paused`` does, or with the connection."""


class FrameWriter:
    """Text frames into a socket, without ever waiting.

    Frames queue here (not in the transport) while the socket is full, so that pings and
    the close frame of a slow reader need not wait behind megabytes.
    """

    def __init__(
        self, socket: Socket, *, max_queued_bytes: int, overflow: Callable[[], None]
    ) -> None:
        self._socket = socket
        self._max_queued_bytes = max_queued_bytes
        self._overflow = overflow
        self._frames: deque[bytes] = deque()
        self._queued_bytes = 0
        self._flush_due: asyncio.Handle | None = None
        self._waiting: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()

    @property
    def queued_bytes(self) -> int:
        return self._queued_bytes

    def write(self, payload: bytes) -> None:
        frame = text_frame_header(len(payload)) + payload
        self._frames.append(frame)
        self._queued_bytes += len(frame)
        if self._waiting is not None:
            if self._queued_bytes > self._max_queued_bytes:
                self._overflow()
        elif self._flush_due is None:
            self._flush_due = self._loop.call_soon(self._flush)
        elif self._queued_bytes > MAX_UNFLUSHED_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write all that the socket takes now; the rest follows by itself."""
        if self._flush_due is not None:
            self._flush_due.cancel()
        self._flush()

    def discard(self) -> None:
        self._frames.clear()
        self._queued_bytes = 0

    async def flushed(self) -> None:
        """All that was queued is with the transport (or will never be)."""
        self.flush()
        while self._frames and self._waiting is not None:
            await asyncio.wait((self._waiting,))

    def _flush(self) -> None:
        self._flush_due = None
        if self._socket.transport.is_closing():
            self.discard()
        while self._frames:
            if self._waiting is not None or self._socket.is_paused():
                self._wait()
                return
            if self._queued_bytes <= WRITE_CHUNK_BYTES:
                chunk = self._frames[0] if len(self._frames) == 1 else b"".join(self._frames)
                self.discard()
            else:
                chunk = self._frames.popleft()
                self._queued_bytes -= len(chunk)
            self._socket.transport.write(chunk)

    def _wait(self) -> None:
        if self._waiting is None:
            self._waiting = self._socket.resumed()
            self._waiting.add_done_callback(self._resumed)

    def _resumed(self, _: asyncio.Task[None]) -> None:
        self._waiting = None
        self._flush()
