from __future__ import annotations

from antiphon.core.deadlines import Deadline, Deadlines


def test_nothing_is_due_where_nothing_is_set() -> None:
    deadlines = Deadlines()
    assert deadlines.next_ms is None
    assert deadlines.take_due(10**9) == []


def test_the_next_one_is_the_earliest_and_comes_once() -> None:
    deadlines = Deadlines()
    deadlines.set(Deadline.SESSION_EXPIRES, 300)
    deadlines.set(Deadline.USER_IS_IDLE, 100)
    assert deadlines.next_ms == 100
    assert deadlines.take_due(99) == []
    assert deadlines.take_due(100) == [Deadline.USER_IS_IDLE]
    assert deadlines.take_due(100) == []
    assert deadlines.next_ms == 300


def test_those_that_are_overdue_come_in_their_order() -> None:
    deadlines = Deadlines()
    deadlines.set(Deadline.SESSION_EXPIRES, 300)
    deadlines.set(Deadline.USER_IS_IDLE, 100)
    assert deadlines.take_due(1_000) == [Deadline.USER_IS_IDLE, Deadline.SESSION_EXPIRES]


def test_a_deadline_can_be_moved_and_cleared() -> None:
    deadlines = Deadlines()
    deadlines.set(Deadline.USER_IS_IDLE, 100)
    deadlines.set(Deadline.USER_IS_IDLE, 200)
    assert deadlines.next_ms == 200
    deadlines.clear(Deadline.USER_IS_IDLE)
    deadlines.clear(Deadline.USER_IS_IDLE)
    assert deadlines.next_ms is None
