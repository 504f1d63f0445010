"""Callers who hang up in the midst of ICE, DTLS and SCTP, in a process of their own: what a call
leaves behind in the process of the test is then the server's.

Each offer is a line on stdout, and its `Answer` a line on stdin, as JSON.
"""

from __future__ import annotations

import asyncio
import sys

import aioice.ice
import msgspec

from antiphon.transports.webrtc.calls import Answer
from tests.transports.webrtc.client import LOCALHOST, Client

CALLERS = 12
APART_S = 0.012


class ByPipe:
    def __init__(self, lines: asyncio.StreamReader) -> None:
        self._lines = lines
        self._one_at_a_time = asyncio.Lock()

    async def answer(self, offer_sdp: str, *, model: str) -> Answer:
        async with self._one_at_a_time:
            print(msgspec.json.encode(offer_sdp).decode(), flush=True)  # noqa: T201
            return msgspec.json.decode(await self._lines.readline(), type=Answer)


async def _call(caller: Client, stay_s: float) -> None:
    await caller.call()
    await asyncio.sleep(stay_s)
    await caller.hang_up()


async def _run() -> None:
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: list(LOCALHOST)
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    calls = ByPipe(lines)
    await asyncio.gather(*(_call(Client(calls), i * APART_S) for i in range(CALLERS)))


if __name__ == "__main__":
    asyncio.run(_run())
