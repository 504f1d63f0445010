"""Offers over HTTP, answered with calls that an unpatched aiortc peer holds."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import FormData

from antiphon.engines.scripted import Script, Speak
from antiphon.journal.memory import MemoryJournal
from antiphon.journal.recall import Recalled
from antiphon.transports.webrtc.calls import Answer
from tests.journal.logs import CONVERSATION, opened, said
from tests.server.place import KEY, Place, Told, places
from tests.transports.webrtc.client import Client, restarted

CALLS = "/v1/realtime/calls"
HUM = {"type": "realtime", "instructions": "Hum."}


@pytest.fixture
async def place(local_calls: None) -> AsyncIterator[Place]:
    async with places(Script(replies=((Speak(ms=200, text="Hm."),),))) as place:
        yield place


def answered(told: Told) -> Answer:
    assert told.status == 201, told
    assert told.headers["Content-Type"].startswith("application/sdp")
    return Answer(told.headers["Location"].rpartition("/")[2], told.body)


class WithSecret:
    """Form A: the bare SDP, with an ephemeral secret."""

    def __init__(self, place: Place, secret: str) -> None:
        self._place, self._secret = place, secret

    async def answer(self, offer_sdp: str, *, model: str) -> Answer:
        del model
        headers = {"Content-Type": "application/sdp", "Origin": "http://localhost:3000"}
        told = await self._place.ask(
            "POST", CALLS, key=self._secret, headers=headers, data=offer_sdp
        )
        assert told.headers["Access-Control-Expose-Headers"] == "Location"
        return answered(told)


def form(sdp: str, session: dict[str, object]) -> FormData:
    form = FormData(default_to_multipart=True)
    form.add_field("sdp", sdp)
    form.add_field("session", json.dumps({"type": "realtime", **session}))
    return form


class WithForm:
    """Form B: a form of the SDP and the session's settings, with a server key."""

    def __init__(self, place: Place, session: dict[str, object]) -> None:
        self._place, self._session = place, session

    async def answer(self, offer_sdp: str, *, model: str) -> Answer:
        data = form(offer_sdp, {"model": model, **self._session})
        return answered(await self._place.ask("POST", CALLS, data=data))


async def test_a_page_with_a_secret_holds_a_call_and_a_sideband_steers_it(place: Place) -> None:
    secret = await place.mint(session=HUM, client_events=["response.create"])
    page = Client(WithSecret(place, secret["value"]))
    await page.call()
    assert (await page.event("session.created"))["session"]["instructions"] == "Hum."
    page.send("session.update", session={"instructions": "Shout."})
    assert (await page.event("error"))["error"]["code"] == "event_not_allowed"
    ws = await place.join(f"call_id={page.call_id}")
    assert (await ws.receive_json())["type"] == "session.created"
    await ws.send_json({"type": "response.create"})
    await page.event("output_audio_buffer.stopped")
    assert (await page.listen(4_800)).any()
    await ws.close()
    await page.hang_up()


async def test_a_backend_opens_a_call_by_form_and_hangs_it_up(place: Place) -> None:
    client = Client(WithForm(place, {"audio": {"output": {"voice": "ash"}}}))
    await client.call()
    created = (await client.event("session.created"))["session"]
    assert (created["model"], created["audio"]["output"]["voice"]) == ("test", "ash")
    hung_up = await place.ask("POST", f"{CALLS}/{client.call_id}/hangup")
    assert (hung_up.status, hung_up.body) == (200, "")
    await client.until_closed()
    again = await place.ask("POST", f"{CALLS}/{client.call_id}/hangup")
    assert (again.status, again.code) == (404, "call_id_not_found")
    await client.hang_up()


@pytest.mark.usefixtures("local_calls")
async def test_a_call_goes_on_with_the_conversation_that_its_secret_names() -> None:
    journal = MemoryJournal()
    entries = (opened(), said("a", "Where were we?"), said("b", "Here.", after="a"))
    for entry in entries:
        journal.append(CONVERSATION, entry)
    script = Script(replies=((Speak(ms=200, text="Hm."),),))
    async with places(script, journal=journal) as place:
        secret = await place.mint(session=HUM, conversation_id=CONVERSATION)
        page = Client(WithSecret(place, secret["value"]))
        await page.call()
        await page.event("session.created")
        shown = [(await page.event("conversation.item.done"))["item"] for _ in range(2)]
        assert [item["id"] for item in shown] == ["a", "b"]
        page.send("response.create")
        done = await page.event("response.done")
        assert done["response"]["conversation_id"] == CONVERSATION
        await page.hang_up()
    assert len(Recalled(journal.durable(CONVERSATION)).items) == 3


@pytest.mark.parametrize(
    ("content_type", "body", "status", "code"),
    [
        ("application/sdp", "garbage", 400, "invalid_offer"),
        ("application/sdp", b"\xff\xfe", 400, "invalid_value"),
        ("application/json", "{}", 415, "unsupported_content_type"),
    ],
)
async def test_what_is_no_offer_is_refused_with_the_reason(
    place: Place, content_type: str, body: Any, status: int, code: str
) -> None:
    told = await place.ask("POST", CALLS, headers={"Content-Type": content_type}, data=body)
    assert (told.status, told.code) == (status, code)
    assert not place.hub.sessions


async def test_settings_that_cannot_be_are_refused_with_the_field(place: Place) -> None:
    client = Client(WithForm(place, {}))
    data = form(await client.offer(), {"audio": {"output": {"speed": 9}}})
    told = await place.ask("POST", CALLS, data=data)
    assert (told.status, told.body["error"]["param"]) == (400, "session.audio.output.speed")
    await client.hang_up()


async def test_a_stranger_opens_no_call(place: Place) -> None:
    for key in ("wrong", "ek_forged"):
        told = await place.offer("v=0", key=key)
        assert (told.status, told.code) == (401, "invalid_api_key")


async def test_a_secret_that_opened_no_call_is_not_used_up(place: Place) -> None:
    secret = (await place.mint(max_sessions=1))["value"]
    assert (await place.offer("garbage", key=secret)).status == 400
    client = Client(WithSecret(place, secret))
    await client.call()
    await client.event("session.created")
    assert (await place.offer(await client.offer(), key=secret)).status == 401
    await client.hang_up()


class OfBeta:
    """The bare SDP, posted where the beta dialect took it."""

    def __init__(self, place: Place, key: str, path: str = "") -> None:
        self._place, self._key, self._path = place, key, path

    async def answer(self, offer_sdp: str, *, model: str) -> Answer:
        path = f"/v1/realtime{self._path}?model={model}"
        headers = {"Content-Type": "application/sdp"}
        told = await self._place.ask("POST", path, key=self._key, headers=headers, data=offer_sdp)
        return answered(told)


@pytest.mark.parametrize("path", ["", "rtc", "/calls"])
async def test_a_beta_page_holds_a_call_in_its_dialect(place: Place, path: str) -> None:
    flat = {"voice": "verse", "modalities": ["text", "audio"], "instructions": "Hum."}
    minted = await place.ask("POST", "/v1/realtime/sessions", json=flat)
    secret = minted.body["client_secret"]["value"]
    page = Client(OfBeta(place, secret, path))
    await page.call()
    created = (await page.event("session.created"))["session"]
    assert (created["voice"], created["modalities"]) == ("verse", ["text", "audio"])
    await page.event("conversation.created")
    page.send("session.update", session={"input_audio_transcription": {"model": "whisper-1"}})
    updated = (await page.event("session.updated"))["session"]
    assert updated["input_audio_transcription"]["model"] == "whisper-1"
    page.send("response.create")
    events = await page.events_until("output_audio_buffer.stopped")
    kinds = [event["type"] for event in events]
    assert "response.audio_transcript.delta" in kinds
    assert "conversation.item.created" in kinds
    assert not {"conversation.item.added", "conversation.item.done"} & set(kinds)
    page.send("session.update", session={"voice": 1})
    assert (await page.event("error"))["error"]["param"] == "session.voice"
    await page.hang_up()


async def test_with_a_server_key_too_the_beta_path_speaks_beta(place: Place) -> None:
    client = Client(OfBeta(place, KEY))
    await client.call()
    assert (await client.event("session.created"))["session"]["model"] == "test"
    await client.event("conversation.created")
    await client.hang_up()


async def test_a_call_tells_how_it_is_doing_and_nobody_who_asks_changes_what_others_see(
    place: Place,
) -> None:
    secret = (await place.mint())["value"]
    page = Client(WithSecret(place, secret))
    await page.call()
    await page.event("session.created")

    async def ask(key: str) -> tuple[int, Any]:
        told = await place.ask("GET", f"/v1/antiphon/calls/{page.call_id}", key=key)
        return told.status, told.body

    status, told = await ask(KEY)
    assert (status, told["state"], told["codec"]) == (200, "connected", "opus")
    assert told["session_id"] == next(iter(place.hub.sessions)).id
    assert told["quality"]["packets_lost"] == 0
    assert abs(told["measured_at"] - time.time()) < 60
    # Another dashboard asks in between: the first still counts for itself what came meanwhile.
    status, between = await ask(secret)
    assert status == 200
    _, again = await ask(KEY)
    counts = [body["quality"]["packets_received"] for body in (told, between, again)]
    assert counts == sorted(counts)
    assert told["measured_at"] < between["measured_at"] < again["measured_at"]
    assert told.keys() == {
        "id",
        "object",
        "session_id",
        "state",
        "codec",
        "measured_at",
        "quality",
    }, "all that is told is of the call, nothing of who asked before"
    assert (await ask((await place.mint())["value"]))[0] == 401, "another's secret"
    assert (await ask("wrong"))[0] == 401
    await page.hang_up()


async def test_a_network_change_is_told_by_a_new_offer(place: Place) -> None:
    secret = (await place.mint(max_sessions=1))["value"]
    page = Client(WithSecret(place, secret))
    await page.call()
    await page.event("session.created")
    offer = page.connection.localDescription.sdp

    async def patch(body: str, key: str = secret, call_id: str = page.call_id) -> Told:
        headers = {"Content-Type": "application/sdp"}
        return await place.ask("PATCH", f"{CALLS}/{call_id}", key=key, headers=headers, data=body)

    told = await patch(restarted(offer))
    assert told.status == 200, "with a secret that opens no second call"
    assert told.body.startswith("v=0")
    told = await patch("garbage")
    assert (told.status, told.code) == (400, "invalid_offer")
    assert (await patch(offer, key="wrong")).status == 401
    assert (await patch(offer, key="ek_forged")).status == 401
    told = await patch(offer, key=KEY, call_id="rtc_unknown")
    assert (told.status, told.code) == (404, "call_id_not_found")
    await page.hang_up()


async def test_the_operator_sees_how_a_call_is_doing_and_ends_it(place: Place) -> None:
    page = Client(WithForm(place, {}))
    await page.call()
    await page.event("session.created")
    (listed,) = (await place.ask("GET", "/v1/antiphon/sessions")).body["data"]
    call = (await place.ask("GET", f"/v1/antiphon/calls/{page.call_id}")).body
    assert listed["quality"]["call"].keys() == call["quality"].keys()
    told = await place.ask("POST", f"/v1/antiphon/sessions/{listed['id']}/hangup")
    assert told.status == 200
    assert (await place.ask("GET", "/v1/antiphon/sessions")).body["data"] == []
    while (await place.ask("GET", f"/v1/antiphon/calls/{page.call_id}")).status == 200:
        pass  # Its last packets are being sent.
    await page.hang_up()
