"""Limits and budgets that are changed while sessions are live: they hold from the next turn on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import ClientWebSocketResponse, WSMsgType

from antiphon.engines.scripted import Script, ScriptedEngine, Write
from antiphon.journal.memory import MemoryJournal
from antiphon.server import config
from antiphon.server.settings import Config
from antiphon.server.wiring import Parts, reload_of
from antiphon.testing import serving

PRICES = """
[[metering.prices]]
model = "scripted"
text_in = 1.0
text_out = 10.0
"""
HELLO = Script(replies=((Write(text="Hello there, you."),),))
KEY = "server-key"
KEYED = {"Authorization": f"Bearer {KEY}"}


class Reloaded:
    """A server that reads its settings from a file, and a client of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.http: Any = None
        self.reload: Any = None

    def read(self) -> Config:
        return config.load(self.path, environ={}).config

    async def takes(self, text: str) -> bool:
        self.path.write_text(f'{text}\n[server]\napi_keys = ["{KEY}"]\n{PRICES}')
        taken: bool = await self.reload.again()
        return taken

    async def opened(self) -> ClientWebSocketResponse:
        ws: ClientWebSocketResponse = await self.http.ws_connect("/v1/realtime?model=test")
        session = {"type": "realtime", "output_modalities": ["text"]}
        await ws.send_json({"type": "session.update", "session": session})
        return ws


@asynccontextmanager
async def reloaded(folder: Path, text: str = "") -> AsyncIterator[Reloaded]:
    server = Reloaded(folder / "antiphon.toml")
    server.path.write_text(text + PRICES)
    async with (
        serving(
            ScriptedEngine(HELLO),
            keys=[KEY],
            config=server.read(),
            parts=Parts(journal=MemoryJournal()),
        ) as running,
        running.client(headers=KEYED) as http,
    ):
        server.http, server.reload = http, reload_of(running.wired, server.read)
        yield server


async def answered(ws: ClientWebSocketResponse) -> str:
    """What became of the answer that is asked for."""
    await ws.send_json({"type": "response.create"})
    while True:
        message = await ws.receive(timeout=60)
        if message.type is not WSMsgType.TEXT:
            return f"closed {ws.close_code}"
        event = message.json()
        if event["type"] == "response.done":
            status: str = event["response"]["status"]
            return status


async def test_a_live_session_is_answered_as_often_as_new_limits_say(tmp_path: Path) -> None:
    async with reloaded(tmp_path) as server:
        ws = await server.opened()
        assert [await answered(ws) for _ in range(2)] == ["completed", "completed"]
        assert await server.takes("[limits.tenant]\nresponses_per_minute = 1")
        assert [await answered(ws) for _ in range(2)] == ["completed", "failed"]
        assert await server.takes("[limits.tenant]\nresponses_per_minute = 600")
        assert await server.takes("")
        assert [await answered(ws) for _ in range(2)] == ["completed", "completed"]


async def test_a_live_session_ends_where_a_new_budget_is_spent_already(tmp_path: Path) -> None:
    async with reloaded(tmp_path) as server:
        ws = await server.opened()
        assert await answered(ws) == "completed"
        # A millionth of a dollar: the answer that was given before any limit has cost more.
        assert await server.takes("[budgets]\ntenant_day = 0.000001")
        assert await answered(ws) == "closed 1000"
        assert await server.takes("[budgets]\ntenant_day = 10.0")
        assert await answered(await server.opened()) == "completed"


async def test_live_connections_are_slowed_as_new_limits_say(tmp_path: Path) -> None:
    async with reloaded(tmp_path) as server:
        ws = await server.opened()
        assert await server.takes("[limits.tenant]\nmessages_per_second = 0.01")
        nonsense = {"type": "nonsense", "event_id": "e"}
        for _ in range(2):
            await ws.send_json(nonsense)
        codes: list[str] = []
        while len(codes) < 2:
            event = await ws.receive_json(timeout=60)
            if event["type"] == "error":
                codes.append(event["error"]["code"])
        assert codes[1] == "rate_limit_exceeded", codes


async def test_sessions_at_once_are_as_new_limits_say(tmp_path: Path) -> None:
    async with reloaded(tmp_path) as server:
        ws = await server.opened()
        assert await server.takes("[limits.tenant]\nsessions_at_once = 1")
        async with server.http.get(
            "/v1/realtime?model=test", headers={"Upgrade": "websocket"}
        ) as response:
            assert response.status == 429
        assert await answered(ws) == "completed"


async def test_nothing_has_changed_where_anything_is_wrong(tmp_path: Path) -> None:
    async with reloaded(tmp_path, "[limits.tenant]\nresponses_per_minute = 1\n") as server:
        ws = await server.opened()
        assert await answered(ws) == "completed"
        for wrong in (
            "[limits.tenant]\nresponses_per_minute = 600\n[budgets]\ntenant_day = -1",
            "[limits.tenant]\nresponses_per_minute = 600\n[budgets]\ndefault_plan = 'none'",
            "[limits.tenant]\nresponses_per_minute = 'many'",
        ):
            assert not await server.takes(wrong)
            assert await answered(ws) == "failed", "the old limit holds"
