"""The line for networks, with a session in this process where the network would be."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Self

import pytest

from antiphon.engines.scripted import ScriptedEngine
from antiphon.engines.vad.energy import EnergyDetector
from antiphon.errors import ProtocolError
from antiphon.protocol.codec import decode_client_event
from antiphon.protocol.server import ServerEvent
from antiphon.runtime.hub import Hub, SessionRules
from antiphon.testing import MemoryConnection
from antiphon.testing.conformance import PatientLine, Script, parse_script, play, read_script

SCRIPTS = Path(__file__).parents[1] / "conformance" / "scripts"


class Wire(MemoryConnection):
    """Hands on what it is sent at once."""

    def __init__(self, line: PatientLine) -> None:
        super().__init__()
        self._line = line

    def send(self, event: ServerEvent) -> None:
        super().send(event)
        if (data := self.take()) is not None:
            self._line.came(data)

    def close(self, code: int, reason: str) -> None:
        super().close(code, reason)
        self._line.was_closed(code, reason)


class WiredLine(PatientLine):
    def __init__(self, script: Script) -> None:
        super().__init__(quiet_s=0.05)
        engine = ScriptedEngine(script.head.engine)
        rules = SessionRules(session_max_ms=script.head.session_max_ms)
        self._hub = Hub(lambda _: engine, detector=EnergyDetector(), rules=rules)
        self._wire = Wire(self)

    async def __aenter__(self) -> Self:
        self._session = self._hub.open(kind="realtime", model="m")
        self._session.attach(self._wire)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._hub.aclose()

    async def send(self, message: str) -> None:
        try:
            self._session.receive(self._wire, decode_client_event(message))
        except ProtocolError as error:
            self._session.refuse(self._wire, error)


@pytest.mark.parametrize(
    "name", ["4.05-server-vad-turn", "4.10-interruption-websocket", "5.2-invalid_event"]
)
def test_scripts_run_in_real_time(name: str) -> None:
    async def main() -> None:
        script = read_script(SCRIPTS / f"{name}.script")
        async with WiredLine(script) as line:
            await play(script, line)

    asyncio.run(main())


def test_a_closed_connection_is_an_event() -> None:
    text = 'title = "t"\nsession_max_ms = 100\n---\nS< session.created\nW> 150ms\n'
    text += 'S< error\nS< (closed) {"code": 1001}'

    async def main() -> None:
        script = parse_script(text)
        async with WiredLine(script) as line:
            await play(script, line)

    asyncio.run(main())
