from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from antiphon.engines.health import FIRST_S, LONGEST_S, Health, Healths


def test_what_failed_is_left_alone_for_a_while_and_longer_each_time() -> None:
    health, now_s = Health(), 100.0
    assert health.is_well(now_s)
    for times in (1, 2, 4):
        health.failed(now_s)
        assert not health.is_well(now_s + times * FIRST_S - 1)
        now_s += times * FIRST_S
        assert health.is_well(now_s)
    health.succeeded()
    health.failed(now_s)
    assert health.is_well(now_s + FIRST_S)


@given(st.lists(st.floats(0, 400), max_size=60))
def test_the_longest_while_is_bounded(waits_s: list[float]) -> None:
    health, now_s = Health(), 0.0
    for wait_s in waits_s:
        now_s += wait_s
        health.failed(now_s)
    assert health.is_well(now_s + LONGEST_S)


def test_failures_of_many_sessions_at_one_time_are_one() -> None:
    health = Health()
    for _ in range(50):
        health.failed(0.0)
    assert health.is_well(FIRST_S)


def test_each_name_has_a_health_of_its_own() -> None:
    healths = Healths(lambda: 0.0)
    healths.failed("one")
    healths.succeeded("two")
    assert not healths.is_well("one")
    assert healths.is_well("two")
