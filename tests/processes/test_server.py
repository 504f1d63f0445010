"""`antiphon serve --processes 2`, as its users run it."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType

from tests.server.place import until
from tests.server_process import ServerProcess

SETTINGS = """
[server]
api_keys = ["first"]
processes = 2
[webrtc]
port_min = 40000
port_max = 40099
"""
LIMITED = """
[limits.plans.free]
sessions_at_once = 1
"""
ITEM = {
    "type": "conversation.item.create",
    "item": {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": "My name is Ann."}],
    },
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("processes")
    (folder / "antiphon.toml").write_text(SETTINGS)
    with ServerProcess(folder) as server:
        yield server


@pytest.fixture
async def http(server: ServerProcess) -> AsyncIterator[ClientSession]:
    async with ClientSession(server.url, headers={"Authorization": "Bearer first"}) as http:
        yield http


async def log_says(server: ServerProcess, text: str) -> None:
    deadline_s = time.monotonic() + 30
    while text not in server.log.read_text():
        assert time.monotonic() < deadline_s, server.log.read_text()
        await asyncio.sleep(0.1)


def processes_of(server: ServerProcess) -> list[int]:
    """In the order in which they were started."""
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text()
    return sorted(map(int, children.split()))


async def joined(
    http: ClientSession, query: str = "", **headers: str
) -> tuple[ClientWebSocketResponse, dict[str, Any]]:
    ws = await http.ws_connect(f"/v1/realtime{query}", headers=headers)
    return ws, await until(ws, "session.created")


async def sessions_by_process(http: ClientSession) -> dict[str, float]:
    async with http.get("/metrics") as response:
        text = await response.text()
    found = re.findall(r'antiphon_sessions\{.*?process="(\d)"\} (\S+)', text)
    counted = dict[str, float]()
    for process, count in found:
        counted[process] = counted.get(process, 0) + float(count)
    return counted


async def health_says(http: ClientSession, **wanted: object) -> dict[str, Any]:
    deadline_s = time.monotonic() + 60
    while True:
        async with http.get("/healthz") as response:
            health: dict[str, Any] = await response.json()
        if all(health[name] == value for name, value in wanted.items()):
            return health
        assert time.monotonic() < deadline_s, health
        await asyncio.sleep(0.2)


async def test_clients_are_spread_and_sidebands_find_their_sessions(http: ClientSession) -> None:
    owners = []
    for live in range(1, 5):
        owners.append(await joined(http))
        await health_says(http, sessions=live)
    assert await sessions_by_process(http) == {"1": 2, "2": 2}
    for owner, created in owners:
        session_id = created["session"]["id"]
        for _ in range(2):
            sideband, seen = await joined(http, f"?call_id={session_id}")
            assert seen["session"]["id"] == session_id
            update = {"type": "realtime", "instructions": f"Of {session_id}."}
            await sideband.send_json({"type": "session.update", "session": update})
            updated = await until(owner, "session.updated")
            assert updated["session"]["instructions"] == update["instructions"]
            await sideband.close()
    for owner, _ in owners:
        await owner.close()
    await health_says(http, sessions=0)


async def test_the_death_of_a_process_costs_its_own_connections_alone(
    server: ServerProcess, http: ClientSession
) -> None:
    owners = []
    for live in (1, 2):
        owners.append(await joined(http))
        await health_says(http, sessions=live)
        await owners[-1][0].send_json(ITEM)
        await until(owners[-1][0], "conversation.item.done")
    assert await sessions_by_process(http) == {"1": 1, "2": 1}
    os.kill(processes_of(server)[0], signal.SIGKILL)
    receiving = [asyncio.create_task(ws.receive()) for ws, _ in owners]
    done, living = await asyncio.wait(receiving, return_when=asyncio.FIRST_COMPLETED, timeout=30)
    (lost,) = [number for number in (0, 1) if receiving[number] in done]
    assert receiving[lost].result().type is not WSMsgType.TEXT
    for task in living:
        task.cancel()
    await asyncio.wait(living)
    alive, _ = owners[1 - lost]
    await alive.send_json({"type": "session.update", "session": {"type": "realtime"}})
    await until(alive, "session.updated")

    resume = owners[lost][1]["session"]["antiphon"]["resume"]
    query = f"?conversation_id={resume['conversation_id']}"
    back, again = await joined(http, query, **{"Antiphon-Resume": resume["token"]})
    assert again["session"]["antiphon"]["resume"]["continues"] == "conversation"
    async with http.get(f"/v1/antiphon/conversations/{resume['conversation_id']}") as response:
        (item,) = (await response.json())["items"]
    assert item["content"][0]["text"] == "My name is Ann."

    await health_says(http, processes=2)
    assert "started again" in server.log.read_text()
    for ws in (back, alive):
        await ws.close()
    await health_says(http, sessions=0)


async def test_a_reload_reaches_every_process_or_none(server: ServerProcess) -> None:
    folder = server.log.parent
    new = SETTINGS.replace('"first"', '"first", "second"') + LIMITED
    (folder / "antiphon.toml").write_text(new + "[budgets]\ndefault_plan = 'none'\n")
    server.ask_to_reload()
    await log_says(server, "reload: refused, by process 1, 2")
    assert "reload: taken" not in server.log.read_text()
    server.expected_errors += 5  # Two of each process, and the supervisor's.
    (folder / "antiphon.toml").write_text(new)
    server.ask_to_reload()
    deadline_s = time.monotonic() + 30
    while server.log.read_text().count("reload: taken") < 2:
        assert time.monotonic() < deadline_s, server.log.read_text()
        await asyncio.sleep(0.1)
    assert "wait for a restart" not in server.log.read_text()
    for _ in range(6):  # By a new connection each.
        async with ClientSession(server.url) as client:
            shown = {"Authorization": "Bearer second"}
            async with client.get("/v1/models", headers=shown) as response:
                assert response.status == 200
