"""Who may join which session, in which dialect: over real sockets, with real conversations."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType, web

from antiphon.engines.scripted import Script, ScriptedEngine, Write
from antiphon.runtime.hub import Hub
from antiphon.server.app import Api, Model
from antiphon.server.auth import Gate
from antiphon.server.config import Secret
from antiphon.server.realtime import LoadLimits

KEY = {"Authorization": "Bearer server-key"}


class Place:
    """A running server with one key, and a client of it."""

    def __init__(self, hub: Hub, client: ClientSession, port: int) -> None:
        self.hub = hub
        self._client = client
        self._url = f"http://127.0.0.1:{port}"

    async def post(self, path: str, body: object) -> dict[str, Any]:
        async with self._client.post(self._url + path, json=body, headers=KEY) as response:
            answer: dict[str, Any] = await response.json()
            return answer

    async def get(self, path: str) -> dict[str, Any]:
        async with self._client.get(self._url + path, headers=KEY) as response:
            answer: dict[str, Any] = await response.json()
            return answer

    async def status_of_upgrade(self, query: str, key: str) -> int:
        headers = {"Authorization": f"Bearer {key}", "Upgrade": "websocket"}
        url = f"{self._url}/v1/realtime?{query}"
        async with self._client.get(url, headers=headers) as response:
            return response.status

    async def join(
        self, query: str = "model=test", key: str = "server-key", **headers: str
    ) -> ClientWebSocketResponse:
        return await self._client.ws_connect(
            f"{self._url}/v1/realtime?{query}",
            headers={"Authorization": f"Bearer {key}", **headers},
        )


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    engine = ScriptedEngine(Script(replies=((Write(text="Hello."),),)))
    hub = Hub(lambda _: engine)
    api = Api(
        hub,
        gate=Gate([Secret("server-key")]),
        models=lambda: [Model(id="test")],
        load=LoadLimits(max_sessions=10),
    )
    async with AsyncExitStack() as ending:
        runner = web.AppRunner(api.app(), shutdown_timeout=0.1)
        await runner.setup()
        ending.push_async_callback(runner.cleanup)
        ending.push_async_callback(hub.aclose)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        client = await ending.enter_async_context(ClientSession())
        yield Place(hub, client, runner.addresses[0][1])


async def until(ws: ClientWebSocketResponse, kind: str) -> dict[str, Any]:
    while True:
        event: dict[str, Any] = await ws.receive_json(timeout=5)
        if event["type"] == kind:
            return event


async def _rest(ws: ClientWebSocketResponse) -> AsyncIterator[dict[str, Any]]:
    async for message in ws:
        yield message.json()


async def minted(place: Place, **antiphon: object) -> str:
    session = {"type": "realtime", "instructions": "Be brief.", "output_modalities": ["text"]}
    answer = await place.post(
        "/v1/realtime/client_secrets", {"session": session, "antiphon": antiphon}
    )
    assert answer["value"].startswith("ek_")
    return str(answer["value"])


async def test_a_secret_opens_the_session_that_it_was_minted_for(place: Place) -> None:
    ws = await place.join(key=await minted(place))
    created = await until(ws, "session.created")
    assert created["session"]["instructions"] == "Be brief."
    await ws.send_json({"type": "response.create"})
    done = await until(ws, "response.done")
    assert done["response"]["status"] == "completed"


async def test_a_secret_opens_no_more_sessions_than_it_may(place: Place) -> None:
    secret = await minted(place, max_sessions=1)
    await until(await place.join(key=secret), "session.created")
    again = await place.join(key=secret)
    assert (await again.receive_json())["error"]["code"] == "invalid_api_key"
    assert (await again.receive()).type is WSMsgType.CLOSE
    assert again.close_code == 3000


async def test_a_secret_sends_only_the_events_that_it_may(place: Place) -> None:
    secret = await minted(place, client_events=["response.create"])
    ws = await place.join(key=secret)
    update = {"type": "session.update", "event_id": "e1", "session": {"instructions": "Sing."}}
    await ws.send_json(update)
    error = (await until(ws, "error"))["error"]
    assert (error["code"], error["event_id"]) == ("event_not_allowed", "e1")
    sideband = await place.join(f"call_id={next(iter(place.hub.sessions)).id}")
    await sideband.send_json(update)
    assert (await until(ws, "session.updated"))["session"]["instructions"] == "Sing."


async def test_a_forged_secret_is_turned_away(place: Place) -> None:
    ws = await place.join(key="ek_" + "0" * 32)
    assert (await ws.receive_json())["error"]["code"] == "invalid_api_key"


async def test_a_sideband_sees_the_same_events_and_does_not_keep_the_session(place: Place) -> None:
    owner = await place.join()
    session_id = (await until(owner, "session.created"))["session"]["id"]
    sideband = await place.join(f"call_id={session_id}")
    assert (await until(sideband, "session.created"))["session"]["id"] == session_id
    await sideband.send_json({"type": "response.create"})
    seen = (await until(owner, "response.done"), await until(sideband, "response.done"))
    assert seen[0] == seen[1]
    (listed,) = (await place.get("/v1/antiphon/sessions"))["data"]
    assert listed["id"] == session_id
    await owner.close()
    assert [event["type"] async for event in _rest(sideband)] == ["rate_limits.updated"]
    assert sideband.close_code == 1000
    assert not place.hub.sessions


async def test_no_secret_joins_a_session_as_a_sideband(place: Place) -> None:
    owner = await place.join()
    session_id = (await until(owner, "session.created"))["session"]["id"]
    secret = await minted(place)
    assert await place.status_of_upgrade(f"call_id={session_id}", secret) == 404


async def test_the_beta_dialect_is_spoken_where_it_is_asked_for(place: Place) -> None:
    ws = await place.join(**{"OpenAI-Beta": "realtime=v1"})
    created = await until(ws, "session.created")
    assert created["session"]["modalities"] == ["text", "audio"]
    assert (await ws.receive_json())["type"] == "conversation.created"
    await ws.send_json({"type": "session.update", "session": {"modalities": ["text"]}})
    assert (await until(ws, "session.updated"))["session"]["modalities"] == ["text"]
    await ws.send_json({"type": "response.create"})
    assert (await until(ws, "response.text.done"))["text"] == "Hello."
