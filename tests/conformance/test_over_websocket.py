"""Every script again, over a real WebSocket and a real HTTP server."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

import pytest
from aiohttp import ClientSession, WSMsgType, web

from antiphon.engines.scripted import ScriptedEngine
from antiphon.engines.vad.energy import EnergyDetector
from antiphon.runtime.hub import Hub, SessionRules
from antiphon.server.app import Api, Model
from antiphon.server.auth import Gate
from antiphon.server.realtime import LoadLimits
from antiphon.testing.conformance import PatientLine, Script, play, read_script

PATHS = sorted((Path(__file__).parent / "scripts").glob("*.script"))


class WebSocketLine(PatientLine):
    def __init__(self, script: Script) -> None:
        super().__init__(quiet_s=0.1)
        self._head = script.head
        self._ending = AsyncExitStack()

    async def __aenter__(self) -> Self:
        engine = ScriptedEngine(self._head.engine, speaks=self._head.engine_speaks)
        rules = SessionRules(
            session_max_ms=self._head.session_max_ms, context_tokens=self._head.context_tokens
        )
        hub = Hub(lambda _: engine, detector=EnergyDetector(), rules=rules)
        models = (Model(id="test", description="Plays a script."),)
        api = Api(hub, gate=Gate((), ()), models=lambda: models, load=LoadLimits(max_sessions=10))
        runner = web.AppRunner(api.app(), shutdown_timeout=0.1)
        await runner.setup()
        self._ending.push_async_callback(runner.cleanup)
        self._ending.push_async_callback(hub.aclose)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        client = await self._ending.enter_async_context(ClientSession())
        intent = "intent=transcription" if self._head.kind == "transcription" else "model=test"
        port = runner.addresses[0][1]
        self._socket = await client.ws_connect(
            f"http://127.0.0.1:{port}/v1/realtime?{intent}", max_msg_size=1 << 20
        )
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._socket.close()
        await self._reading
        await self._ending.aclose()

    async def send(self, message: str) -> None:
        await self._socket.send_str(message)

    async def _read(self) -> None:
        async for message in self._socket:
            assert message.type is WSMsgType.TEXT
            self.came(message.data)
        self.was_closed(self._socket.close_code or 0, "")


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_the_server_follows(path: Path) -> None:
    script = read_script(path)
    if not script.runs_on("websocket"):
        pytest.skip("not for this line")

    async def main() -> None:
        async with WebSocketLine(script) as line:
            await play(script, line)

    asyncio.run(main())
