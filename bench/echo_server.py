"""The WebSocket transport with nothing behind it: each chunk of audio comes straight back."""

from __future__ import annotations

import argparse
import asyncio
import resource
import sys
from collections.abc import Collection
from urllib.parse import urlsplit

from aiohttp import web

from antiphon.protocol.client import ClientEvent, InputAudioBufferAppend
from antiphon.protocol.codec import decode_client_event, encode_server_event
from antiphon.protocol.server import ResponseOutputAudioDelta
from antiphon.runtime.connection import Connection
from antiphon.server.serve import listening
from antiphon.transports.websocket import WebSocketConnection, WebSocketLimits
from tests.fakes.echo import EchoSession


def delta(audio: bytes) -> ResponseOutputAudioDelta:
    return ResponseOutputAudioDelta(
        event_id="event_0123456789abcdefghijk",
        response_id="resp_0123456789abcdefghijk",
        item_id="item_0123456789abcdefghijk",
        output_index=0,
        content_index=0,
        delta=audio,
    )


class Echo(EchoSession):
    """Answers audio with as much of it, and nothing else."""

    def attach(
        self,
        connection: Connection,
        *,
        owns: bool = True,
        may_send: Collection[str] | None = None,
        after: str | None = None,
    ) -> None:
        pass

    def detach(self, connection: Connection, *, for_good: bool = False) -> None:
        pass

    def receive(self, connection: Connection, event: ClientEvent) -> None:
        assert isinstance(event, InputAudioBufferAppend)
        connection.send(delta(event.audio))


async def realtime(request: web.Request) -> web.StreamResponse:
    connection = WebSocketConnection(request, limits=LIMITS)
    await connection.accept()
    await connection.converse(Echo())
    return connection.response


async def plainly(request: web.Request) -> web.StreamResponse:
    """The same with aiohttp's own loop and sends, for comparison."""
    ws = web.WebSocketResponse(compress=False, heartbeat=20, max_msg_size=22 << 20)
    await ws.prepare(request)
    async for message in ws:
        event = decode_client_event(message.data)
        assert isinstance(event, InputAudioBufferAppend)
        await ws.send_str(encode_server_event(delta(event.audio)).decode())
    return ws


async def cpu(_: web.Request) -> web.Response:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return web.json_response({"cpu_s": usage.ru_utime + usage.ru_stime, "rss_kib": usage.ru_maxrss})


async def main() -> None:
    app = web.Application()
    app.add_routes(
        [web.get("/v1/realtime", plainly if ARGS.plain else realtime), web.get("/cpu", cpu)]
    )
    async with listening(app) as url:
        print(urlsplit(url).port, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


parser = argparse.ArgumentParser()
parser.add_argument("--loop", choices=["asyncio", "uvloop"], default="uvloop")
parser.add_argument("--heartbeat", type=float, default=20)
parser.add_argument("--plain", action="store_true")
ARGS = parser.parse_args()
LIMITS = WebSocketLimits(heartbeat_s=ARGS.heartbeat or None)
if ARGS.loop == "uvloop":
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as r:
        r.run(main())
else:
    asyncio.run(main())
