"""A client's connection, carried on to another process as it stands.

Bytes are not looked at: whatever the client and its session agreed on (frames, closes, pings) is
between those two.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, cast

from aiohttp import web

HIGH_WATER_BYTES: Final = 256 * 1024
"""With more unread on one side, the other is not read from."""
LOOK_AGAIN_S: Final = 0.01

FORWARDED: Final = "Antiphon-Forwarded"
"""Header by which one process tells another whose request it passes on; of no worth without the
token that only they have."""
_OF_ONE_HOP: Final = frozenset(
    {
        "connection",
        "content-encoding",
        "content-length",
        "expect",
        "keep-alive",
        "transfer-encoding",
    }
)
"""What is settled with the client: its body has been read and unpacked."""

Connect = Callable[[Callable[[], asyncio.Protocol]], Awaitable[asyncio.Transport]]


class Spliced(web.StreamResponse):
    """What a handler returns when another process has answered its client."""

    def __init__(self, status: int) -> None:
        super().__init__(status=status)
        self.force_close()

    async def prepare(self, request: web.BaseRequest) -> Any:
        del request

    async def write_eof(self, data: bytes = b"") -> None:
        del data


async def splice(request: web.Request, connect: Connect, *, shows: str) -> Spliced:
    """Let another process answer; returns when it or the client has closed the connection.

    Args:
        request: As it came.
        connect: Gives a connection to that process.
        shows: What the header `FORWARDED` says.
    """
    client = request.transport
    if client is None:
        return Spliced(499)  # It has gone.
    upgrades = "upgrade" in request.headers.get("Connection", "").lower()
    body = b"" if upgrades else await request.read()
    end = _OwnersEnd(client)
    owner = await connect(lambda: end)
    try:
        owner.write(_head(request, upgrades=upgrades, body=body, shows=shows) + body)
        if upgrades:
            end.is_two_way = True
            request.protocol.set_parser(_ClientsEnd(owner))  # type: ignore[arg-type]
        await end.gone.wait()
    finally:
        owner.close()
    return Spliced(end.status)


class _OwnersEnd(asyncio.Protocol):
    """What comes from the process that has the session."""

    def __init__(self, client: asyncio.Transport) -> None:
        self.gone = asyncio.Event()
        self.is_two_way = False
        self.status = 502
        """Until it has answered."""
        self._client = client
        self._owner: asyncio.Transport
        self._has_answered = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._owner = cast(asyncio.Transport, transport)  # uvloop has a class of its own.

    def data_received(self, data: bytes) -> None:
        if not self._has_answered:
            self._has_answered = True
            status = data[9:12]  # HTTP/1.1 200
            self.status = int(status) if status.isdigit() else self.status
        if self._client.is_closing():
            self._owner.close()
            return
        self._client.write(data)
        if self._client.get_write_buffer_size() > HIGH_WATER_BYTES:
            self._owner.pause_reading()
            self._look_again()

    def _look_again(self) -> None:
        # The client's transport tells its own protocol, which is aiohttp's, when it has room.
        if self._client.get_write_buffer_size() > HIGH_WATER_BYTES and not self.gone.is_set():
            asyncio.get_running_loop().call_later(LOOK_AGAIN_S, self._look_again)
        elif not self._owner.is_closing():
            self._owner.resume_reading()

    def pause_writing(self) -> None:
        if self.is_two_way and not self._client.is_closing():
            self._client.pause_reading()

    def resume_writing(self) -> None:
        if self.is_two_way and not self._client.is_closing():
            self._client.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        del error
        self.gone.set()


class _ClientsEnd:
    """As aiohttp's protocol feeds the reader of a WebSocket."""

    def __init__(self, owner: asyncio.Transport) -> None:
        self._owner = owner

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self._owner.write(data)
        return False, b""

    def feed_eof(self) -> None:
        self._owner.close()


def _head(request: web.Request, *, upgrades: bool, body: bytes, shows: str) -> bytes:
    ours = [(FORWARDED, shows)]
    if upgrades:
        ours.append(("Connection", "Upgrade"))
    else:
        ours += [("Connection", "close"), ("Content-Length", str(len(body)))]
    lines = [f"{request.method} {request.raw_path} HTTP/1.1".encode()]
    lines += [b"%s: %s" % header for header in _passed_on(request.raw_headers)]
    lines += [f"{name}: {value}".encode() for name, value in ours]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def _passed_on(headers: Iterable[tuple[bytes, bytes]]) -> Iterable[tuple[bytes, bytes]]:
    for name, value in headers:
        lowered = name.decode("latin-1").lower()
        if lowered not in _OF_ONE_HOP and lowered != FORWARDED.lower():
            yield name, value
