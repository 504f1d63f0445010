"""Who may do what with which secret: over real sockets, with real conversations."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientWebSocketResponse

from antiphon.transports.webrtc.calls import Answer
from tests.server.place import VOICE, Place, places, turned_away, until
from tests.transports.webrtc.client import Client


@pytest.fixture
async def place(local_calls: None) -> AsyncIterator[Place]:
    async with places() as place:
        yield place


class CallsOf:
    """Calls that the bearer of a key opens."""

    def __init__(self, place: Place, key: str) -> None:
        self._place, self._key = place, key

    async def answer(self, offer_sdp: str, *, model: str) -> Answer:
        told = await self._place.offer(offer_sdp, key=self._key)
        assert told.status == 201, told
        return Answer(told.headers["Location"].rpartition("/")[2], told.body)


async def _rest(ws: ClientWebSocketResponse) -> AsyncIterator[dict[str, Any]]:
    async for message in ws:
        yield message.json()


async def refusals(place: Place, secret: str) -> tuple[str, str]:
    """Why a secret opens neither a WebSocket session nor a call."""
    call = await place.offer("v=0", key=secret)
    assert (call.status, call.code) == (401, "invalid_api_key")
    return await turned_away(await place.join(key=secret)), call.body["error"]["message"]


# --- What a secret is for ----------------------------------------------------


async def test_a_secret_opens_the_session_that_it_was_minted_for(place: Place) -> None:
    ws = await place.join(key=(await place.mint())["value"])
    created = await until(ws, "session.created")
    assert created["session"]["instructions"] == "Be brief."
    await ws.send_json({"type": "response.create"})
    done = await until(ws, "response.done")
    assert done["response"]["status"] == "completed"


@pytest.mark.parametrize("kind", ["realtime", "transcription"])
async def test_the_session_that_opens_is_the_one_that_was_told_when_minting(
    place: Place, kind: str
) -> None:
    body = {"session": {"type": kind, "include": ["item.input_audio_transcription.logprobs"]}}
    minted = (await place.ask("POST", "/v1/realtime/client_secrets", json=body)).body
    ws = await place.join(key=minted["value"])
    opened = (await until(ws, "session.created"))["session"]
    own = {"id", "expires_at", "antiphon"}
    assert {k: v for k, v in opened.items() if k not in own} == {
        k: v for k, v in minted["session"].items() if k not in own
    }
    if kind == "realtime":
        assert opened["audio"]["output"]["voice"] == VOICE


async def test_a_secret_sends_only_the_events_that_it_may(place: Place) -> None:
    secret = (await place.mint(client_events=["response.create"]))["value"]
    ws = await place.join(key=secret)
    update = {"type": "session.update", "event_id": "e1", "session": {"instructions": "Sing."}}
    await ws.send_json(update)
    error = (await until(ws, "error"))["error"]
    assert (error["code"], error["event_id"]) == ("event_not_allowed", "e1")
    sideband = await place.join(f"call_id={next(iter(place.hub.sessions)).id}")
    await sideband.send_json(update)
    assert (await until(ws, "session.updated"))["session"]["instructions"] == "Sing."


# --- Secrets that open nothing -----------------------------------------------


async def test_an_expired_secret_opens_nothing_and_says_so(place: Place) -> None:
    secret = (await place.mint(seconds=10))["value"]
    live = await place.join(key=secret)
    await until(live, "session.created")
    place.clock.now_s += 10
    for reason in await refusals(place, secret):
        assert "has expired" in reason
    # A session outlives its secret.
    await live.send_json({"type": "response.create"})
    await until(live, "response.done")


async def test_a_revoked_secret_opens_nothing_and_says_so(place: Place) -> None:
    minted = await place.mint()
    path = f"/v1/realtime/client_secrets/{minted['antiphon']['id']}"
    assert (await place.ask("DELETE", path)).status == 200
    for reason in await refusals(place, minted["value"]):
        assert "was revoked" in reason


async def test_a_secret_opens_no_more_sessions_than_it_may(place: Place) -> None:
    secret = (await place.mint(max_sessions=1))["value"]
    live = await place.join(key=secret)
    await until(live, "session.created")
    for reason in await refusals(place, secret):
        assert "1 sessions that it may" in reason
    # Nor after its session has ended: whoever copied it comes too late.
    await live.close()
    for reason in await refusals(place, secret):
        assert "1 sessions that it may" in reason


async def test_a_malformed_upgrade_costs_a_secret_nothing(place: Place) -> None:
    secret = (await place.mint(max_sessions=1))["value"]
    assert await place.status_of_upgrade("model=m", secret) == 400
    await until(await place.join(key=secret), "session.created")
    assert "1 sessions that it may" in (await refusals(place, secret))[0]


@pytest.mark.parametrize("change", ["all of it", "its end", "its case", "a space", "nothing left"])
async def test_a_forged_secret_opens_nothing(place: Place, change: str) -> None:
    real = (await place.mint())["value"]
    forged = {
        "all of it": "ek_" + "0" * 32,
        "its end": real[:-1] + ("A" if real[-1] != "A" else "B"),
        "its case": "ek_" + real[3:].swapcase(),
        "a space": real[:9] + " " + real[9:],
        "nothing left": "ek_",
    }[change]
    for reason in await refusals(place, forged):
        assert "there is no such client secret" in reason
    await until(await place.join(key=real), "session.created")


async def test_a_secret_of_another_page_opens_nothing(place: Place) -> None:
    secret = (await place.mint(allowed_origins=["https://app.example.com"]))["value"]
    for origin in ({}, {"Origin": "https://evil.example.com"}):
        headers = {"Upgrade": "websocket", **origin}
        told = await place.ask("GET", "/v1/realtime?model=m", key=secret, headers=headers)
        assert (told.status, told.code) == (403, "origin_not_allowed")
    ws = await place.join(key=secret, headers={"Origin": "https://app.example.com"})
    await until(ws, "session.created")


# --- What no secret may ------------------------------------------------------

FOR_SERVER_KEYS = [
    ("POST", "/v1/realtime/client_secrets"),
    ("POST", "/v1/realtime/sessions"),
    ("POST", "/v1/realtime/transcription_sessions"),
    ("DELETE", "/v1/realtime/client_secrets/{secret_id}"),
    ("POST", "/v1/realtime/calls/{call_id}/hangup"),
    ("GET", "/v1/antiphon/sessions"),
    ("GET", "/v1/models"),
    ("GET", "/v1/models/test"),
]


@pytest.mark.parametrize(("method", "path"), FOR_SERVER_KEYS)
async def test_no_secret_does_what_server_keys_are_for(
    place: Place, method: str, path: str
) -> None:
    """Not even to the call that it has opened, or to itself."""
    minted = await place.mint()
    caller = Client(CallsOf(place, minted["value"]))
    await caller.call()
    path = path.format(secret_id=minted["antiphon"]["id"], call_id=caller.call_id)
    for key in (minted["value"], "wrong-key", None):
        told = await place.ask(method, path, key=key)
        assert (told.status, told.code) == (401, "invalid_api_key")
        assert minted["value"] not in str(told.body)
    await caller.event("session.created")
    assert not caller.closed
    assert (await place.ask(method, path)).status == 200, "a server key does"
    await caller.hang_up()


@pytest.mark.parametrize("of", ["a session", "a call"])
async def test_no_secret_joins_a_session_as_a_sideband(place: Place, of: str) -> None:
    own = (await place.mint())["value"]
    other = (await place.mint())["value"]
    ws = await place.join(key=own)
    session_id = (await until(ws, "session.created"))["session"]["id"]
    caller = Client(CallsOf(place, own))
    await caller.call()
    joined = session_id if of == "a session" else caller.call_id
    for key in (own, other, "wrong-key"):
        assert await place.status_of_upgrade(f"call_id={joined}", key) == 404
    sideband = await place.join(f"call_id={joined}")
    await until(sideband, "session.created")
    await caller.hang_up()


async def test_a_revoked_secret_leaves_the_sessions_of_others_alone(place: Place) -> None:
    one, other = await place.mint(), await place.mint()
    ws = await place.join(key=other["value"])
    await until(ws, "session.created")
    await place.ask("DELETE", f"/v1/realtime/client_secrets/{one['antiphon']['id']}")
    await ws.send_json({"type": "response.create"})
    await until(ws, "response.done")
    await until(await place.join(key=other["value"]), "session.created")


# --- Sidebands and dialects --------------------------------------------------


async def test_a_sideband_sees_the_same_events_and_does_not_keep_the_session(place: Place) -> None:
    owner = await place.join()
    session_id = (await until(owner, "session.created"))["session"]["id"]
    sideband = await place.join(f"call_id={session_id}")
    assert (await until(sideband, "session.created"))["session"]["id"] == session_id
    await sideband.send_json({"type": "response.create"})
    seen = (await until(owner, "response.done"), await until(sideband, "response.done"))
    assert seen[0] == seen[1]
    (listed,) = (await place.ask("GET", "/v1/antiphon/sessions")).body["data"]
    assert listed["id"] == session_id
    await owner.close()
    assert [event["type"] async for event in _rest(sideband)] == ["rate_limits.updated"]
    assert sideband.close_code == 1000
    assert not place.hub.sessions


async def test_the_beta_dialect_is_spoken_where_it_is_asked_for(place: Place) -> None:
    ws = await place.join(headers={"OpenAI-Beta": "realtime=v1"})
    created = await until(ws, "session.created")
    assert created["session"]["modalities"] == ["text", "audio"]
    assert (await ws.receive_json())["type"] == "conversation.created"
    await ws.send_json({"type": "session.update", "session": {"modalities": ["text"]}})
    assert (await until(ws, "session.updated"))["session"]["modalities"] == ["text"]
    await ws.send_json({"type": "response.create"})
    assert (await until(ws, "response.text.done"))["text"] == "Hello."
