"""A connection of two protocols in one event loop, without sockets."""

from __future__ import annotations

import asyncio
import socket

HIGH_WATER_BYTES = 64 * 1024
"""More than this unread, and who writes is told to pause, as a full socket does."""
Address = tuple[str, int]
CLIENT, SERVER = ("127.0.0.1", 49152), ("127.0.0.1", 80)


def join(client: asyncio.Protocol, server: asyncio.Protocol) -> MemoryTransport:
    """Connect two protocols: what one writes the other receives, a turn of the loop later.

    Returns:
        The client's end.
    """
    near, far = MemoryTransport(client, CLIENT, SERVER), MemoryTransport(server, SERVER, CLIENT)
    near.pair_with(far)
    far.pair_with(near)
    server.connection_made(far)
    client.connection_made(near)
    return near


class NoSocket:
    """What libraries ask of a connection's socket, where there is none."""

    family = socket.AF_INET

    def __init__(self, address: Address, peer_address: Address) -> None:
        self._addresses = (address, peer_address)

    def getsockname(self) -> Address:
        return self._addresses[0]

    def getpeername(self) -> Address:
        return self._addresses[1]

    def setsockopt(self, *_: object) -> None:
        """There is nothing to set."""

    def fileno(self) -> int:
        return -1


class MemoryTransport(asyncio.Transport):
    """One end.  It holds what was written at it until the other end takes it.

    Overflow policy: as of sockets; beyond the high-water mark the protocol is told to pause.
    """

    def __init__(self, protocol: asyncio.Protocol, address: Address, peer_address: Address) -> None:
        nothing = NoSocket(address, peer_address)
        super().__init__({"sockname": address, "peername": peer_address, "socket": nothing})
        self._loop = asyncio.get_running_loop()
        self._protocol = protocol
        self._peer: MemoryTransport
        self._unread = bytearray()
        self._high_water_bytes = HIGH_WATER_BYTES
        self._reading = True
        self._told_to_pause = self._closing = self._lost = False

    def pair_with(self, peer: MemoryTransport) -> None:
        self._peer = peer

    # --- As asyncio has it ---------------------------------------------------

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        assert isinstance(protocol, asyncio.Protocol), "as they all are that aiohttp makes"
        self._protocol = protocol

    def is_closing(self) -> bool:
        return self._closing

    def is_reading(self) -> bool:
        return self._reading

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        self._reading = True
        self._loop.call_soon(self._take)

    def set_write_buffer_limits(
        self,
        high: int | None = None,
        low: int | None = None,  # noqa: ARG002 -- All is taken at once, so there is none.
    ) -> None:
        self._high_water_bytes = HIGH_WATER_BYTES if high is None else high

    def get_write_buffer_size(self) -> int:
        return len(self._unread)

    def can_write_eof(self) -> bool:
        return False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._closing or not data:
            return
        if not self._unread:
            self._loop.call_soon(self._peer._take)
        self._unread += data
        if len(self._unread) > self._high_water_bytes and not self._told_to_pause:
            self._told_to_pause = True
            self._protocol.pause_writing()

    def close(self) -> None:
        """When the other end has taken what is unread."""
        if not self._closing:
            self._closing = True
            self._loop.call_soon(self._peer._take)

    def abort(self) -> None:
        self._closing = True
        self._unread.clear()
        self._loop.call_soon(self._lose)

    # --- Between the two -----------------------------------------------------

    def _take(self) -> None:
        if not self._reading or self._lost:
            return
        data = self._peer._give()
        if data and not self._closing:
            self._protocol.data_received(data)
        if self._peer.is_closing():
            self._lose()

    def _give(self) -> bytes:
        data = bytes(self._unread)
        self._unread.clear()
        if self._told_to_pause:
            self._told_to_pause = False
            self._protocol.resume_writing()
        return data

    def _lose(self) -> None:
        """Both ends know: there is no connection any more."""
        for end in (self, self._peer):
            if not end._lost:
                end._closing = end._lost = True
                end._unread.clear()
                end._protocol.connection_lost(None)
