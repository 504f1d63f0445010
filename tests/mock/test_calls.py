"""Calls of a mock: they work as the server's do, and fail as they are told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
from aiohttp import ClientSession

from antiphon.mock import Fault, MockReply, MockScript, mocking
from antiphon.transports.webrtc.calls import Answer
from tests.transports.webrtc.client import Client

SCRIPT = MockScript(replies=(MockReply(says="Good morning to you."),))
LOUD = 1_000
"""The mock's voice is a tone of 3000."""


class CallsOf:
    """Calls as a page opens them."""

    def __init__(self, http: ClientSession) -> None:
        self._http = http

    async def answer(self, offer_sdp: str, *, model: str) -> Answer:
        headers = {"Content-Type": "application/sdp"}
        path = f"/v1/realtime/calls?model={model}"
        async with self._http.post(path, data=offer_sdp, headers=headers) as answered:
            assert answered.status == 201, await answered.text()
            location = answered.headers["Location"]
            return Answer(location.rpartition("/")[2], await answered.text())


@asynccontextmanager
async def calling(*faults: Fault | str) -> AsyncIterator[Client]:
    async with (
        mocking(SCRIPT, faults=faults, in_memory=False) as mock,
        mock.client() as http,
    ):
        client = Client(CallsOf(http))
        try:
            await client.call()
            yield client
        finally:
            await client.hang_up()


async def test_a_call_is_answered_and_heard(local_calls: None) -> None:
    async with calling() as client:
        await client.event("session.created")
        client.send("response.create")
        await client.event("output_audio_buffer.stopped")
        assert np.abs(client.heard).max() > LOUD


async def test_no_sound_passes_and_events_do(local_calls: None) -> None:
    async with calling("media_lost") as client:
        await client.event("session.created")
        client.send("response.create")
        await client.event("output_audio_buffer.stopped")
        assert np.abs(client.heard).max() < LOUD / 10


async def test_a_call_is_lost(local_calls: None) -> None:
    async with calling(Fault(name="call_lost", ms=500)) as client:
        await client.until_closed()
        assert not [event for event in client.events if event["type"] == "error"]


async def test_ice_fails(local_calls: None) -> None:
    async with calling("ice_fails") as client:
        await asyncio.sleep(3)
        assert client.connection.iceConnectionState != "completed"
        assert not client.events


async def test_faults_of_events_strike_calls_too(local_calls: None) -> None:
    async with calling("done_doubled", "unknown_event") as client:
        await client.event("session.created")
        client.send("response.create")
        seen = await client.events_until("output_audio_buffer.stopped")
        types = [event["type"] for event in seen]
        assert types.count("response.done") == 2
        assert "response.mood.updated" in types
