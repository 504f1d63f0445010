"""A ledger that is waited for, and the sessions and servers that do not wait for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from antiphon.core.causes import Tick
from antiphon.core.effects import Generate
from antiphon.engines.scripted import Script, ScriptedEngine, Speak
from antiphon.metering.budgets import Limits, LocalLedger, Reservation
from antiphon.metering.lines import Account
from antiphon.metering.meter import Meter
from antiphon.metering.prices import Price, PriceTable
from antiphon.protocol.client import ResponseCreate
from antiphon.protocol.server import ResponseCreated, ResponseDone
from antiphon.runtime import ledger_line
from antiphon.runtime.budget_guard import BudgetGuard, Means
from antiphon.runtime.ledger_line import FarLedgerLine, LedgerLine, known, when_known
from antiphon.testing.virtual_call import VirtualCall

WHO = (Account(), "sess_1", 0)


class HeldUp(LocalLedger):
    """Answers nobody until it is let go."""

    def __init__(self, limits: Limits) -> None:
        super().__init__(limits)
        self.go = threading.Event()

    def standing(self, *who: Any) -> Any:
        self.go.wait(10)
        return super().standing(*who)


@contextmanager
def far(limits: Limits) -> Iterator[tuple[HeldUp, FarLedgerLine]]:
    ledger = HeldUp(limits)
    line = FarLedgerLine(ledger)
    try:
        yield ledger, line
    finally:
        ledger.go.set()
        line.close()


def test_of_a_ledger_in_memory_all_is_known_at_once_and_without_a_loop() -> None:
    line = LedgerLine(LocalLedger(Limits(session=100)))
    entry = line.enter(*WHO, 70).result(0)
    assert entry.reservation is not None
    told: list[int | None] = []
    when_known(line.room(*WHO), told.append)
    line.settle(entry.reservation, 10)
    when_known(line.room(*WHO), told.append)
    assert told == [30, 90]


async def test_nobody_waits_for_a_ledger_that_does_not_answer_and_order_is_kept() -> None:
    with far(Limits(session=100)) as (ledger, line):
        first = line.enter(*WHO, 70)
        line.forget("sess_other")
        room = line.room(*WHO)
        for _ in range(100):  # The loop goes on.
            await asyncio.sleep(0)
        assert not first.done()
        assert not room.done()
        ledger.go.set()
        assert (await known(first)).reservation is not None
        assert await known(room) == 30


async def test_of_too_many_questions_the_last_ones_are_answered_without_it(
    monkeypatch: Any, caplog: Any
) -> None:
    monkeypatch.setattr(ledger_line, "MAX_WAITING", 2)
    with far(Limits(session=100)) as (ledger, line):
        waiting = [line.standing(*WHO) for _ in range(2)]
        entries = [line.enter(*WHO, 70).result(0) for _ in range(2)]
        assert [entry.reservation for entry in entries] == [Reservation(0, 70, ())] * 2
        assert caplog.text.count("what more is spent is lost") == 1
        ledger.go.set()
        for each in waiting:
            await known(each)
        assert await known(line.room(*WHO)) == 100


async def test_whoever_asks_after_the_end_is_not_held_up() -> None:
    with far(Limits(session=100)) as (_, line):
        line.close()
        assert line.enter(*WHO, 70).result(0).reservation is not None


# --- A session's guard -------------------------------------------------------


class Later(LedgerLine):
    """Says what it is asked when it is told to."""

    answers_at_once = False

    def __init__(self, limits: Limits) -> None:
        self.ledger = LocalLedger(limits)
        super().__init__(self.ledger)
        self.waiting: list[tuple[Future[Any], Any]] = []

    def _do(self, what: Any, instead: Any) -> Future[Any]:
        del instead
        future: Future[Any] = Future()
        self.waiting.append((future, what))
        return future

    async def answer(self) -> None:
        while self.waiting:
            future, what = self.waiting.pop(0)
            future.set_result(what())
            await asyncio.sleep(0)


class Session:
    id = "sess_test"
    engine = ScriptedEngine(Script(replies=((Speak(ms=1_000, text="Yes."),),)), name="dear")

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.told: list[Any] = []

    def ask(self, command: Generate) -> None:
        self.asked.append(command.response_id)

    def tell(self, cause: Any) -> None:
        self.told.append(cause)

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name}: there is room enough")


class Guarded:
    """A session whose ledger is far away, and a client that has asked for an answer."""

    def __init__(self, limit: int = 10_000_000) -> None:
        self.call = VirtualCall()
        prices = PriceTable([Price(model="test", text_in=1, text_out=1_000_000_000)])
        self.line = Later(Limits(session=limit))
        self.meter = Meter(self.call.terms, Account(), prices, conversation_id="conv_1")
        self.session = Session()
        self.guard = BudgetGuard(self.session, self.meter, prices, self.line, Means())

    def begin(self) -> ResponseCreated:
        self.call.client(ResponseCreate())
        [created] = [e for e in self.call.take() if isinstance(e, ResponseCreated)]
        self.meter.saw(0, Tick(), [created])
        return created

    def end(self, created: ResponseCreated) -> None:
        done = ResponseDone(event_id="e", response=created.response)
        lines = self.meter.saw(1, Tick(), [done])
        self.guard.answered(done.response)
        for line in lines:
            self.guard.charged(line)

    @property
    def reserved(self) -> int:
        room = self.line.ledger.room(Account(), "sess_test", self.meter.at_ms)
        assert room is not None
        return 10_000_000 - room


def generate(name: str) -> Generate:
    return Generate(response_id=name, items=(), max_output_tokens=1)


async def test_an_answer_is_held_back_until_the_ledger_has_said_yes() -> None:
    it = Guarded()
    name = it.begin().response.id
    assert not it.guard.admits(generate(name))
    assert not it.guard.admits(generate(name)), "asked again, of another engine"
    assert it.session.asked == []
    await it.line.answer()
    assert it.session.asked == [name], "once"
    assert it.guard.admits(generate(name)), "as the session asks its guards again"


async def test_one_that_is_over_before_that_is_not_asked_for_and_its_money_is_free() -> None:
    it = Guarded()
    created = it.begin()
    assert not it.guard.admits(generate(created.response.id))
    assert not it.guard.admits(generate("round_2"))
    it.end(created)
    await it.line.answer()
    assert it.session.asked == []
    assert it.reserved == 0


async def test_what_was_asked_while_the_user_spoke_lets_the_answer_begin_at_once() -> None:
    it = Guarded()
    it.guard.ask_ahead()
    it.guard.ask_ahead()
    await it.line.answer()
    created = it.begin()
    assert it.guard.admits(generate(created.response.id))
    it.end(created)
    await it.line.answer()
    assert it.reserved == 0


async def test_what_was_asked_ahead_is_given_back_where_the_answer_may_cost_more() -> None:
    it = Guarded()
    it.guard.admits(generate("resp_before"))
    await it.line.answer()
    before = it.reserved
    it.guard.ask_ahead()  # For about as much.
    await it.line.answer()
    ahead = it.reserved - before
    name = it.begin().response.id
    long = Generate(response_id=name, items=(), max_output_tokens=1_000)
    assert not it.guard.admits(long), "it is asked for anew"
    await it.line.answer()
    assert it.session.asked[-1] == name
    assert it.reserved - before > 100 * ahead > 0


async def test_where_the_user_said_nothing_what_was_asked_ahead_is_given_back() -> None:
    it = Guarded()
    it.guard.ask_ahead()
    it.guard.nothing_said()
    await it.line.answer()
    assert it.reserved == 0


async def test_a_session_that_has_ended_gives_back_what_it_hears_of_late() -> None:
    it = Guarded()
    it.guard.ask_ahead()
    it.guard.close()
    await it.line.answer()
    assert it.session.asked == []
    assert it.reserved == 0
