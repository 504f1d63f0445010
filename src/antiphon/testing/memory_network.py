"""HTTP and WebSocket between a client and a server of one event loop, without sockets.

Nothing outside the loop has a part in it, so all of it may run in virtual time.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import ClientRequest, ClientTimeout, web
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import BaseConnector

if TYPE_CHECKING:
    from aiohttp.tracing import Trace

HIGH_WATER_BYTES = 64 * 1024
"""More than this unread, and who writes is told to pause, as a full socket does."""
CLIENT, SERVER = ("127.0.0.1", 49152), ("127.0.0.1", 80)


class MemoryConnector(BaseConnector):
    """For `aiohttp.ClientSession`: whatever the host, it is ``server`` that answers."""

    def __init__(self, server: web.Server) -> None:
        super().__init__()
        self._server = server

    async def _create_connection(
        self,
        req: ClientRequest,  # noqa: ARG002 -- As aiohttp calls it.
        traces: list[Trace],  # noqa: ARG002
        timeout: ClientTimeout,  # noqa: ARG002, ASYNC109
    ) -> ResponseHandler:
        client = self._factory()
        join(client, self._server())
        return client


def join(client: asyncio.Protocol, server: asyncio.Protocol) -> None:
    """Connect two protocols: what one writes the other receives, a turn of the loop later."""
    near, far = MemoryTransport(client, SERVER), MemoryTransport(server, CLIENT)
    near.pair_with(far)
    far.pair_with(near)
    server.connection_made(far)
    client.connection_made(near)


class MemoryTransport(asyncio.Transport):
    """One end.  It holds what was written at it until the other end takes it.

    Overflow policy: as of sockets; beyond the high-water mark the protocol is told to pause.
    """

    def __init__(self, protocol: asyncio.Protocol, peer_address: tuple[str, int]) -> None:
        super().__init__({"peername": peer_address})
        self._loop = asyncio.get_running_loop()
        self._protocol = protocol
        self._peer: MemoryTransport
        self._unread = bytearray()
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
        if len(self._unread) > HIGH_WATER_BYTES and not self._told_to_pause:
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
