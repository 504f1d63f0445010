"""Every script again, over WebRTC: the data channel of an unpatched aiortc peer, and HTTP."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

import aioice.ice
import pytest
from aiohttp import ClientSession, FormData, web
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from antiphon.engines.scripted import ScriptedEngine
from antiphon.engines.vad.energy import EnergyDetector
from antiphon.runtime.hub import Hub, SessionRules
from antiphon.server.app import Api, Model
from antiphon.server.auth import Gate
from antiphon.server.realtime import LoadLimits
from antiphon.testing.conformance import (
    WEBRTC,
    PatientLine,
    Script,
    for_server_playout,
    play,
    read_script,
)

PATHS = sorted((Path(__file__).parent / "scripts").glob("*.script"))


class WebRtcLine(PatientLine):
    """Without a microphone's track: what the user says is appended, so that a script may
    count its milliseconds.
    """

    def __init__(self, script: Script) -> None:
        super().__init__(patience_s=60, quiet_s=0.25)
        self._head = script.head
        self._ending = AsyncExitStack()

    async def __aenter__(self) -> Self:
        head = self._head
        engine = ScriptedEngine(head.engine, speaks=head.engine_speaks)
        rules = SessionRules(session_max_ms=head.session_max_ms, context_tokens=head.context_tokens)
        hub = Hub(lambda _: engine, detector=EnergyDetector(), rules=rules)
        models = (Model(id="test", description="Plays a script."),)
        api = Api(hub, gate=Gate((), ()), models=lambda: models, load=LoadLimits(max_sessions=10))
        runner = web.AppRunner(api.app(), shutdown_timeout=0.1)
        await runner.setup()
        self._ending.push_async_callback(runner.cleanup)
        self._ending.push_async_callback(hub.aclose)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        await self._dial(f"http://127.0.0.1:{runner.addresses[0][1]}/v1/realtime/calls")
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


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_call_follows(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = for_server_playout(read_script(path))
    if not script.runs_on(WEBRTC):
        pytest.skip("not for this line")
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda **_: ["127.0.0.1"])

    async def main() -> None:
        async with WebRtcLine(script) as line:
            await play(script, line)

    asyncio.run(main())
