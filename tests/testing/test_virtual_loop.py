from __future__ import annotations

import asyncio
import json
import time

import pytest
from openai import AsyncOpenAI
from websockets.asyncio.client import connect

from antiphon.engines.scripted import ScriptedEngine
from antiphon.testing import VirtualTimeLoop, run_in_virtual_time, serving


def test_an_hour_takes_no_time() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        await asyncio.sleep(3600)
        return loop.time() - begun

    real = time.monotonic()
    assert run_in_virtual_time(main()) == pytest.approx(3600)
    assert time.monotonic() - real < 5


def test_timers_come_in_order() -> None:
    async def main() -> list[int]:
        came: list[int] = []

        async def after(seconds: int) -> None:
            await asyncio.sleep(seconds)
            came.append(seconds)

        await asyncio.gather(after(3), after(1), after(2))
        return came

    assert run_in_virtual_time(main()) == [1, 2, 3]


def test_timeouts_work() -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(10):
                await asyncio.sleep(11)

    run_in_virtual_time(main())


def test_waiting_for_nothing_is_an_error_and_not_for_ever() -> None:
    async def main() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(RuntimeError, match="no deadline will ever wake"):
        run_in_virtual_time(main())


def test_time_is_real_while_a_thread_works() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        async with asyncio.timeout(3600):
            await asyncio.to_thread(time.sleep, 0.01)
        return loop.time() - begun

    assert 0.005 < run_in_virtual_time(main()) < 60


def test_who_is_out_of_time_is_told_at_once() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        begun = loop.time()
        waiting = asyncio.create_task(asyncio.sleep(3600))
        await asyncio.sleep(0)
        loop.advance(4000)
        await waiting
        return loop.time() - begun

    assert run_in_virtual_time(main()) == pytest.approx(4000)


def test_clients_of_the_loop_meet_its_servers_without_sockets() -> None:
    async def main() -> None:
        async with (
            serving(ScriptedEngine()) as server,
            serving(ScriptedEngine(), keys=["key"]) as other,
            AsyncOpenAI(api_key="key", base_url=f"{other.url}/v1") as http,
        ):
            async with connect(f"{server.websocket_url}/v1/realtime") as socket:
                assert json.loads(await socket.recv())["type"] == "session.created"
                await asyncio.sleep(3000)  # Pings and pongs go on.
                await socket.send("nonsense")
                assert json.loads(await socket.recv())["type"] == "error"
            assert [model.id async for model in await http.models.list()]

    run_in_virtual_time(main())


def test_nobody_answers_when_the_server_has_ended() -> None:
    async def main() -> None:
        async with serving(ScriptedEngine()) as server:
            url = server.websocket_url
        with pytest.raises(OSError, match="Connect call failed"):
            await connect(f"{url}/v1/realtime", open_timeout=None)

    run_in_virtual_time(main())
