"""A bad network between a caller and the server: a relay that loses, delays and reorders.

It stands in for a network: Linux has netem for that, but few kernels of containers do, and only
for root (test_netem.py).  A relay of UDP runs everywhere, loses the same packets of a sentence
each time, and knows how many it has lost.

As a program it is the relay itself, in a process of its own so that nothing keeps it from
its work: it prints its port, and answers each line of `Conditions` with a `Tally`, as JSON.
"""

from __future__ import annotations

import asyncio
import random
import sys
from asyncio.subprocess import PIPE
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from msgspec import Struct

from antiphon.transports.rtp.packets import is_rtcp

SEED = 20


class Conditions(Struct, frozen=True, kw_only=True):
    """Of both directions.

    Attributes:
        jitter_ms: by how much a packet's delay may be longer or shorter.  More than half of
            the 20 ms between packets, and some are overtaken.
        drops_media: as a middlebox does that lets ICE, DTLS and the data channel through.
    """

    server_port: int = 0
    loss: float = 0.0
    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    is_down: bool = False
    drops_media: bool = False


class Tally(Struct, kw_only=True):
    """RTP packets of the caller, reports not among them."""

    passed: int = 0
    lost: int = 0


class BadNetwork:
    """`Client`'s way to the server."""

    def __init__(self, relay: asyncio.subprocess.Process, port: int, now: Conditions) -> None:
        self._relay = relay
        self._port = port
        self._now = now

    async def open(self, server_port: int) -> int:
        await self.become(server_port=server_port)
        return self._port

    async def become(self, **conditions: Any) -> Tally:
        """Change what is named, and begin the losses afresh; all until now is told."""
        assert self._relay.stdin is not None
        assert self._relay.stdout is not None
        self._now = msgspec.structs.replace(self._now, **conditions)
        self._relay.stdin.write(msgspec.json.encode(self._now) + b"\n")
        return msgspec.json.decode(await self._relay.stdout.readline(), type=Tally)


@asynccontextmanager
async def bad_network(conditions: Conditions) -> AsyncIterator[BadNetwork]:
    relay = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__, stdin=PIPE, stdout=PIPE
    )
    try:
        assert relay.stdout is not None
        yield BadNetwork(relay, int(await relay.stdout.readline()), conditions)
    finally:
        relay.terminate()
        await relay.wait()


class _Relay(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.tally = Tally()
        self._transport: Any = None
        self._caller: Any = None
        self.obey(Conditions())

    def obey(self, conditions: Conditions) -> None:
        self._now = conditions
        # For each direction and kind one of its own, so that no other traffic shifts its losses.
        self._losses: dict[tuple[bool, bool], random.Random] = defaultdict(
            lambda: random.Random(SEED)
        )
        self._delays = random.Random(SEED)

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        now = self._now
        server = ("127.0.0.1", now.server_port)
        to_server = address != server
        if to_server:
            self._caller = address
        is_media = 127 < data[0] < 192
        is_rtp = is_media and not is_rtcp(data)
        lost = self._losses[to_server, is_rtp].random() < now.loss
        lost |= now.is_down or (now.drops_media and is_media)
        if to_server and is_rtp:
            self.tally.lost += lost
            self.tally.passed += not lost
        if not lost:
            delay_ms = now.delay_ms + self._delays.uniform(-now.jitter_ms, now.jitter_ms)
            to = server if to_server else self._caller
            loop = asyncio.get_running_loop()
            loop.call_later(delay_ms / 1000, self._transport.sendto, data, to)


async def _run() -> None:
    loop = asyncio.get_running_loop()
    relay = _Relay()
    transport, _ = await loop.create_datagram_endpoint(lambda: relay, local_addr=("127.0.0.1", 0))
    print(transport.get_extra_info("sockname")[1], flush=True)  # noqa: T201
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async for line in lines:
        relay.obey(msgspec.json.decode(line, type=Conditions))
        print(msgspec.json.encode(relay.tally).decode(), flush=True)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(_run())
