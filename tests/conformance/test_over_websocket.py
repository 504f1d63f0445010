"""Every script again, over a WebSocket and a whole server, in virtual time."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

import pytest
from aiohttp import WSMsgType

from antiphon.testing import run_in_virtual_time
from antiphon.testing.conformance import PatientLine, Script, play, read_script
from tests.conformance.served import served

PATHS = sorted((Path(__file__).parent / "scripts").glob("*.script"))


class WebSocketLine(PatientLine):
    def __init__(self, script: Script) -> None:
        super().__init__(quiet_s=0.001)
        self._head = script.head
        self._ending = AsyncExitStack()

    async def __aenter__(self) -> Self:
        server = await self._ending.enter_async_context(served(self._head))
        client = await self._ending.enter_async_context(server.client())
        intent = "intent=transcription" if self._head.kind == "transcription" else "model=test"
        self._socket = await client.ws_connect(f"/v1/realtime?{intent}", max_msg_size=1 << 20)
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

    run_in_virtual_time(main())
