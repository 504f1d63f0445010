"""Budgets that act in the middle of a call, in virtual time."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType
from msgspec.structs import replace

from antiphon.core.causes import Cause, ClientSent, Tick
from antiphon.core.effects import Effect, Generate
from antiphon.core.terms import Terms
from antiphon.engines.relay.engine import RelayEngine
from antiphon.engines.relay.session import RelayRules, World
from antiphon.engines.relay.upstreams import Upstream
from antiphon.engines.scripted import Script, ScriptedEngine, Speak
from antiphon.engines.vad.energy import EnergyDetector
from antiphon.journal.memory import MemoryJournal
from antiphon.metering.budgets import Limits, LocalLedger
from antiphon.metering.lines import Account
from antiphon.metering.meter import Meter
from antiphon.metering.prices import Price, PriceTable
from antiphon.protocol.client import ResponseCreate
from antiphon.protocol.server import ResponseCreated, ResponseDone
from antiphon.runtime.budget_guard import BudgetGuard, Means
from antiphon.runtime.ledger_line import LedgerLine
from antiphon.server.budgets import budgets_of, stages_of
from antiphon.server.metering_settings import BudgetSettings, MeteringSettings, PriceSettings
from antiphon.server.settings import Config
from antiphon.server.wiring import Parts
from antiphon.testing import serving
from antiphon.testing.conformance.sound import SILENCE, VOICE
from antiphon.testing.virtual_call import VirtualCall
from antiphon.testing.virtual_loop import in_virtual_time

T = TypeVar("T")
ANSWER = Script(replies=((Speak(ms=1_000, text="Yes."),),))
GOODBYE = Script(replies=((Speak(ms=1_000, text="Goodbye."),),))
CENT = 10_000_000
AUDIO_TOKENS = 20
"""Of an answer of a second; each costs a cent with "dear", a tenth of it with "cheap"."""


def config(**budgets: Any) -> Config:
    return Config(
        models={"dear": "dear", "cheap": "cheap"},
        metering=MeteringSettings(
            prices=(
                PriceSettings(model="dear", text_in=0, text_out=0, audio_in=0, audio_out=10_000),
                PriceSettings(model="cheap", text_in=0, text_out=0, audio_in=0, audio_out=1_000),
                PriceSettings(model="farewell", minute=0),
            )
        ),
        budgets=BudgetSettings(**budgets),
    )


class Call:
    """A client that asks for one answer after the other."""

    def __init__(self, ws: ClientWebSocketResponse) -> None:
        self.ws = ws
        self.events: list[dict[str, Any]] = []
        self.closed: int | None = None

    async def ask(self, most: int = 30) -> dict[str, Any]:
        """What it cost; or the end of all."""
        await self.ws.send_json(
            {"type": "response.create", "response": {"max_output_tokens": most}}
        )
        return await self.until("antiphon.cost")

    async def until(self, kind: str) -> dict[str, Any]:
        while True:
            message = await self.ws.receive(timeout=120)
            if message.type is not WSMsgType.TEXT:
                self.closed = self.ws.close_code
                return {"type": "closed"}
            event = message.json()
            self.events.append(event)
            if event["type"] == kind:
                return event  # type: ignore[no-any-return]

    @property
    def stages(self) -> list[str]:
        return [e["stage"] for e in self.events if e["type"] == "antiphon.budget"]

    @property
    def said(self) -> str:
        return "".join(
            e["delta"] for e in self.events if e["type"].endswith("audio_transcript.delta")
        )


async def calling(http: ClientSession, query: str = "model=dear") -> Call:
    ws = await http.ws_connect(f"/v1/realtime?{query}")
    await ws.send_json(
        {"type": "session.update", "session": {"type": "realtime", "antiphon": {"cost": True}}}
    )
    call = Call(ws)
    await call.until("session.updated")
    return call


def engines() -> tuple[ScriptedEngine, ScriptedEngine]:
    return ScriptedEngine(ANSWER, name="dear"), ScriptedEngine(ANSWER, name="cheap")


def parts(**given: Any) -> Parts:
    return Parts(reciting=ScriptedEngine(GOODBYE, name="farewell"), **given)


class LateLine(LedgerLine):
    """To a ledger that answers after a while."""

    answers_at_once = False

    def _do(self, what: Callable[[], T], instead: T) -> Future[T]:
        del instead
        future: Future[T] = Future()
        loop = asyncio.get_running_loop()
        loop.call_later(0.05, lambda: future.set_result(what()))
        return future


def late(budgets: Config) -> LateLine:
    return LateLine(LocalLedger(budgets_of(budgets.budgets), stages_of(budgets.budgets)))


@pytest.mark.parametrize("is_late", [False, True])
def test_it_is_told_then_ends_with_words_and_a_clean_close(is_late: bool) -> None:
    spend_a_dollar(is_late=is_late)


@in_virtual_time
async def spend_a_dollar(*, is_late: bool) -> None:
    budgets = config(session=1.0, text_percent=100, cheaper_percent=100)
    there = parts(ledger=late(budgets)) if is_late else parts()
    async with (
        serving(*engines(), config=budgets, parts=there) as server,
        server.client() as http,
    ):
        call = await calling(http)
        while call.closed is None:
            await (call.until("nothing") if "end" in call.stages else call.ask())
        costs = [e["nano_usd"] for e in call.events if e["type"] == "antiphon.cost"]
        assert costs == [AUDIO_TOKENS * CENT] * 5 + [0], "a dollar, in answers of 20 cents"
        assert call.stages == ["tell", "end"]
        assert call.said.endswith("Yes.Goodbye.")
        assert call.closed == 1000
        [error] = [e["error"] for e in call.events if e["type"] == "error"]
        assert error["code"] == "budget_exceeded"
        last = [e for e in call.events if e["type"] == "response.done"][-1]["response"]
        assert last["status"] == "completed"


@in_virtual_time
async def test_a_cheaper_engine_goes_on_and_then_no_voice() -> None:
    budgets = config(
        session=1.0, tell_percent=40, cheaper_percent=60, text_percent=66, cheaper_model="cheap"
    )
    async with (
        serving(*engines(), config=budgets, parts=parts()) as server,
        server.client() as http,
    ):
        call = await calling(http)
        for _ in range(6):
            await call.ask()
        costs = [e["nano_usd"] // CENT for e in call.events if e["type"] == "antiphon.cost"]
        assert costs[:6] == [20, 20, 20, 2, 2, 2], "after 60 cents, the cheaper one"
        assert call.stages == ["tell", "cheaper"]
        done = [e["response"] for e in call.events if e["type"] == "response.done"]
        assert all(response["status"] == "completed" for response in done)
        await call.ask()
        assert call.stages == ["tell", "cheaper", "text"]
        last = [e["response"] for e in call.events if e["type"] == "response.done"][-1]
        assert last["output"][0]["content"][0]["type"] == "output_text"
        await call.ws.close()


@in_virtual_time
async def test_two_sessions_of_a_tenant_share_what_there_is() -> None:
    budgets = config(tenant_day=1.0, text_percent=100, cheaper_percent=100)
    async with (
        serving(*engines(), config=budgets, parts=parts()) as server,
        server.client() as http,
    ):
        one, other = await calling(http), await calling(http)
        for _ in range(2):
            await asyncio.gather(one.ask(), other.ask())
        await one.ask()
        assert "end" not in one.stages
        await other.ask()
        assert other.stages[-1] == "end"
        await other.until("nothing")
        assert other.closed == 1000


def test_what_was_spent_is_known_after_a_restart() -> None:
    journal = MemoryJournal()
    budgets = config(tenant_day=1.0, text_percent=100, cheaper_percent=100)

    @in_virtual_time
    async def life(answers: int) -> list[str]:
        served = serving(*engines(), config=budgets, parts=parts(journal=journal))
        async with served as server, server.client() as http:
            call = await calling(http)
            for _ in range(answers):
                await call.ask()
            await call.ws.close()
            return call.stages

    assert life(4) == ["tell"]
    assert life(1) == ["tell"], "a dollar's last answer"
    assert life(1) == ["end"]


@in_virtual_time
async def test_a_beside_answer_is_refused_and_cuts_nobody_off() -> None:
    budgets = config(session=0.2, text_percent=100, cheaper_percent=100)
    async with (
        serving(*engines(), config=budgets, parts=parts()) as server,
        server.client() as http,
    ):
        call = await calling(http)
        await call.ask()
        beside = {"conversation": "none", "metadata": {"mine": "1"}}
        await call.ws.send_json({"type": "response.create", "response": beside})
        done = await call.until("response.done")
        assert done["response"]["metadata"] == {"mine": "1"}
        error = done["response"]["status_details"]["error"]
        assert (done["response"]["status"], error["code"]) == ("failed", "budget_exceeded")
        assert "end" not in call.stages
        await call.ws.close()


@in_virtual_time
async def test_one_that_is_paid_by_the_minute_is_ended_unasked() -> None:
    metering = MeteringSettings(prices=(PriceSettings(model="dear", minute=1.0),))
    budgets = Config(
        models={"dear": "dear"}, metering=metering, budgets=BudgetSettings(session=1.0)
    )
    silence = base64.b64encode(bytes(48_000)).decode()
    async with (
        serving(*engines(), config=budgets, parts=parts()) as server,
        server.client() as http,
    ):
        call = await calling(http)
        for _ in range(61):
            await call.ws.send_json({"type": "input_audio_buffer.append", "audio": silence})
            await asyncio.sleep(1)
        await call.until("nothing")
        assert call.closed == 1000
        assert call.said == "Goodbye."
        [spent] = [e["nano_usd"] for e in call.events if e.get("kind") == "time"]
        assert 10**9 <= spent < 1.02 * 10**9


@in_virtual_time
async def test_without_a_farewell_it_ends_all_the_same() -> None:
    budgets = config(session=0.1, text_percent=100, cheaper_percent=100)
    async with serving(*engines(), config=budgets) as server, server.client() as http:
        call = await calling(http)
        await call.ask()
        await call.ask()
        assert call.closed == 1000
        assert call.stages == ["end"]


class Asked:
    """Counts, at the upstream, how often it was told to answer."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, terms: Terms) -> Asked:
        del terms
        return self

    def saw(self, now_ms: int, cause: Cause, effects: Sequence[Effect]) -> None:
        del now_ms, effects
        self.count += isinstance(cause, ClientSent) and isinstance(cause.event, ResponseCreate)

    def close(self) -> None: ...


def test_an_upstream_that_begins_is_asked_while_there_is_still_room_for_two() -> None:
    """Two answers of its own; then each is asked for, the last one with what was left."""
    worst = 4_096 * 0.01
    for session, own in ((0.5, 1), (2 * worst + 0.3, 2), (3 * worst, 4)):
        asked = Asked()

        @in_virtual_time
        async def talk(session: float = session, asked: Asked = asked) -> Call:
            there = Parts(detector=EnergyDetector(), observers=[asked])
            budgets = config(session=session, text_percent=100, cheaper_percent=100)
            budgets = replace(budgets, models={"dear": "relay"})
            async with serving(ScriptedEngine(ANSWER), parts=there) as upstream:
                relay = RelayEngine(
                    Upstream(url="ws://localhost/v1/realtime"),
                    rules=RelayRules(turn_detection="duplex"),
                    world=World(lambda: 1.0),
                    make_connector=upstream.make_connector,
                )
                async with (
                    serving(relay, config=budgets, parts=parts()) as server,
                    server.client() as http,
                ):
                    call = await calling(http)
                    reading = asyncio.create_task(call.until("nothing"))
                    for _ in range(4):
                        for chunk in (*[VOICE] * 30, *[SILENCE] * 60):
                            if not call.ws.closed:
                                await call.ws.send_str(chunk)
                            await asyncio.sleep(0.02)
                        await asyncio.sleep(2)
                    reading.cancel()
                    await asyncio.gather(reading, return_exceptions=True)
                    return call

        call = talk()
        kinds = [e["type"] for e in call.events]
        spent = sum(e["nano_usd"] for e in call.events if e["type"] == "antiphon.cost")
        if own == 4:
            assert kinds.count("response.done") == 4
            assert (asked.count, kinds.count("session.updated")) == (0, 1), "there was always room"
            continue
        asks_from = kinds.index("session.updated", kinds.index("response.done"))
        assert kinds[:asks_from].count("response.done") == own, "so many were its own"
        assert asked.count == 2, "the others were asked for"
        assert spent < (session + 0.2) * 10**9, "at most one turn beyond"
        if own == 1:
            assert call.stages[-1] == "end"
            assert (spent, call.said) == (60 * CENT, "Yes." * 3 + "Goodbye.")


class Alone:
    """A session of which nothing is asked."""

    id = "sess_test"
    engine = ScriptedEngine(ANSWER, name="dear")

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name}: there is room enough")


def test_further_rounds_of_an_answer_are_reserved_for_until_its_line_has_them_all() -> None:
    """The engine is asked again, under other names, after functions that the server carried out."""
    call = VirtualCall()
    prices = PriceTable([Price(model="test", text_in=1, text_out=1_000_000_000)])
    ledger = LocalLedger(Limits(session=CENT))
    meter = Meter(call.terms, Account(), prices, conversation_id="conv_1")
    guard = BudgetGuard(Alone(), meter, prices, LedgerLine(ledger), Means())
    call.client(ResponseCreate())
    [created] = [e for e in call.take() if isinstance(e, ResponseCreated)]
    meter.saw(0, Tick(), [created])
    name = created.response.id
    for each in (name, "round_2", "round_3"):
        assert guard.admits(Generate(response_id=each, items=(), max_output_tokens=1))
    who = (Account(), "sess_test", meter.at_ms)
    room = ledger.room(*who)
    assert room is not None
    assert room < CENT - 3_000
    done = ResponseDone(event_id="e", response=created.response)
    [line] = meter.saw(1, Tick(), [done])
    guard.charged(line)
    assert ledger.room(*who) == CENT - line.nano
