"""Offers over HTTP, answered with calls that an unpatched aiortc peer holds."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import aioice.ice
import pytest
from aiohttp import ClientResponse, ClientSession, FormData, web

from antiphon.engines.scripted import Script, ScriptedEngine, Speak
from antiphon.runtime.hub import Hub
from antiphon.server.admission import LoadLimits
from antiphon.server.app import Api, Model
from antiphon.server.auth import Gate
from antiphon.server.config import Secret
from antiphon.transports.webrtc.calls import Answer
from tests.transports.webrtc.client import LOCALHOST, Client
from tests.transports.webrtc.test_network_change import restarted

KEY = {"Authorization": "Bearer server-key"}


class Place:
    """A running server, asked for calls the way browsers and SDKs do."""

    def __init__(self, hub: Hub, client: ClientSession, port: int) -> None:
        self.hub = hub
        self.client = client
        self.url = f"http://127.0.0.1:{port}/v1/realtime"

    async def secret(self, **antiphon: object) -> str:
        body = {"session": {"type": "realtime", "instructions": "Hum."}, "antiphon": antiphon}
        async with self.client.post(f"{self.url}/client_secrets", json=body, headers=KEY) as answer:
            return str((await answer.json())["value"])

    async def post(self, data: Any, path: str = "/calls", **headers: str) -> ClientResponse:
        return await self.client.post(self.url + path, data=data, headers={**KEY, **headers})


class WithSecret:
    """Form A: the bare SDP, with an ephemeral secret."""

    def __init__(self, place: Place, secret: str) -> None:
        self._place, self._secret = place, secret

    async def answer(self, offer_sdp: str, *, model: str) -> Answer:
        del model
        headers = {
            "Authorization": f"Bearer {self._secret}",
            "Content-Type": "application/sdp",
            "Origin": "http://localhost:3000",
        }
        response = await self._place.post(offer_sdp, **headers)
        assert response.status == 201, await response.text()
        assert response.content_type == "application/sdp"
        assert response.headers["Access-Control-Expose-Headers"] == "Location"
        return Answer(response.headers["Location"].rpartition("/")[2], await response.text())


class WithForm:
    """Form B: a form of the SDP and the session's settings, with a server key."""

    def __init__(self, place: Place, session: dict[str, object]) -> None:
        self._place, self._session = place, session

    async def answer(self, offer_sdp: str, *, model: str) -> Answer:
        form = FormData(default_to_multipart=True)
        form.add_field("sdp", offer_sdp)
        form.add_field("session", json.dumps({"type": "realtime", "model": model, **self._session}))
        response = await self._place.post(form)
        assert response.status == 201, await response.text()
        return Answer(response.headers["Location"].rpartition("/")[2], await response.text())


@pytest.fixture
async def place(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    monkeypatch.setattr(
        aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: list(LOCALHOST)
    )
    engine = ScriptedEngine(Script(replies=((Speak(ms=200, text="Hm."),),)))
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


async def test_a_page_with_a_secret_holds_a_call_and_a_sideband_steers_it(place: Place) -> None:
    page = Client(WithSecret(place, await place.secret(client_events=["response.create"])))
    await page.call()
    assert (await page.event("session.created"))["session"]["instructions"] == "Hum."
    page.send("session.update", session={"instructions": "Shout."})
    assert (await page.event("error"))["error"]["code"] == "event_not_allowed"
    async with place.client.ws_connect(f"{place.url}?call_id={page.call_id}", headers=KEY) as ws:
        assert (await ws.receive_json())["type"] == "session.created"
        await ws.send_json({"type": "response.create"})
        await page.event("output_audio_buffer.stopped")
        assert (await page.listen(4_800)).any()
    await page.hang_up()


async def test_a_backend_opens_a_call_by_form_and_hangs_it_up(place: Place) -> None:
    client = Client(WithForm(place, {"audio": {"output": {"voice": "cedar"}}}))
    await client.call()
    created = (await client.event("session.created"))["session"]
    assert (created["model"], created["audio"]["output"]["voice"]) == ("test", "cedar")
    hung_up = await place.post(None, f"/calls/{client.call_id}/hangup")
    assert (hung_up.status, await hung_up.read()) == (200, b"")
    await client.until_closed()
    again = await place.post(None, f"/calls/{client.call_id}/hangup")
    assert (again.status, (await again.json())["error"]["code"]) == (404, "call_id_not_found")
    await client.hang_up()


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
    response = await place.post(body, **{"Content-Type": content_type})
    assert (response.status, (await response.json())["error"]["code"]) == (status, code)
    assert not place.hub.sessions


async def test_settings_that_cannot_be_are_refused_with_the_field(place: Place) -> None:
    form = FormData(default_to_multipart=True)
    client = Client(WithForm(place, {}))
    form.add_field("sdp", await client.offer())
    form.add_field("session", json.dumps({"type": "realtime", "audio": {"output": {"speed": 9}}}))
    response = await place.post(form)
    error = (await response.json())["error"]
    assert (response.status, error["param"]) == (400, "session.audio.output.speed")
    await client.hang_up()


async def test_a_stranger_opens_no_call(place: Place) -> None:
    for key in ("wrong", "ek_forged"):
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/sdp"}
        response = await place.post("v=0", **headers)
        assert (response.status, (await response.json())["error"]["code"]) == (
            401,
            "invalid_api_key",
        )


async def test_a_secret_that_opened_no_call_is_not_used_up(place: Place) -> None:
    secret = await place.secret(max_sessions=1)
    headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/sdp"}
    assert (await place.post("garbage", **headers)).status == 400
    client = Client(WithSecret(place, secret))
    await client.call()
    await client.event("session.created")
    assert (await place.post(await client.offer(), **headers)).status == 401
    await client.hang_up()


class OfBeta:
    """The bare SDP, posted where the beta dialect took it."""

    def __init__(self, place: Place, key: str, path: str = "") -> None:
        self._place, self._key, self._path = place, key, path

    async def answer(self, offer_sdp: str, *, model: str) -> Answer:
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/sdp"}
        response = await self._place.post(offer_sdp, f"{self._path}?model={model}", **headers)
        assert response.status == 201, await response.text()
        return Answer(response.headers["Location"].rpartition("/")[2], await response.text())


@pytest.mark.parametrize("path", ["", "rtc", "/calls"])
async def test_a_beta_page_holds_a_call_in_its_dialect(place: Place, path: str) -> None:
    flat = {"voice": "verse", "modalities": ["text", "audio"], "instructions": "Hum."}
    async with place.client.post(f"{place.url}/sessions", json=flat, headers=KEY) as answer:
        secret = (await answer.json())["client_secret"]["value"]
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
    client = Client(OfBeta(place, "server-key"))
    await client.call()
    assert (await client.event("session.created"))["session"]["model"] == "test"
    await client.event("conversation.created")
    await client.hang_up()


async def test_a_call_tells_how_it_is_doing_and_nobody_who_asks_changes_what_others_see(
    place: Place,
) -> None:
    secret = await place.secret()
    page = Client(WithSecret(place, secret))
    await page.call()
    await page.event("session.created")
    url = place.url.replace("/realtime", f"/antiphon/calls/{page.call_id}")

    async def ask(key: str) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {key}"}
        async with place.client.get(url, headers=headers) as answer:
            return answer.status, await answer.json()

    status, told = await ask("server-key")
    assert (status, told["state"], told["codec"]) == (200, "connected", "opus")
    assert told["session_id"] == next(iter(place.hub.sessions)).id
    assert told["quality"]["packets_lost"] == 0
    assert abs(told["measured_at"] - time.time()) < 60
    # Another dashboard asks in between: the first still counts for itself what came meanwhile.
    status, between = await ask(secret)
    assert status == 200
    _, again = await ask("server-key")
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
    assert (await ask(await place.secret()))[0] == 401, "another's secret"
    assert (await ask("wrong"))[0] == 401
    await page.hang_up()


async def test_a_network_change_is_told_by_a_new_offer(place: Place) -> None:
    secret = await place.secret(max_sessions=1)
    page = Client(WithSecret(place, secret))
    await page.call()
    await page.event("session.created")
    offer = page.connection.localDescription.sdp

    async def patch(body: str, key: str = secret, call_id: str = page.call_id) -> tuple[int, str]:
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/sdp"}
        url = f"{place.url}/calls/{call_id}"
        async with place.client.patch(url, data=body, headers=headers) as answer:
            return answer.status, await answer.text()

    status, answer = await patch(restarted(offer))
    assert status == 200, "with a secret that opens no second call"
    assert answer.startswith("v=0")
    status, error = await patch("garbage")
    assert (status, json.loads(error)["error"]["code"]) == (400, "invalid_offer")
    assert (await patch(offer, key="wrong"))[0] == 401
    assert (await patch(offer, key="ek_forged"))[0] == 401
    status, error = await patch(offer, key="server-key", call_id="rtc_unknown")
    assert (status, json.loads(error)["error"]["code"]) == (404, "call_id_not_found")
    await page.hang_up()
