"""Limits as clients meet them: at the door, on the wire, and at the end of the day."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec
import pytest
from aiohttp import ClientWebSocketResponse, web

from antiphon.limits.policy import Limits
from antiphon.protocol.closes import CloseCode
from antiphon.server.api_errors import ApiError
from antiphon.server.auth import Gate, Visitor
from antiphon.server.lateness import (
    MIN_TICKS,
    TICK_S,
    TICKS_PER_SECOND,
    WINDOW_TICKS,
    Lateness,
)
from antiphon.server.quotas import MAX_REFUSED
from antiphon.server.secret import Secret
from antiphon.server.settings import AuthSettings, LimitSettings
from antiphon.testing import VirtualTimeLoop
from tests.server.place import CONFIG, KEY, Place, places, until

KEYS = "/v1/antiphon/keys"
Limited = Callable[..., AbstractAsyncContextManager[Place]]


def limited(**limits: Any) -> AbstractAsyncContextManager[Place]:
    settings = LimitSettings(**limits)
    return places(config=msgspec.structs.replace(CONFIG, limits=settings))


async def key_of(place: Place, **wish: Any) -> str:
    told = await place.ask("POST", KEYS, json={"name": "k"} | wish)
    value: str = told.body["value"]
    return value


async def opened(place: Place, key: str = KEY, **headers: str) -> ClientWebSocketResponse:
    ws = await place.join(key=key, headers=headers)
    await until(ws, "session.created")
    return ws


async def refused(place: Place, key: str = KEY, user: str | None = None) -> tuple[str, int]:
    """What it is told, and when to try again."""
    headers = {"Upgrade": "websocket"} | ({"OpenAI-Safety-Identifier": user} if user else {})
    told = await place.ask("GET", "/v1/realtime?model=test", key=key, headers=headers)
    assert told.status == 429, told
    assert told.code == "rate_limit_exceeded"
    return told.body["error"]["message"], int(told.headers["Retry-After"])


async def test_sessions_at_once_are_a_tenants_and_a_users() -> None:
    async with limited(
        tenants={"acme": Limits(sessions_at_once=2)}, user=Limits(sessions_at_once=1)
    ) as place:
        acme, other = await key_of(place, tenant="acme"), await key_of(place, tenant="other")
        anna = await opened(place, acme, **{"OpenAI-Safety-Identifier": "anna"})
        told, after_s = await refused(place, acme, user="anna")
        assert "The limit of this user is 1 sessions at once" in told
        assert after_s == 5
        second = await opened(place, acme)
        assert "The limit of this tenant is 2 sessions at once" in (await refused(place, acme))[0]
        free = [await opened(place, other), await opened(place)]
        session = next(iter(place.hub.sessions))
        await anna.close()
        await session.ended()
        again = await opened(place, acme)
        for ws in (second, again, *free):
            await ws.close()


async def test_a_plan_is_the_keys() -> None:
    plans = {"one": Limits(sessions_per_minute=1)}
    async with limited(plans=plans, key=Limits(sessions_per_minute=2)) as place:
        one, usual = await key_of(place, limits="one"), await key_of(place, limits="lost")
        await (await opened(place, one)).close()
        told, after_s = await refused(place, one)
        assert "The limit of this key is 1 new sessions a minute" in told
        assert 0 < after_s <= 60
        for _ in range(2):
            await (await opened(place, usual)).close()
        await refused(place, usual)
        await (await opened(place)).close()


APPEND = {"type": "input_audio_buffer.append", "audio": "AAAA" * 100}


async def test_what_comes_too_fast_is_slowed_and_nothing_is_lost() -> None:
    async with limited(address=Limits(messages_per_second=50)) as place:
        ws = await opened(place)
        loop = asyncio.get_running_loop()
        begins_s = loop.time()
        for _ in range(80):
            await ws.send_json({"type": "input_audio_buffer.clear"})
        for _ in range(80):
            await until(ws, "input_audio_buffer.cleared")
        assert loop.time() - begins_s > 0.5
        await ws.close()


async def test_one_message_that_is_far_above_the_rate_is_refused_by_name() -> None:
    async with limited(key=Limits(bytes_per_second=100)) as place:
        key = await key_of(place)
        ws = await opened(place, key)
        await ws.send_json(APPEND | {"event_id": "mine", "audio": "AAAA" * 1000})
        error = (await until(ws, "error"))["error"]
        assert (error["code"], error["event_id"]) == ("rate_limit_exceeded", "mine")
        await ws.send_json({"type": "input_audio_buffer.clear"})
        await until(ws, "input_audio_buffer.cleared")
        for _ in range(MAX_REFUSED):
            await ws.send_json(APPEND | {"audio": "AAAA" * 1000})
        while not ws.closed:
            await ws.receive(timeout=60)
        assert ws.close_code == CloseCode.NOT_SERVED
        free = await opened(place)
        await free.send_json(APPEND | {"audio": "AAAA" * 1000})
        await free.send_json({"type": "input_audio_buffer.clear"})
        await until(free, "input_audio_buffer.cleared")
        await free.close()


async def test_the_minutes_of_a_day_end_a_session_after_a_warning() -> None:
    async with limited(key=Limits(minutes_per_day=2)) as place:
        key = await key_of(place)
        ws = await opened(place, key)
        quotas = place.api.quotas
        quotas.pass_time(59)
        quotas.pass_time(2)
        quotas.pass_time(2)
        error = (await until(ws, "error"))["error"]
        assert error["code"] == "minutes_nearly_used"
        assert "ends in 59 s" in error["message"]
        quotas.pass_time(60)
        assert (await ws.receive(timeout=60)).data == CloseCode.GOING_AWAY, "one warning alone"
        told, after_s = await refused(place, key)
        assert "2 minutes a day" in told
        assert 0 < after_s <= 24 * 60 * 60


# --- Wrong keys --------------------------------------------------------------


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    async with places() as place:
        yield place


async def test_many_wrong_keys_make_an_address_wait_and_hurt_no_neighbour(place: Place) -> None:
    neighbour = await key_of(place)
    assert (await place.ask("GET", "/v1/models", key=neighbour)).status == 200
    told = [await place.ask("GET", "/v1/models", key=f"ak_guess{at}") for at in range(25)]
    assert [each.status for each in told] == [401] * 20 + [429] * 5
    assert 0 < int(told[-1].headers["Retry-After"]) <= 4
    for guess in ("ek_guess", "eyJh.e30.x", "sesame"):
        assert (await place.ask("GET", "/v1/models", key=guess)).status == 429
    headers = {"Upgrade": "websocket"}
    tried = await place.ask("GET", "/v1/realtime", key="ek_guess", headers=headers)
    assert tried.status == 429
    for known in (neighbour, KEY):
        assert (await place.ask("GET", "/v1/models", key=known)).status == 200
    new = await key_of(place)
    assert (await place.ask("GET", "/v1/models", key=new)).status == 200, "nobody guesses those"
    await (await opened(place, (await place.mint())["value"])).close()
    health = (await place.ask("GET", "/healthz")).body
    assert (health["keys_refused"], health["slowed_down"]) == (20, 9)


async def test_a_key_of_the_settings_is_not_even_looked_at_while_an_address_guesses() -> None:
    """It may be short; and the answer must not tell."""
    now = [0.0]
    gate = Gate([Secret("sesame")], now_s=lambda: now[0])
    guesser, friend = Visitor(address="203.0.113.7"), Visitor(address="203.0.113.8")

    async def shows(visitor: Visitor, key: str) -> int:
        try:
            await gate.principal(msgspec.structs.replace(visitor, key=Secret(key)))
        except ApiError as refused:
            return refused.status
        return 200

    for at in range(20):
        assert await shows(guesser, f"guess{at}") == 401
        gate.note_guess(guesser.address)
    assert await shows(guesser, "sesame") == 429
    assert await shows(friend, "sesame") == 200
    now[0] += 3
    assert await shows(guesser, "sesame") == 200
    gate.note_guess(guesser.address)
    assert await shows(guesser, "sesame") == 200, "it was good here before"
    assert await shows(guesser, "simsim") == 429


async def test_a_server_that_wants_keys_lets_nobody_in_before_there_is_one() -> None:
    config = msgspec.structs.replace(CONFIG, auth=AuthSettings(required=True))
    async with places(config=config) as place:
        assert (await place.ask("GET", "/v1/models", key=None)).status == 401


# --- Lateness ----------------------------------------------------------------


def test_lateness_is_of_the_last_seconds_and_one_hiccup_is_none() -> None:
    lateness = Lateness()
    for _ in range(MIN_TICKS - 1):
        lateness.note(50)
    assert lateness.p99_ms == 0, "too few to say"
    lateness.note(50)
    assert lateness.p99_ms == 50
    for _ in range(WINDOW_TICKS):
        lateness.note(1)
    lateness.note(900)
    assert lateness.p99_ms == 1
    for _ in range(10):
        lateness.note(30)
    assert lateness.p99_ms == 30


def test_the_worst_of_three_seconds_is_fresh() -> None:
    lateness = Lateness()
    for late_ms in (2, 40, 3, 4):
        for _ in range(TICKS_PER_SECOND):
            lateness.note(late_ms)
        lateness.end_second(0.25)
    assert lateness.busy_share == 0.25
    assert lateness.fresh_ms == 40
    lateness.note(1)
    lateness.end_second(0.5)
    assert lateness.fresh_ms == 4


def test_what_is_due_together_is_late_by_all_of_it() -> None:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, VirtualTimeLoop)
        lateness = Lateness(busy_s=lambda: loop.time() / 4)

        async def work() -> None:
            """Of 3 ms, with each fourth tick, and just behind it."""
            due_s = loop.time()
            while True:
                due_s += 4 * TICK_S
                await asyncio.sleep(max(0.0, due_s - loop.time()) + 1e-10)
                loop.advance(0.003)

        async def story() -> None:
            running = lateness.running(web.Application())
            await anext(running)
            working = asyncio.create_task(work())
            await asyncio.sleep(3.1)
            working.cancel()
            await anext(running, None)

        runner.run(story())
    assert lateness.fresh_ms == pytest.approx(3, abs=0.1)
    assert lateness.busy_share == pytest.approx(0.25)


async def answered(ws: ClientWebSocketResponse) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The answer, and what is told of limits until it has ended."""
    await ws.send_json({"type": "response.create"})
    told: list[dict[str, Any]] = []
    while True:
        event = await ws.receive_json(timeout=60)
        if event["type"] == "rate_limits.updated":
            told.append({one["name"]: one for one in event["rate_limits"]})
        if event["type"] == "response.done":
            break
    done: dict[str, Any] = event["response"]
    return done, told


async def test_what_is_told_of_limits_is_what_holds() -> None:
    limits = {
        "plans": {"free": Limits(responses_per_minute=2)},
        "tenant": Limits(responses_per_minute=50, tokens_per_minute=240),
    }
    async with limited(**limits) as place:
        free = await key_of(place, tenant="acme", limits="free")
        rich = await key_of(place, tenant="acme")
        ws, other = await opened(place, free), await opened(place, rich)
        first, told = await answered(ws)
        assert first["status"] == "completed"
        assert told[0]["requests"]["limit"] == 2
        assert told[0]["requests"]["remaining"] == 1
        assert 0 < told[0]["requests"]["reset_seconds"] <= 30
        assert told[0]["tokens"] | {"reset_seconds": 0} == {
            "name": "tokens",
            "limit": 240,
            "remaining": 240,
            "reset_seconds": 0,
        }
        _, told = await answered(other)
        used = first["usage"]["total_tokens"]
        assert told[0]["requests"]["limit"] == 50
        assert told[0]["requests"]["remaining"] == 48, "the tenant's other key has asked too"
        assert 240 - used <= told[0]["tokens"]["remaining"] < 240
        assert (await answered(ws))[0]["status"] == "completed"
        refused, told = await answered(ws)
        error = refused["status_details"]["error"]
        assert (refused["status"], error["code"], error["type"]) == (
            "failed",
            "rate_limit_exceeded",
            "requests",
        )
        assert (await answered(other))[0]["status"] == "completed"
        await ws.close()
        await other.close()


async def test_tokens_that_an_answer_used_hold_up_the_next() -> None:
    async with limited(key=Limits(tokens_per_minute=1)) as place:
        ws = await opened(place, await key_of(place))
        assert (await answered(ws))[0]["status"] == "completed"
        refused, _ = await answered(ws)
        assert refused["status_details"]["error"]["type"] == "tokens"
        await ws.close()
