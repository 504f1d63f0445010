"""Scripts over WebRTC: the data channel of an unpatched aiortc peer, and HTTP.

Each script is followed over a WebSocket, and by the core where the server plays; here are those
that say what a call has of its own: how it begins and ends, what is played, and what is cut.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Self

import pytest
from aiohttp import ClientSession, FormData
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from antiphon.testing.conformance import (
    WEBRTC,
    PatientLine,
    Script,
    for_server_playout,
    play,
    read_script,
)
from antiphon.testing.conformance.script import Head
from tests.conformance.served import served

SCRIPTS = Path(__file__).parent / "scripts"
CHOSEN = (
    "4.01-connect",
    "4.03-response-audio",
    "4.05-server-vad-turn",
    "4.06-manual-turn",
    "4.07-function-call",
    "4.11-interruption-webrtc",
    "4.12-response-cancel",
    "4.16-input-transcription",
    "5.2-invalid_event",
)


@asynccontextmanager
async def served_here(head: Head) -> AsyncIterator[str]:
    async with served(head) as server:
        yield server.url


class WebRtcLine(PatientLine):
    """Without a microphone's track: what the user says is appended, so that a script may
    count its milliseconds.
    """

    def __init__(
        self,
        script: Script,
        *,
        served: Callable[[Head], AbstractAsyncContextManager[str]] = served_here,
    ) -> None:
        super().__init__(patience_s=60, quiet_s=0.25)
        self._served = served
        self._head = script.head
        self._ending = AsyncExitStack()

    async def __aenter__(self) -> Self:
        url = await self._ending.enter_async_context(self._served(self._head))
        await self._dial(f"{url}/v1/realtime/calls")
        return self

    async def _dial(self, url: str) -> None:
        connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._ending.push_async_callback(connection.close)
        connection.addTransceiver("audio", direction="recvonly")
        self._channel = connection.createDataChannel("oai-events")
        self._channel.on("message", self.came)
        is_open = asyncio.Event()
        self._channel.on("open", is_open.set)
        await connection.setLocalDescription(await connection.createOffer())
        settings: dict[str, str] = {"type": self._head.kind}
        if self._head.kind == "realtime":
            settings["model"] = "test"
        form = FormData(default_to_multipart=True)
        form.add_field("sdp", connection.localDescription.sdp)
        form.add_field("session", json.dumps(settings))
        async with ClientSession() as client, client.post(url, data=form) as answer:
            assert answer.status == 201, await answer.text()
            sdp = await answer.text()
        await connection.setRemoteDescription(RTCSessionDescription(sdp, "answer"))
        async with asyncio.timeout(60):
            await is_open.wait()

    async def __aexit__(self, *_: object) -> None:
        await self._ending.aclose()

    async def send(self, message: str) -> None:
        self._channel.send(message)


@pytest.mark.parametrize("name", CHOSEN)
def test_a_call_follows(name: str, local_calls: None) -> None:
    script = for_server_playout(read_script(SCRIPTS / f"{name}.script"))
    assert script.runs_on(WEBRTC)

    async def main() -> None:
        async with WebRtcLine(script) as line:
            await play(script, line)

    asyncio.run(main())
