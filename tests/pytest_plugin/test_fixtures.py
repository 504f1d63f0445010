"""The fixtures, as a test uses them: in virtual time, and on real sockets."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect as connect_now

from antiphon.engines.scripted import Script, ScriptedEngine, Speak
from antiphon.mock import Mock, MockCall, MockReply, MockScript, mocking
from antiphon.testing import Caller, VirtualTimeLoop, in_virtual_time, run_in_virtual_time
from antiphon.testing.caller import NothingCame
from antiphon.testing.served import Served
from antiphon.testing.stages import Clock

Calls = Callable[..., AbstractAsyncContextManager[Caller]]


@pytest.fixture
def antiphon_script() -> MockScript:
    return MockScript(
        hears=("a table for two",),
        replies=(
            MockReply(when="table", says="At what time?"),
            MockReply(when="book", calls=(MockCall(name="book", arguments={"guests": 2}),)),
            MockReply(when="five", says="It is yours."),
            MockReply(says="Good evening."),
        ),
    )


@pytest.fixture
def antiphon_engine() -> ScriptedEngine:
    return ScriptedEngine(Script(replies=((Speak(ms=500, text="I am the engine."),),)))


@in_virtual_time
async def test_a_typed_turn(antiphon_mock: Mock, antiphon_caller: Calls) -> None:
    async with antiphon_caller(antiphon_mock) as caller:
        await caller.types("Hello.")
        heard = await caller.answer()
        assert (heard.status, heard.text) == ("completed", "Good evening.")
        assert heard.audio_ms == 60 * len("Good evening.")


@in_virtual_time
async def test_a_spoken_turn_takes_its_time(
    antiphon_mock: Mock, antiphon_caller: Calls, antiphon_clock: Clock
) -> None:
    began_s = antiphon_clock.now_s
    async with antiphon_caller(antiphon_mock) as caller:
        await caller.speaks(3000)
        assert (await caller.answer()).text == "At what time?"
    assert 3 < antiphon_clock.now_s - began_s < 5


@in_virtual_time
async def test_a_function_is_called_and_its_result_is_told(
    antiphon_mock: Mock, antiphon_caller: Calls
) -> None:
    async with antiphon_caller(antiphon_mock) as caller:
        await caller.types("Book it.")
        [called] = (await caller.answer()).calls
        assert (called.name, called.arguments) == ("book", {"guests": 2})
        await caller.returns(called, {"number": "five"})
        assert (await caller.answer()).text == "It is yours."


@in_virtual_time
async def test_a_fault(antiphon_mock: Mock, antiphon_caller: Calls) -> None:
    antiphon_mock.faults.arm("rate_limited")
    async with antiphon_caller(antiphon_mock) as caller:
        await caller.types("Hello.")
        heard = await caller.answer()
        assert (heard.status, heard.error) == ("failed", "rate_limit_exceeded")


@in_virtual_time
async def test_a_server_and_a_mock_share_the_loop(
    antiphon_server: Served, antiphon_mock: Mock, antiphon_caller: Calls
) -> None:
    assert isinstance(asyncio.get_running_loop(), VirtualTimeLoop)
    async with antiphon_caller(antiphon_server) as caller, antiphon_caller(antiphon_mock) as other:
        await caller.types("Hello.")
        await other.types("Hello.")
        assert (await caller.answer()).text == "I am the engine."
        assert (await other.answer()).text == "Good evening."


@in_virtual_time
async def test_the_hour_ends(
    antiphon_mock: Mock, antiphon_caller: Calls, antiphon_clock: Clock
) -> None:
    async with antiphon_caller(antiphon_mock) as caller:
        antiphon_clock.advance(3600)
        assert (await caller.until("error"))["error"]["code"] == "session_expired"
        assert await caller.closed() == 1001


@in_virtual_time
async def test_a_caller_that_waits_in_vain_is_told_what_came(
    antiphon_mock: Mock, antiphon_caller: Calls
) -> None:
    async with antiphon_caller(antiphon_mock) as caller:
        with pytest.raises(NothingCame, match=r"No response\.done in 60 s.*session\.created"):
            await caller.answer()
        await caller.hangs_up()
        with pytest.raises(NothingCame, match=r"closed with 1000"):
            await caller.answer()


def test_each_run_is_the_same() -> None:
    async def run() -> list[tuple[float, str]]:
        came: list[tuple[float, str]] = []
        async with (
            mocking(MockScript(latency="mobile")) as mock,
            connect(f"{mock.websocket_url}/v1/realtime?model=any") as socket,
        ):
            await socket.send(json.dumps({"type": "response.create"}))
            while not came or "response.done" not in came[-1][1]:
                message = str(await socket.recv())
                came.append((asyncio.get_running_loop().time(), message))
        return came

    first = run_in_virtual_time(run())
    assert len(first) > 10
    assert first == run_in_virtual_time(run())


class TestsOfAClass:
    @in_virtual_time
    async def test_are_in_virtual_time_too(self, antiphon_mock: Mock) -> None:
        assert isinstance(asyncio.get_running_loop(), VirtualTimeLoop)
        async with connect(f"{antiphon_mock.websocket_url}/v1/realtime?model=any") as socket:
            assert json.loads(await socket.recv())["type"] == "session.created"


@pytest.mark.parametrize("antiphon_script", [MockScript(replies=(MockReply(says="Mine."),))])
@in_virtual_time
async def test_a_script_of_one_test(antiphon_mock: Mock, antiphon_caller: Calls) -> None:
    async with antiphon_caller(antiphon_mock) as caller:
        await caller.types("Hello.")
        assert (await caller.answer()).text == "Mine."


# --- Real sockets -----------------------------------------------------------------------------


async def test_a_client_in_another_loop(antiphon_mock: Mock, antiphon_caller: Calls) -> None:
    async with antiphon_caller(antiphon_mock) as caller:
        await caller.types("Hello.")
        assert (await caller.answer()).text == "Good evening."


def test_a_client_without_a_loop_and_an_hour_that_ends(
    antiphon_mock: Mock, antiphon_clock: Clock
) -> None:
    began_s = time.monotonic()
    with connect_now(f"{antiphon_mock.websocket_url}/v1/realtime?model=any") as socket:
        assert json.loads(socket.recv())["type"] == "session.created"
        antiphon_clock.advance(3600)
        # What came before a close, that client may drop.
        with pytest.raises(ConnectionClosed) as closed:
            [socket.recv() for _ in range(2)]
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1001
    assert time.monotonic() - began_s < 60


def test_a_client_in_another_process(antiphon_server: Served) -> None:
    program = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1]).read().decode())"
    url = f"{antiphon_server.url}/v1/models"
    out: Any = subprocess.run(
        [sys.executable, "-c", program, url], check=True, capture_output=True, timeout=60
    )
    assert json.loads(out.stdout)["object"] == "list"
