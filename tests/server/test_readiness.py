"""`/readyz`, and a drain that may take hours."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiohttp import ClientSession, WSServerHandshakeError

from antiphon.engines.scripted import Script, ScriptedEngine, Write
from antiphon.journal.memory import MemoryJournal
from antiphon.protocol.closes import CloseCode
from antiphon.server.readiness import MIN_FREE_BYTES
from antiphon.server.settings import Config, JournalSettings, ServerSettings
from antiphon.server.wiring import Parts
from antiphon.testing import serving
from antiphon.testing.virtual_loop import in_virtual_time

KEY = "server-key"
KEYED = {"Authorization": f"Bearer {KEY}"}
HELLO = Script(replies=((Write(text="Hello there, you."),),))
DRAIN = "/v1/antiphon/drain"


async def ready(http: ClientSession) -> tuple[int, dict[str, str]]:
    async with http.get("/readyz") as response:
        body = await response.json()
        assert body["ready"] is (response.status == 200)
        return response.status, {k: v for k, v in body["checks"].items() if v != "ok"}


async def ask(http: ClientSession, method: str, **how: Any) -> tuple[int, Any]:
    async with http.request(method, DRAIN, **how) as response:
        return response.status, await response.json()


@in_virtual_time
async def test_strangers_may_ask_whether_it_is_ready_and_learn_no_more() -> None:
    async with serving(ScriptedEngine(HELLO), keys=[KEY]) as server, server.client() as http:
        assert await ready(http) == (200, {})


@in_virtual_time
async def test_a_full_server_is_not_ready() -> None:
    config = Config(server=ServerSettings(max_sessions=1))
    async with (
        serving(ScriptedEngine(HELLO), config=config) as server,
        server.client() as http,
        http.ws_connect("/v1/realtime?model=test") as ws,
    ):
        await ws.receive()
        assert await ready(http) == (503, {"room": "failing"})


@in_virtual_time
async def test_a_journal_in_trouble_or_a_full_disk_is_not_ready(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Usage(NamedTuple):
        free: int

    class Troubled(MemoryJournal):
        @property
        def trouble(self) -> str | None:
            return "the disk at /secret/place is full"

    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(MIN_FREE_BYTES - 1))
    config = Config(journal=JournalSettings(path=str(tmp_path / "journal.db")))
    async with (
        serving(ScriptedEngine(HELLO), config=config, parts=Parts(journal=Troubled())) as server,
        server.client() as http,
    ):
        assert await ready(http) == (503, {"journal": "failing", "disk": "failing"})


@in_virtual_time
async def test_a_drain_lets_live_sessions_go_on_for_hours_and_can_be_undone() -> None:
    async with (
        serving(ScriptedEngine(HELLO), keys=[KEY]) as server,
        server.client(headers=KEYED) as http,
        http.ws_connect("/v1/realtime?model=test") as ws,
    ):
        await ws.receive()
        status, body = await ask(http, "POST")
        assert (status, body["draining"], body["sessions"]) == (200, True, 1)
        with pytest.raises(WSServerHandshakeError):
            await http.ws_connect("/v1/realtime?model=test")
        await asyncio.sleep(40 * 60)
        assert not ws.closed
        assert await ready(http) == (503, {"drain": "failing"})
        async with http.get("/healthz") as response:
            assert response.status == 200

        assert (await ask(http, "DELETE"))[1]["draining"] is False
        assert (await ask(http, "GET"))[1]["draining"] is False
        assert await ready(http) == (200, {})
        await (await http.ws_connect("/v1/realtime?model=test")).close()


@in_virtual_time
async def test_a_drain_with_a_bound_ends_what_is_left() -> None:
    async with (
        serving(ScriptedEngine(HELLO)) as server,
        server.client() as http,
        http.ws_connect("/v1/realtime?model=test") as ws,
    ):
        await ws.receive()
        await ask(http, "POST", json={"within_seconds": 600})
        began = asyncio.get_running_loop().time()
        while not ws.closed:
            await ws.receive()
        assert ws.close_code == CloseCode.RESTART
        assert asyncio.get_running_loop().time() - began == pytest.approx(600, abs=5)


@in_virtual_time
async def test_only_an_operator_drains() -> None:
    async with serving(ScriptedEngine(HELLO), keys=[KEY]) as server, server.client() as http:
        for method in ("GET", "POST", "DELETE"):
            assert (await ask(http, method))[0] == 401
        assert await ready(http) == (200, {})


@in_virtual_time
async def test_a_wrong_bound_is_refused_and_nothing_drains() -> None:
    async with serving(ScriptedEngine(HELLO)) as server, server.client() as http:
        for wrong in ({"within_seconds": -1}, {"within_seconds": "soon"}):
            status, body = await ask(http, "POST", json=wrong)
            assert (status, body["error"]["param"]) == (400, "within_seconds")
        assert await ready(http) == (200, {})
