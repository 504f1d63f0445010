"""The same call against aiortc as it comes, echoing: what there is without our own media path.

Answers `POST /v1/realtime/calls` as Antiphon does.  Prints its port once it listens; SIGTERM
ends it.
"""

from __future__ import annotations

import asyncio
import signal
from typing import Any
from urllib.parse import urlsplit

import aioice.ice
from aiohttp import web
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from antiphon.server.serve import listening

LOCALHOST = "127.0.0.1"


class EchoCalls:
    def __init__(self) -> None:
        self.connections: set[RTCPeerConnection] = set()

    async def answer(self, request: web.Request) -> web.Response:
        connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.connections.add(connection)

        @connection.on("track")
        def on_track(track: Any) -> None:
            connection.addTrack(track)

        @connection.on("connectionstatechange")
        async def on_change() -> None:
            if connection.connectionState in ("closed", "failed"):
                self.connections.discard(connection)

        offer = RTCSessionDescription(await request.text(), "offer")
        await connection.setRemoteDescription(offer)
        await connection.setLocalDescription(await connection.createAnswer())
        return web.Response(status=201, text=connection.localDescription.sdp)


async def main() -> None:
    aioice.ice.get_host_addresses = lambda **_: [LOCALHOST]
    calls = EchoCalls()
    app = web.Application()
    app.router.add_post("/v1/realtime/calls", calls.answer)
    async with listening(app, host=LOCALHOST) as url:
        print(urlsplit(url).port, flush=True)
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(main())
