"""A floor: aiortc as it comes sends each call's sound back.  It has no events."""

from __future__ import annotations

import asyncio

import aioice.ice
from aiohttp import web
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

aioice.ice.get_host_addresses = lambda **_: ["127.0.0.1"]
CONNECTIONS: set[RTCPeerConnection] = set()


async def answer(request: web.Request) -> web.Response:
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    CONNECTIONS.add(connection)

    @connection.on("track")
    def on_track(track) -> None:
        connection.addTrack(track)

    @connection.on("connectionstatechange")
    async def on_change() -> None:
        if connection.connectionState in ("closed", "failed"):
            CONNECTIONS.discard(connection)

    # As clients of the Realtime API ask: a form with the offer in it.
    form = await request.post()
    await connection.setRemoteDescription(RTCSessionDescription(str(form["sdp"]), "offer"))
    await connection.setLocalDescription(await connection.createAnswer())
    return web.Response(status=201, text=connection.localDescription.sdp)


async def main() -> None:
    app = web.Application()
    app.router.add_post("/v1/realtime/calls", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.get_running_loop().create_future()


asyncio.run(main())
