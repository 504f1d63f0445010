"""A browser's call past this server: aiortc calls, a mock of the API answers, Antiphon follows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from aiohttp import ClientSession, ClientWebSocketResponse

from antiphon.journal.memory import MemoryJournal
from antiphon.mock import MockReply, MockScript, mocking
from antiphon.mock.mocking import Mock
from antiphon.server.secret import Secret
from antiphon.server.settings import Config, RelaySettings
from antiphon.server.wiring import Parts
from antiphon.testing import serving
from tests.mock.test_calls import LOUD, CallsOf
from tests.transports.webrtc.client import Client, until

SCRIPT = MockScript(replies=(MockReply(says="Good morning to you."),))
KEY = "sk-mock-0123456789"


class Call:
    def __init__(self, page: Client, http: ClientSession, mock: Mock) -> None:
        self.page = page
        self.http = http
        self.mock = mock

    async def told(self, path: str) -> Any:
        async with self.http.get(f"/v1/antiphon/{path}") as told:
            return await told.json()

    @asynccontextmanager
    async def followed(self) -> AsyncIterator[ClientWebSocketResponse]:
        """A sideband of ours, once we have joined the call ourselves."""
        theirs = (await self.page.event("session.created"))["session"]["id"]
        async with self.http.ws_connect(f"/v1/realtime?call_id={self.page.call_id}") as sideband:
            created = await heard(sideband, "session.created")
            if created["session"]["id"] != theirs:
                await heard(sideband, "session.updated")
            yield sideband

    async def until_ended(self) -> None:
        while (await self.told("sessions"))["data"]:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


@pytest.fixture
async def call(local_calls: None) -> AsyncIterator[Call]:
    async with mocking(SCRIPT, keys=[KEY], in_memory=False) as mock, before(mock) as http:
        page = Client(CallsOf(http))
        try:
            await page.call()
            yield Call(page, http, mock)
        finally:
            await page.hang_up()


@asynccontextmanager
async def before(mock: Mock) -> AsyncIterator[ClientSession]:
    url = f"{mock.websocket_url}/v1/realtime"
    relay = RelaySettings(url=url, api_key=Secret(KEY), media="direct", models=("test",))
    parts = Parts(journal=MemoryJournal())
    async with (
        serving(config=Config(relay=relay), parts=parts, in_memory=False) as served,
        served.client() as http,
    ):
        yield http


async def heard(ws: ClientWebSocketResponse, kind: str) -> dict[str, Any]:
    while True:
        event: dict[str, Any] = await ws.receive_json(timeout=60)
        if event["type"] == kind:
            return event


async def test_sound_goes_past_this_server_which_knows_all_that_is_said(call: Call) -> None:
    async with call.followed() as sideband:
        call.page.send("response.create")
        done = await heard(sideband, "response.done")
        assert (await call.page.event("response.done"))["response"] == done["response"]
    await call.page.event("output_audio_buffer.stopped")
    assert np.abs(call.page.heard).max() > LOUD
    (session,) = (await call.told("sessions"))["data"]
    assert session["engine"] == "relay"
    shown = await call.told(f"conversations/{session['conversation_id']}")
    (item,) = shown["items"]
    assert item["id"] == done["response"]["output"][0]["id"]
    assert item["content"][0]["transcript"] == "Good morning to you."
    assert shown["usage"] == done["response"]["usage"]
    assert shown["is_whole"]


async def test_a_sideband_here_asks_for_an_answer_there(call: Call) -> None:
    async with call.followed() as sideband:
        await sideband.send_json({"type": "response.create"})
        await call.page.event("output_audio_buffer.started")
        assert (await heard(sideband, "response.done"))["response"]["status"] == "completed"


async def test_hanging_up_here_ends_the_call_there(call: Call) -> None:
    await call.page.event("session.created")
    path = f"/v1/realtime/calls/{call.page.call_id}/hangup"
    async with call.http.post(path) as told:
        assert told.status == 200
    await call.page.until_closed()
    await until(lambda: not call.mock.hub.sessions)
    await call.until_ended()


async def test_a_page_that_hangs_up_ends_the_session_here(call: Call) -> None:
    async with call.followed() as sideband:
        await call.page.hang_up()
        async with asyncio.timeout(60):
            while not sideband.closed:
                await sideband.receive()
    await call.until_ended()
