"""A whole server, with sockets and without, in real time and in virtual time."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientError, ClientSession, WSMsgType

from antiphon.engines.scripted import Script, ScriptedEngine, Speak, Wait, Write
from antiphon.protocol.closes import CloseCode
from antiphon.runtime.hub import SessionRules
from antiphon.server.settings import Config, ServerSettings
from antiphon.server.wiring import Parts
from antiphon.testing import run_in_virtual_time, serving
from tests.server.place import until

GUIDE = Path(__file__).parents[2] / "docs/guides/testing.md"
HELLO = Script(replies=((Write(text="Hello."),),))


@pytest.mark.parametrize("in_memory", [False, True])
async def test_a_client_talks_with_an_engine(in_memory: bool) -> None:
    async with (
        serving(ScriptedEngine(HELLO), in_memory=in_memory) as server,
        server.client() as http,
    ):
        async with http.get("/v1/models") as models:
            assert "scripted" in [m["id"] for m in (await models.json())["data"]]
        async with http.ws_connect("/v1/realtime?model=any") as ws:
            await until(ws, "session.created")
            await ws.send_json({"type": "response.create"})
            done = await until(ws, "response.done")
    assert done["response"]["output"][0]["content"][0]["text"] == "Hello."


async def test_with_sockets_it_has_an_address_for_others_until_it_ends() -> None:
    async with serving(ScriptedEngine(HELLO)) as server, ClientSession() as anyone:
        async with anyone.get(f"{server.url}/healthz") as health:
            assert health.status == 200
        url = server.url
    async with ClientSession() as anyone:
        with pytest.raises(ClientError):
            await anyone.get(f"{url}/healthz")


@pytest.mark.parametrize("in_memory", [False, True])
async def test_who_is_connected_when_it_ends_is_told(in_memory: bool) -> None:
    async with serving(ScriptedEngine(HELLO), in_memory=in_memory) as server:
        http = server.client()
        ws = await http.ws_connect("/v1/realtime")
        await until(ws, "session.created")
        reading = asyncio.create_task(ws.receive())
    assert (await reading).type is WSMsgType.CLOSE
    assert ws.close_code == CloseCode.RESTART
    await http.close()


@pytest.mark.parametrize("in_memory", [False, True])
async def test_keys_are_asked_for(in_memory: bool) -> None:
    async with (
        serving(ScriptedEngine(HELLO), keys=["k"], in_memory=in_memory) as server,
        server.client() as http,
    ):
        assert (await http.get("/v1/models")).status == 401
        assert (await http.get("/v1/models", headers={"Authorization": "Bearer k"})).status == 200


async def test_configuration_and_parts_are_heeded() -> None:
    config = Config(server=ServerSettings(max_sessions=1, host="192.0.2.1", port=1))
    parts = Parts(rules=SessionRules(voice="cedar"))
    async with (
        serving(ScriptedEngine(HELLO), config=config, parts=parts) as server,
        server.client() as http,
        http.ws_connect("/v1/realtime") as ws,
    ):
        created = await until(ws, "session.created")
        assert created["session"]["audio"]["output"]["voice"] == "cedar"
        full = await http.get("/v1/realtime", headers={"Upgrade": "websocket"})
        assert full.status == 503


def test_an_hour_over_a_websocket_takes_no_time_where_time_is_virtual() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with serving(ScriptedEngine(HELLO)) as server, server.client() as http:
            async with http.ws_connect("/v1/realtime") as ws:
                await until(ws, "session.created")
                began = loop.time()
                error = json.loads((await ws.receive()).data)["error"]
                assert error["code"] == "session_expired"
                assert (await ws.receive()).type is WSMsgType.CLOSE
                assert ws.close_code == CloseCode.GOING_AWAY
            assert 3600 <= loop.time() - began < 3601

    run_in_virtual_time(main())


def test_more_than_a_reader_takes_waits_in_the_server_and_comes_in_order() -> None:
    replies = ((Wait(ms=10), Speak(ms=60_000, text="On and on.")),)

    async def main() -> None:
        async with (
            serving(ScriptedEngine(Script(replies=replies))) as server,
            server.client() as http,
            http.ws_connect("/v1/realtime") as ws,
        ):
            await until(ws, "session.created")
            await ws.send_json({"type": "response.create"})
            await asyncio.sleep(5)
            told = [await ws.receive_json()]
            while told[-1]["type"] != "response.done":
                told.append(await ws.receive_json())
        audio = sum(len(e["delta"]) for e in told if e["type"] == "response.output_audio.delta")
        assert audio == pytest.approx(60 * 24_000 * 2 * 4 / 3, rel=0.01)

    run_in_virtual_time(main())


async def test_the_guides_client_hears_what_the_script_says() -> None:
    names = _example(1)
    await names["test_my_client"]()


def test_the_guides_hour_is_over_at_once() -> None:
    names = _example(2)
    names["test_a_session_ends_after_an_hour"]()


def _example(index: int) -> dict[str, Any]:
    code = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)[index]
    names: dict[str, Any] = {}
    exec(code, names)
    return names
