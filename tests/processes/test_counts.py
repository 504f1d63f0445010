"""Limits, quotas and budgets hold over all processes together."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial

import msgspec
import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType
from hypothesis import given, settings
from hypothesis import strategies as st

from antiphon.limits.ledger import AnswerLedger, MessageLedger
from antiphon.limits.policy import Limits, Subject
from antiphon.metering.budgets import Budgets, LocalLedger, Reservation, Stages
from antiphon.metering.budgets import Limits as BudgetLimits
from antiphon.metering.lines import Account
from antiphon.processes.commons import ClaimsOfOne, Commons
from antiphon.processes.messages import Taken
from antiphon.processes.shared import LedgerOfAll, RatesOfAll
from antiphon.processes.switchboard import Line, Switchboard
from antiphon.server.settings import LimitSettings, ServerSettings
from antiphon.testing import in_virtual_time
from antiphon.testing.virtual_loop import run_in_virtual_time
from tests.processes.company import company
from tests.server.place import CONFIG, until

UPGRADE = {"Upgrade": "websocket"}
TENANT = Subject("tenant", "default")


@in_virtual_time
async def test_no_more_sessions_than_the_server_may_have_are_open_in_all() -> None:
    config = msgspec.structs.replace(CONFIG, server=ServerSettings(max_sessions=3))
    async with company(config=config) as firm:
        opened = [await firm.places[number % 2].join() for number in range(3)]
        for ws in opened:
            await until(ws, "session.created")
        for place in firm.places:
            told = await place.ask("GET", "/v1/realtime", headers=UPGRADE)
            assert (told.status, told.code) == (503, "server_overloaded")
        await opened[0].close(code=1000)
        await asyncio.sleep(1)
        await until(await firm.places[1].join(), "session.created")


@in_virtual_time
async def test_sessions_at_once_and_a_minute_are_counted_over_all() -> None:
    limits = LimitSettings(tenant=Limits(sessions_at_once=2, sessions_per_minute=4))
    async with company(config=msgspec.structs.replace(CONFIG, limits=limits)) as firm:
        here, there = firm.places
        first, second = await here.join(), await there.join()
        told = await there.ask("GET", "/v1/realtime", headers=UPGRADE)
        assert told.status == 429
        assert "2 sessions at once" in told.body["error"]["message"]
        for ws in (first, second):
            await ws.close(code=1000)
        await asyncio.sleep(0.1)
        for place in firm.places:
            ws = await place.join()
            await ws.close(code=1000)
        told = await here.ask("GET", "/v1/realtime", headers=UPGRADE)
        assert "4 new sessions a minute" in told.body["error"]["message"]


@in_virtual_time
async def test_the_places_of_a_process_that_died_are_free() -> None:
    config = msgspec.structs.replace(CONFIG, server=ServerSettings(max_sessions=1))
    async with company(config=config) as firm:
        here, there = firm.places
        await until(await here.join(), "session.created")
        told = await there.ask("GET", "/v1/realtime", headers=UPGRADE)
        assert told.status == 503
        firm.loses(firm.people[0])
        await until(await there.join(), "session.created")


@in_virtual_time
async def test_a_place_that_comes_too_late_for_who_asked_is_given_back() -> None:
    config = msgspec.structs.replace(CONFIG, server=ServerSettings(max_sessions=1))
    async with company(config=config) as firm:
        counts = firm.places[0].api.quotas.shared
        assert counts is not None
        asking = asyncio.create_task(counts.begin({}))
        await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait([asking])
        await asyncio.sleep(0.1)
        await until(await firm.places[1].join(), "session.created")


async def code_of_its_end(ws: ClientWebSocketResponse) -> int | None:
    while (await ws.receive()).type is WSMsgType.TEXT:
        pass
    return ws.close_code


@in_virtual_time
async def test_minutes_of_the_day_are_used_up_by_all_together() -> None:
    limits = LimitSettings(tenant=Limits(minutes_per_day=2))
    async with company(config=msgspec.structs.replace(CONFIG, limits=limits)) as firm:
        sockets = [await place.join() for place in firm.places]
        began_s = asyncio.get_running_loop().time()
        assert await asyncio.gather(*map(code_of_its_end, sockets)) == [1001, 1001]
        lasted_s = asyncio.get_running_loop().time() - began_s
        assert lasted_s == pytest.approx(60, abs=2), "two minutes, by two at once"


@dataclass
class Sender:
    """A client that sends whatever it is let, at one of several processes."""

    ledger: MessageLedger
    passed: int = 0

    async def send(self, who: dict[Subject, Limits], until_s: float) -> None:
        loop = asyncio.get_running_loop()
        while loop.time() < until_s:
            wait_s = self.ledger.take(who, 100, loop.time(), max_wait_s=5)
            if wait_s is None:
                await asyncio.sleep(0.5)
                continue
            await asyncio.sleep(wait_s)
            self.passed += loop.time() < until_s


@pytest.mark.parametrize("processes", [2, 4])
@pytest.mark.parametrize("per_s", [5, 50])
@in_virtual_time
async def test_messages_a_second_hold_within_one_percent_over_all(
    processes: int, per_s: int
) -> None:
    lasts_s, loop = 120.0, asyncio.get_running_loop()
    began_s = loop.time()
    senders = [Sender(MessageLedger()) for _ in range(processes)]
    shared: list[RatesOfAll] = []

    def tell_others(own: int, taken: Taken) -> None:
        for number, other in enumerate(shared):
            if number != own:  # As late as a bus that is busy.
                loop.call_later(0.005, other.heard, taken, loop.time())

    for number, sender in enumerate(senders):
        shared.append(RatesOfAll("messages", sender.ledger, partial(tell_others, number)))
    who = {TENANT: Limits(messages_per_second=per_s)}
    async with asyncio.TaskGroup() as tasks:
        for sender in senders:
            tasks.create_task(sender.send(who, began_s + lasts_s))
    passed, allowed = sum(sender.passed for sender in senders), per_s * lasts_s + per_s
    assert passed <= allowed * 1.01
    assert passed >= per_s * lasts_s * 0.9, "nor is it half of that"


@in_virtual_time
async def test_answers_a_minute_hold_over_all() -> None:
    loop = asyncio.get_running_loop()
    who = {TENANT: Limits(responses_per_minute=30, tokens_per_minute=600)}
    ledgers = [AnswerLedger() for _ in range(3)]
    shared: list[RatesOfAll] = []

    def tell_others(own: int, taken: Taken) -> None:
        for number, other in enumerate(shared):
            if number != own:
                loop.call_later(0.005, other.heard, taken, loop.time())

    for number, ledger in enumerate(ledgers):
        shared.append(RatesOfAll("answers", ledger, partial(tell_others, number)))
    began_s, answers = loop.time(), 0
    while loop.time() < began_s + 600:
        for ledger in ledgers:
            if ledger.ask(who, loop.time()) is None:
                answers += 1
                ledger.use(who, 40, loop.time())
            await asyncio.sleep(0.2)
    # 600 tokens a minute are 15 answers; the first minute's are there at once.
    assert 15 * 10 <= answers <= 15 * 11 * 1.01 + 1
    assert ledgers[0].left(who, loop.time())["tokens"].remaining < 600


class Purse:
    """A budget that several processes spend, by their stubs and the supervisor's bytes."""

    def __init__(self, limit: int, processes: int) -> None:
        self.ledger = LocalLedger(BudgetLimits(tenant_day=limit))
        commons = Commons(max_sessions=1, ledger=self.ledger)
        self.board = Switchboard(commons, lambda *_: False)
        self.lines = [self.board.joined(str(n), lambda _: None) for n in range(processes)]
        self.stubs = [self._stub(line) for line in self.lines]

    def _stub(self, line: Line) -> LedgerOfAll:
        ask = partial(self.board.carry_out, line)
        return LedgerOfAll(self.ledger.budgets, ask, ask)


ANSWERS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(1, 50), st.floats(0, 1), st.booleans()), max_size=60
)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(ANSWERS)
def test_a_budget_ends_at_most_one_reserved_turn_beyond_over_all(
    answers: list[tuple[int, int, float, bool]],
) -> None:
    async def spend() -> None:
        purse, limit, largest = Purse(300, 3), 300, 0
        open_ones: list[tuple[LedgerOfAll, Reservation, int]] = []
        for number, (process, worst, share, settles) in enumerate(answers):
            stub = purse.stubs[process]
            reservation = stub.reserve(Account(), f"sess_{process}", 0, worst)
            if reservation is not None:
                largest = max(largest, worst)
                open_ones.append((stub, reservation, int(worst * share)))
            if settles and open_ones:
                settler, which, cost = open_ones.pop(number % len(open_ones))
                settler.settle(which, cost)
            used = purse.stubs[0].room(Account(), "sess_0", 0)
            assert used is not None
            assert limit - used <= limit + largest

    run_in_virtual_time(spend())


@in_virtual_time
async def test_what_a_dead_process_had_reserved_can_be_spent_again() -> None:
    purse = Purse(100, 2)
    first, second = purse.stubs
    assert first.reserve(Account(), "sess_1", 0, 100) is not None
    assert second.reserve(Account(), "sess_2", 0, 1) is None
    purse.board.left(purse.lines[0])
    assert second.room(Account(), "sess_2", 0) == 100
    assert second.reserve(Account(), "sess_2", 0, 1) is not None


@in_virtual_time
async def test_what_was_spent_before_is_told_once_though_each_process_reads_it() -> None:
    purse = Purse(100, 2)
    for stub in purse.stubs:
        if names := stub.to_restore():
            stub.restore(Account(), "1970-01-01", 30, names)
    assert purse.stubs[1].room(Account(), "", 0) == 70


@in_virtual_time
async def test_new_budgets_hold_in_all_processes_once_each_has_said_so() -> None:
    purse = Purse(100, 2)
    assert [stub.to_restore() for stub in purse.stubs] == [("tenant_day",), ()]
    new = Budgets(everyone=BudgetLimits(tenant_day=40, user_day=10))
    for stub in purse.stubs:
        stub.use(new, Stages())
    assert [stub.to_restore() for stub in purse.stubs] == [("user_day",), ()]
    assert [stub.room(Account(), "", 0) for stub in purse.stubs] == [40, 40]
    assert purse.stubs[1].room(Account("default", "anna"), "", 0) == 10


def test_one_of_two_that_open_a_conversation_at_once_may() -> None:
    claimed: dict[str, object] = {}
    one, other = ClaimsOfOne(claimed), ClaimsOfOne(claimed)
    assert one.claim("conv_1")
    assert not other.claim("conv_1")
    other.release("conv_1")
    assert not other.claim("conv_1"), "it was not its to release"
    one.give_back()
    assert other.claim("conv_1")
