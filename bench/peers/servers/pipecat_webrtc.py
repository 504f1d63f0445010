"""Pipecat behind its SmallWebRTC transport; the pipeline is that of pipecat_websocket."""

from __future__ import annotations

import asyncio
import socket
import sys

import aioice.ice
import uvicorn
from fastapi import FastAPI
from loguru import logger
from pipecat.transports.base_transport import TransportParams
from pipecat.transports.smallwebrtc.connection import SmallWebRTCConnection
from pipecat.transports.smallwebrtc.request_handler import (
    SmallWebRTCRequest,
    SmallWebRTCRequestHandler,
)
from pipecat.transports.smallwebrtc.transport import SmallWebRTCTransport
from pipecat.workers.runner import WorkerRunner
from pipecat_websocket import pipeline

aioice.ice.get_host_addresses = lambda **_: ["127.0.0.1"]
app = FastAPI()
handler = SmallWebRTCRequestHandler(ice_servers=[])
TALKS: set[asyncio.Task[None]] = set()


async def talk(connection: SmallWebRTCConnection) -> None:
    transport = SmallWebRTCTransport(
        webrtc_connection=connection,
        params=TransportParams(audio_in_enabled=True, audio_out_enabled=True),
    )
    task = pipeline(transport)

    @transport.event_handler("on_client_disconnected")
    async def gone(*_) -> None:
        await task.cancel()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(task)
    await runner.run()


@app.post("/api/offer")
async def offer(request: SmallWebRTCRequest):
    async def connected(connection: SmallWebRTCConnection) -> None:
        running = asyncio.create_task(talk(connection))
        TALKS.add(running)
        running.add_done_callback(TALKS.discard)

    return await handler.handle_web_request(request, connected)


if __name__ == "__main__":
    logger.remove()
    logger.add(sys.stderr, level="ERROR")
    listening = socket.create_server(("127.0.0.1", 0), backlog=512)
    print(listening.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[listening])
