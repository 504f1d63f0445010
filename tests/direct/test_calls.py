"""Calls that another server holds, over HTTP and WebSocket, in virtual time."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from aiohttp import web

from antiphon.engines.relay.engine import RelayEngine
from antiphon.engines.relay.upstreams import Upstream
from antiphon.server.settings import Config, RelaySettings
from antiphon.testing import run_in_virtual_time, serving
from tests.direct.elsewhere import (
    ANSWER,
    KEY,
    OFFER,
    THEIR_CALL,
    Here,
    before_another,
    until,
)

Story = Callable[[Here], Coroutine[Any, Any, None]]
USAGE = {"total_tokens": 30, "input_tokens": 10, "output_tokens": 20}


def virtually(story: Story) -> Callable[[], None]:
    @functools.wraps(story)
    def told() -> None:
        async def main() -> None:
            async with before_another() as here:
                await story(here)

        run_in_virtual_time(main())

    del told.__wrapped__  # pytest shall see no argument.
    return told


async def talk(here: Here) -> None:
    """One turn, as the other server tells of it."""
    user = {
        "id": "item_u",
        "type": "message",
        "role": "user",
        "status": "completed",
        "content": [{"type": "input_text", "text": "Hello?"}],
    }
    spoken = [{"type": "output_audio", "transcript": "Good morning."}]
    answer = {
        "id": "item_a",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": spoken,
    }
    for item, after in ((user, None), (answer, "item_u")):
        for kind in ("added", "done"):
            await here.there.say(f"conversation.item.{kind}", previous_item_id=after, item=item)
    output = {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "ash"}
    response = {
        "id": "resp_theirs",
        "status": "completed",
        "output": [answer],
        "conversation_id": "conv_theirs",
        "output_modalities": ["audio"],
        "max_output_tokens": "inf",
        "audio": {"output": output},
        "usage": USAGE,
    }
    await here.there.say("response.done", response=response)


@virtually
async def test_the_offer_goes_there_with_our_key_and_the_settings_and_the_answer_comes_back(
    here: Here,
) -> None:
    settings = {"model": "gpt-realtime", "instructions": "Hum.", "output_modalities": ["text"]}
    status, headers, told = await here.call(session=settings)
    assert (status, told) == (201, ANSWER)
    assert headers["Content-Type"].startswith("application/sdp")
    call_id = headers["Location"].rpartition("/")[2]
    assert call_id.startswith("rtc_")
    assert call_id != THEIR_CALL
    ((sent, session, sdp),) = here.there.offers
    assert sent["Authorization"] == f"Bearer {KEY}"
    assert session == {"type": "realtime", **settings}
    assert sdp == OFFER


@virtually
async def test_it_is_listed_with_its_engine_and_found_by_both_ids_of_it(here: Here) -> None:
    call_id = await here.begun()
    sideband = await here.join(call_id)
    await until(sideband, "session.created")
    (listed,) = await here.sessions()
    assert (listed["engine"], listed["transport"]) == ("relay", "webrtc")
    assert (listed["model"], listed["state"]) == ("gpt-realtime", "idle")
    owner, other = listed["connections"]
    assert owner == {"id": call_id, "role": "owner"}
    assert other["role"] == "sideband"
    for name in (listed["id"], "sess_theirs"):
        second = await here.join(name)
        assert (await until(second, "session.created"))["session"]["id"] == "sess_theirs"


@virtually
async def test_sidebands_hear_the_other_server_and_speak_to_it_under_its_ids(here: Here) -> None:
    sideband = await here.join(await here.begun())
    created = (await until(sideband, "session.created"))["session"]
    assert created["antiphon"]["engine"] == "relay"
    await talk(here)
    done = await until(sideband, "response.done")
    assert done["response"]["id"] == "resp_theirs"
    assert done["response"]["conversation_id"] == "conv_theirs"
    wish = {"type": "conversation.item.delete", "event_id": "mine", "item_id": "item_a"}
    await sideband.send_json(wish)
    await here.there.until(lambda: wish in here.there.told)


@virtually
async def test_what_is_said_is_kept_shown_and_gone_on_with(here: Here) -> None:
    call_id = await here.begun()
    await talk(here)
    await here.there.drop()
    await here.until_ended()
    (kept,) = await here.conversations()
    assert [item["id"] for item in kept["items"]] == ["item_u", "item_a"]
    assert kept["usage"]["total_tokens"] == USAGE["total_tokens"]
    assert kept["responses"][0]["conversation_id"] == kept["id"]
    assert kept["is_whole"]
    (session,) = kept["sessions"]
    assert (session["engine"], session["transport"]) == ("relay", "webrtc")
    status, _, told = await here.call(f"model=gpt-realtime&conversation_id={kept['id']}")
    assert (status, told["error"]["param"]) == (501, "conversation_id")
    path = f"/v1/realtime?model=gpt-realtime&conversation_id={kept['id']}"
    async with here.http.ws_connect(path) as ws:  # Proxied, as all WebSocket sessions.
        shown = [(await until(ws, "conversation.item.done"))["item"]["id"] for _ in range(2)]
    assert shown == ["item_u", "item_a"]
    assert (await here.hang_up(call_id))[0] == 404


@virtually
async def test_hanging_up_here_hangs_up_there(here: Here) -> None:
    call_id = await here.begun()
    sideband = await here.join(call_id)
    assert await here.hang_up(call_id) == (200, "")
    assert here.there.hung_up == [THEIR_CALL]
    while not sideband.closed:
        await sideband.receive()
    assert sideband.close_code == 1000
    assert not here.served.hub.sessions


@virtually
async def test_a_call_that_cannot_be_hung_up_lives_on(here: Here) -> None:
    call_id = await here.begun()
    here.there.refusal = web.Response(status=500)
    assert (await here.hang_up(call_id))[0] == 500
    assert here.served.hub.sessions


@virtually
async def test_the_server_that_goes_hangs_up_there(here: Here) -> None:
    await here.begun()
    await here.served.hub.drain(10)
    await here.served.hub.aclose()
    assert here.there.hung_up == [THEIR_CALL]


@virtually
async def test_a_lost_sideband_is_joined_again_and_the_log_is_not_whole(here: Here) -> None:
    sideband = await here.join(await here.begun())
    await talk(here)
    await here.there.drop(1011)
    await here.there.until(lambda: here.there.sideband is not None)
    assert here.there.dialled == 2
    started = {"audio_start_ms": 1, "item_id": "item_v"}
    await here.there.say("input_audio_buffer.speech_started", **started)
    await until(sideband, "input_audio_buffer.speech_started")
    (kept,) = await here.conversations()
    assert not kept["is_whole"]


@virtually
async def test_a_call_whose_sideband_is_refused_lives_on_and_is_asked_for_again(
    here: Here,
) -> None:
    here.there.upgrade_status = 401
    _, headers, _ = await here.call()
    call_id = headers["Location"].rpartition("/")[2]
    sideband = await here.join(call_id)
    await until(sideband, "session.created")
    await sideband.send_json({"type": "response.create", "event_id": "mine"})
    error = (await until(sideband, "error"))["error"]
    assert (error["code"], error["event_id"]) == ("upstream_unavailable", "mine")
    await sideband.close()
    await asyncio.sleep(300)
    assert 10 < here.there.dialled < 40  # With backoff, and no sooner.
    here.there.upgrade_status = None
    await here.there.until(lambda: here.there.sideband is not None)
    sideband = await here.join(call_id)
    assert (await until(sideband, "session.created"))["session"]["id"] == "sess_theirs"
    await talk(here)
    await until(sideband, "response.done")
    (kept,) = await here.conversations()
    assert not kept["is_whole"]


@virtually
async def test_a_call_that_can_be_followed_a_moment_later_is_kept_whole(here: Here) -> None:
    here.there.upgrade_status = 404
    await here.call()
    await asyncio.sleep(1)
    here.there.upgrade_status = None
    await talk(here)
    while not (kept := await here.conversations()):  # noqa: ASYNC110 -- The time is virtual.
        await asyncio.sleep(0.1)
    assert kept[0]["is_whole"]


@virtually
async def test_a_call_that_is_not_there_any_more_has_ended(here: Here) -> None:
    await here.begun()
    here.there.upgrade_status = 404
    await here.there.drop(1012)
    await here.until_ended()
    assert here.there.hung_up == []


@virtually
async def test_a_session_cannot_be_moved(here: Here) -> None:
    sideband = await here.join(await here.begun())
    await sideband.send_json({"type": "antiphon.session.move", "model": "offline"})
    assert (await until(sideband, "error"))["error"]["code"] == "not_in_direct_calls"
    (listed,) = await here.sessions()
    path = f"/v1/antiphon/sessions/{listed['id']}/move"
    async with here.http.post(path, json={"model": "offline"}) as told:
        assert (told.status, (await told.json())["error"]["code"]) == (400, "not_in_direct_calls")


@virtually
async def test_what_only_the_call_knows_cannot_be_asked_here(here: Here) -> None:
    call_id = await here.begun()
    async with here.http.get(f"/v1/antiphon/calls/{call_id}") as told:
        assert (told.status, (await told.json())["error"]["code"]) == (501, "not_in_direct_calls")


@virtually
async def test_one_who_was_away_is_shown_the_items(here: Here) -> None:
    call_id = await here.begun()
    witness = await here.join(call_id)
    await talk(here)
    await until(witness, "response.done")
    late = await here.join(call_id, "&after=event_long_ago")
    shown = [(await until(late, "conversation.item.done"))["item"]["id"] for _ in range(2)]
    assert shown == ["item_u", "item_a"]


@virtually
async def test_events_that_are_not_known_here_change_nothing(here: Here) -> None:
    sideband = await here.join(await here.begun())
    await here.there.say("mood.updated", mood="good")
    await talk(here)
    await until(sideband, "response.done")


# --- Refusals ----------------------------------------------------------------


def error_body(message: str, **fields: Any) -> str:
    return json.dumps({"error": {"message": message, **fields}})


@pytest.mark.parametrize(
    ("status", "body", "ours", "code", "words"),
    [
        (400, error_body("Bad SDP.", code="invalid_offer"), 400, "invalid_offer", "Bad SDP."),
        (429, error_body("Rate limit", code="slow"), 429, "slow", "Rate limit"),
        (500, "<html>", 500, "upstream_refused", "HTTP 500"),
        (401, error_body(f"Incorrect key {KEY}"), 502, "upstream_refused", "operator"),
        (302, "", 502, "upstream_refused", "no usable answer"),
        (200, "hello", 502, "upstream_refused", "no call"),
    ],
)
def test_the_other_servers_refusal_is_told_and_no_session_is_left(
    status: int, body: str, ours: int, code: str, words: str
) -> None:
    async def main() -> None:
        async with before_another() as here:
            headers = {"Retry-After": "7"} if status == 429 else {}
            here.there.refusal = web.Response(status=status, text=body, headers=headers)
            told_status, told_headers, told = await here.call()
            assert (told_status, told["error"]["code"]) == (ours, code)
            assert words in told["error"]["message"]
            assert KEY not in json.dumps(told)
            assert told_headers.get("Retry-After") == ("7" if status == 429 else None)
            assert not here.served.hub.sessions

    run_in_virtual_time(main())


def test_a_refusal_that_quotes_the_instructions_does_not_tell_them() -> None:
    async def main() -> None:
        async with before_another() as here:
            words = "Invalid instructions: the swordfish is blue"
            here.there.refusal = web.Response(status=400, text=error_body(words))
            _, _, told = await here.call(session={"instructions": "the swordfish is blue"})
            assert "swordfish" not in told["error"]["message"]

    run_in_virtual_time(main())


@virtually
async def test_one_that_does_not_answer_is_told_with_what_to_do(here: Here) -> None:
    here.there.delay_s = 60
    status, headers, told = await here.call()
    assert (status, told["error"]["code"]) == (503, "upstream_unavailable")
    assert "did not answer within 10 s; try again later" in told["error"]["message"]
    assert headers["Retry-After"] == "5"


async def test_where_nobody_is_there_one_is_told_whose_fault_it_is() -> None:
    relay = RelayEngine(Upstream(url="ws://127.0.0.1:1/v1/realtime", key=KEY))
    config = Config(relay=RelaySettings(media="direct"))
    headers = {"Content-Type": "application/sdp"}
    async with serving(relay, config=config, in_memory=True) as served, served.client() as http:
        path = "/v1/realtime/calls?model=gpt-realtime"
        async with http.post(path, data=OFFER, headers=headers) as told:
            assert told.status == 503
            error = (await told.json())["error"]
    assert error["code"] == "upstream_unavailable"
    assert "nobody listens at 127.0.0.1:1; try again later" in error["message"]


def test_another_place_is_asked_where_one_is_busy() -> None:
    async def main() -> None:
        places = (
            Upstream(url="ws://there/nowhere", key=KEY),
            Upstream(url="ws://there/v1/realtime", key=KEY, weight=0),
        )
        async with before_another(*places) as here:
            status, _, _ = await here.call()
            assert status == 201
            assert len(here.there.offers) == 1

    run_in_virtual_time(main())


@pytest.mark.parametrize(
    ("query", "session", "param"),
    [
        ("retention=items%2Baudio&", None, "retention"),
        ("", {"tools": [{"type": "mcp", "server_label": "x"}]}, "session.tools"),
        ("", {"type": "transcription"}, "session.type"),
    ],
)
def test_what_a_direct_call_cannot_be_is_refused_before_anybody_is_asked(
    query: str, session: dict[str, Any] | None, param: str
) -> None:
    async def main() -> None:
        async with before_another() as here:
            status, _, told = await here.call(f"{query}model=gpt-realtime", session)
            assert (status, told["error"]["param"]) == (501, param)
            assert "WebSocket" in told["error"]["message"]
            assert not here.there.offers

    run_in_virtual_time(main())


@pytest.mark.parametrize(
    ("antiphon", "param"),
    [
        ({"hides": ["instructions"]}, "hides"),
        ({"client_events": ["response.create"]}, "client_events"),
        ({"wait_for_sideband_s": 5}, "wait_for_sideband_s"),
        ({}, None),
    ],
)
def test_a_secret_that_keeps_something_from_its_page_opens_none(
    antiphon: dict[str, Any], param: str | None
) -> None:
    async def main() -> None:
        async with before_another(key="ours") as here:
            session = {"type": "realtime", "model": "gpt-realtime", "instructions": "Hum."}
            body = {"session": session, "antiphon": antiphon}
            async with here.http.post("/v1/realtime/client_secrets", json=body) as minted:
                assert minted.status == 200, await minted.text()
                secret = (await minted.json())["value"]
            status, _, told = await here.call(key=secret)
            if param is None:
                assert status == 201
                assert here.there.offers[0][1]["instructions"] == "Hum."
            else:
                assert (status, told["error"]["param"]) == (501, param)

    run_in_virtual_time(main())
