from __future__ import annotations

import asyncio

import pytest

from antiphon.transports.rtp.clock import (
    MAX_CATCH_UP_SLOTS,
    PHASES,
    SLOT_S,
    PacingClock,
    Schedule,
)

STEP_S = SLOT_S / PHASES


def test_each_step_is_due_once_and_in_time() -> None:
    schedule = Schedule(100.0)
    steps: list[int] = []
    while len(steps) < 1000:
        steps += schedule.due(schedule.next_s)
    assert steps == list(range(len(steps)))
    assert schedule.next_s == pytest.approx(100.0 + len(steps) * STEP_S)


def test_waking_a_little_early_does_not_spin() -> None:
    schedule = Schedule(0.0)
    schedule.due(0.0)
    assert list(schedule.due(STEP_S - 0.0005)) == [1]
    assert list(schedule.due(STEP_S)) == []


def test_a_short_stall_is_caught_up_a_long_one_is_skipped() -> None:
    schedule = Schedule(0.0)
    schedule.due(0.0)
    assert len(schedule.due(0.06)) == 12
    late = schedule.due(10.0)
    assert len(late) == MAX_CATCH_UP_SLOTS * PHASES
    assert late[-1] == round(10.0 / STEP_S)
    assert schedule.next_s > 10.0


class Member:
    def __init__(self, *, fails: bool = False) -> None:
        self.slots: list[int] = []
        self._fails = fails
        self.ticked = asyncio.Event()

    def tick(self, slot: int) -> None:
        self.slots.append(slot)
        if len(self.slots) == 3:
            self.ticked.set()
        if self._fails:
            raise RuntimeError("a bug")


async def test_the_clock_runs_while_it_has_members_and_outlives_their_bugs() -> None:
    clock = PacingClock()
    good, bad = [Member() for _ in range(5)], Member(fails=True)
    assert not clock.is_running
    clock.join(bad)
    for member in good:
        clock.join(member)
    assert clock.is_running
    async with asyncio.timeout(5):
        await asyncio.gather(*(member.ticked.wait() for member in good))
    assert len(bad.slots) == 1
    for member in good:
        clock.leave(member)
    assert not clock.is_running
    for member in good:
        assert member.slots == list(range(member.slots[0], member.slots[0] + len(member.slots)))
    # The next call's slots come after those of the last.
    late = Member()
    clock.join(late)
    async with asyncio.timeout(5):
        await late.ticked.wait()
    assert late.slots[0] >= max(member.slots[-1] for member in good)
    clock.leave(late)
