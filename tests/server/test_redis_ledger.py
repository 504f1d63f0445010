"""Budgets of two servers in a real Redis: the laws of one ledger, and what holds without Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("redis", reason="the extra 'redis' is not installed")

from redis import Redis

from antiphon.metering.budgets import Budgets, Limits, LocalLedger, Reservation, Stages
from antiphon.metering.lines import Account
from antiphon.runtime.ledger_line import FarLedgerLine, known
from antiphon.server.redis_ledger import AWAY_S, TIMEOUT_S, RedisLedger
from tests.server.redis_server import PROGRAM, RedisServer

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="there is no redis-server on this machine")
ANNA = Account("default", "anna")
DAY = "1970-01-01"
ANSWERS = st.lists(
    st.tuples(st.integers(0, 1), st.integers(1, 50), st.floats(0, 1), st.booleans()), max_size=30
)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.kill()


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def ledgers(
    redis: RedisServer, limits: Limits, clock: Clock | None = None
) -> tuple[RedisLedger, RedisLedger]:
    """Of two servers; nothing is left of others."""
    client: Any = Redis.from_url(redis.url)
    client.flushall()
    client.close()
    return another(redis, limits, clock), another(redis, limits, clock)


def another(redis: RedisServer, limits: Limits, clock: Clock | None = None) -> RedisLedger:
    return RedisLedger(redis.url, LocalLedger(limits, Stages()), now_s=clock or Clock())


@settings(derandomize=True, max_examples=40, deadline=None)
@given(ANSWERS)
def test_a_budget_ends_at_most_one_reserved_turn_beyond_over_both(
    running: RedisServer, answers: list[tuple[int, int, float, bool]]
) -> None:
    both, limit, largest = ledgers(running, Limits(tenant_day=300)), 300, 0
    open_ones: list[tuple[RedisLedger, Reservation, int]] = []
    for number, (which, worst, share, settles) in enumerate(answers):
        ledger = both[which]
        reservation = ledger.reserve(Account(), f"sess_{which}", 0, worst)
        if reservation is not None:
            largest = max(largest, worst)
            open_ones.append((ledger, reservation, int(worst * share)))
        if settles and open_ones:
            settler, held, cost = open_ones.pop(number % len(open_ones))
            settler.settle(held, cost)
        rooms = [each.room(Account(), "sess", 0) for each in both]
        assert rooms[0] == rooms[1]
        assert rooms[0] is not None
        assert limit - rooms[0] <= limit + largest


def test_what_one_spends_the_other_sees_and_stages_are_of_both(running: RedisServer) -> None:
    one, other = ledgers(running, Limits(user_day=100, session=50))
    held = one.reserve(ANNA, "s", 0, 70)
    assert held is not None
    assert other.room(ANNA, "t", 0) == 30
    one.settle(held, 85)
    standing = other.standing(ANNA, "t", 0)
    assert (standing.stage, standing.scope, standing.spent) == ("tell", "user", 85)
    assert other.reserve(ANNA, "t", 0, 40) is not None
    assert one.reserve(ANNA, "u", 0, 1) is None
    assert one.reserve(Account("default", "bob"), "v", 0, 1) is not None
    one.forget("s")
    assert [pot.spent + pot.reserved for pot in other.pots(0)] == [125]


def test_what_was_spent_before_is_restored_once_by_whoever_comes_first(
    running: RedisServer,
) -> None:
    limits = Limits(tenant_month=100)
    for ledger in ledgers(running, limits):
        names = ledger.to_restore()
        assert names == ("tenant_month",)
        ledger.restore(ANNA, DAY, 30, names)
    assert another(running, limits).room(ANNA, "s", 0) == 70


def test_new_budgets_are_counted_by_both(running: RedisServer) -> None:
    one, other = ledgers(running, Limits(tenant_day=100))
    assert one.reserve(ANNA, "s", 0, 10) is not None
    for ledger in (one, other):
        ledger.use(Budgets(everyone=Limits(tenant_day=15)), Stages())
    assert [each.room(ANNA, "s", 0) for each in (one, other)] == [5, 5]


def test_while_redis_is_away_each_goes_by_what_it_knows_and_tells_it_later(
    tmp_path: Path,
) -> None:
    redis, clock, limits = RedisServer(tmp_path), Clock(), Limits(tenant_day=100)
    one, other = ledgers(redis, limits, clock)
    held = one.reserve(ANNA, "s", 0, 40)
    assert held is not None
    assert other.room(ANNA, "t", 0) == 60
    redis.pause()
    one.settle(held, 40)
    assert one.room(ANNA, "s", 0) == 60, "its own"
    assert other.room(ANNA, "t", 0) == 100, "it spent nothing"
    late = other.reserve(ANNA, "t", 0, 10)
    assert late is not None
    redis.go_on()
    assert other.room(ANNA, "t", 0) == 90, "it is not asked again at once"
    clock.now_s += AWAY_S
    other.settle(late, 10)
    assert one.room(ANNA, "s", 0) == 50
    assert other.room(ANNA, "t", 0) == 50
    redis.kill()


def test_a_redis_that_has_forgotten_all_is_told_what_is_known(tmp_path: Path) -> None:
    redis, clock, limits = RedisServer(tmp_path), Clock(), Limits(tenant_day=100)
    one, other = ledgers(redis, limits, clock)
    held = one.reserve(ANNA, "s", 0, 40)
    assert held is not None
    one.settle(held, 40)
    redis.kill()
    assert one.room(ANNA, "s", 0) == 60
    redis.start()
    clock.now_s += AWAY_S
    assert one.room(ANNA, "s", 0) == 60
    assert other.room(ANNA, "t", 0) == 60
    redis.kill()


async def test_while_redis_hangs_no_event_loop_waits_for_it(tmp_path: Path) -> None:
    redis, clock, limits = RedisServer(tmp_path), Clock(), Limits(tenant_day=100)
    one, other = ledgers(redis, limits, clock)
    line = FarLedgerLine(one)
    entry = await known(line.enter(ANNA, "s", 0, 40))
    assert entry.reservation is not None
    redis.pause()
    loop = asyncio.get_running_loop()
    longest_s, last_s = 0.0, loop.time()
    line.settle(entry.reservation, 40)
    late = line.enter(ANNA, "s", 0, 20)
    while not late.done() or not longest_s:
        await asyncio.sleep(0.005)
        longest_s, last_s = max(longest_s, loop.time() - last_s), loop.time()
    assert longest_s < TIMEOUT_S / 2, "who waits for Redis stands still for all of it"
    reservation = late.result().reservation
    assert reservation is not None, "by what this server knows"
    redis.go_on()
    clock.now_s += AWAY_S
    line.settle(reservation, 10)
    assert await known(line.room(ANNA, "s", 0)) == 50
    assert other.room(ANNA, "t", 0) == 50
    line.close()
    redis.kill()
