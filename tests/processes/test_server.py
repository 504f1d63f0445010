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

from tests.processes.company import NAME, TELLS_NAME
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
ENOUGH_CLIENTS = 30
Owner = tuple[ClientWebSocketResponse, dict[str, Any]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("processes")
    (folder / "antiphon.toml").write_text(SETTINGS)
    with ServerProcess(folder, hears=False) as server:
        yield server


@pytest.fixture
async def http(server: ServerProcess) -> AsyncIterator[ClientSession]:
    async with ClientSession(server.url, headers={"Authorization": "Bearer first"}) as http:
        yield http


async def log_says(server: ServerProcess, text: str) -> None:
    deadline_s = time.monotonic() + 60
    while text not in server.log.read_text():
        assert time.monotonic() < deadline_s, server.log.read_text()
        await asyncio.sleep(0.1)


def processes_of(server: ServerProcess) -> list[int]:
    """In the order in which they were started."""
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text()
    return sorted(map(int, children.split()))


async def joined(http: ClientSession, query: str = "", **headers: str) -> Owner:
    ws = await http.ws_connect(f"/v1/realtime{query}", headers=headers)
    return ws, await until(ws, "session.created")


async def sessions_by_process(http: ClientSession) -> dict[str, float]:
    async with http.get("/metrics") as response:
        text = await response.text()
    found = re.findall(r'antiphon_sessions\{.*?process="(\d)"\} (\S+)', text)
    counted = dict[str, float]()
    for process, count in found:
        if float(count):
            counted[process] = counted.get(process, 0) + float(count)
    return counted


async def one_in_each(http: ClientSession) -> tuple[list[Owner], dict[str, float]]:
    """Clients until each process has one, and how many each has.  Which of them gets a client is by
    news that may be old, or by none of a process that the machine has forgotten for a while: who
    gets the next one by which news is `test_switchboard`'s.
    """
    owners: list[Owner] = []
    counted: dict[str, float] = {}
    while len(owners) < ENOUGH_CLIENTS:
        owners.append(await joined(http))
        await health_says(http, sessions=len(owners))
        counted = await sessions_by_process(http)
        if set(counted) == {"1", "2"} and sum(counted.values()) == len(owners):
            return owners, counted
    raise AssertionError(f"all clients go to one process: {counted}")


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
    owners, _ = await one_in_each(http)
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
    owners, counted = await one_in_each(http)
    for ws, _ in owners:
        await ws.send_json(TELLS_NAME)
        await until(ws, "conversation.item.done")
    os.kill(processes_of(server)[0], signal.SIGKILL)
    receiving = [asyncio.create_task(ws.receive()) for ws, _ in owners]
    async with asyncio.timeout(60):
        for next_lost in asyncio.as_completed(receiving):
            assert (await next_lost).type is not WSMsgType.TEXT
            if sum(task.done() for task in receiving) == counted["1"]:
                break
    alive = [ws for (ws, _), task in zip(owners, receiving, strict=True) if not task.done()]
    lost = next(
        created for (_, created), task in zip(owners, receiving, strict=True) if task.done()
    )
    living = [task for task in receiving if not task.done()]
    for task in living:
        task.cancel()
    await asyncio.wait(living)
    for ws in alive:
        await ws.send_json({"type": "session.update", "session": {"type": "realtime"}})
        await until(ws, "session.updated")

    resume = lost["session"]["antiphon"]["resume"]
    query = f"?conversation_id={resume['conversation_id']}"
    back, again = await joined(http, query, **{"Antiphon-Resume": resume["token"]})
    assert again["session"]["antiphon"]["resume"]["continues"] == "conversation"
    async with http.get(f"/v1/antiphon/conversations/{resume['conversation_id']}") as response:
        (item,) = (await response.json())["items"]
    assert item["content"][0]["text"] == NAME

    await health_says(http, processes=2)
    assert "started again" in server.log.read_text()
    for ws in (back, *alive):
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
    deadline_s = time.monotonic() + 60
    while server.log.read_text().count("reload: taken") < 2:
        assert time.monotonic() < deadline_s, server.log.read_text()
        await asyncio.sleep(0.1)
    assert "wait for a restart" not in server.log.read_text()
    for _ in range(6):  # By a new connection each.
        async with ClientSession(server.url) as client:
            shown = {"Authorization": "Bearer second"}
            async with client.get("/v1/models", headers=shown) as response:
                assert response.status == 200
