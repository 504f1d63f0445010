"""A bucket that leaks, by its laws."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antiphon.limits.gcra import Buckets, Rate, take

RATES = st.builds(Rate, st.floats(0.01, 1000), st.integers(1, 50))
GAPS = st.lists(st.floats(0, 20), min_size=1, max_size=60)
SLACK = 1e-6
"""Of sums of floats."""


@settings(derandomize=True, database=None)
@given(RATES, GAPS)
def test_no_window_lets_more_through_than_the_burst_and_what_leaked(
    rate: Rate, gaps: list[float]
) -> None:
    now_s, empty_at_s, passed = 0.0, None, list[float]()
    for gap_s in gaps:
        now_s += gap_s
        taken = take(rate, empty_at_s, now_s)
        if not taken.wait_s:
            empty_at_s = taken.empty_at_s
            passed.append(now_s)
    for at, first_s in enumerate(passed):
        for count, last_s in enumerate(passed[at:], 1):
            assert count <= rate.burst + (last_s - first_s) * rate.per_s + SLACK


@settings(derandomize=True, database=None)
@given(RATES, GAPS)
def test_the_wait_that_is_told_is_enough_and_none_too_long(rate: Rate, gaps: list[float]) -> None:
    now_s, empty_at_s = 0.0, None
    for gap_s in gaps:
        now_s += gap_s
        taken = take(rate, empty_at_s, now_s)
        if taken.wait_s:
            early_s, late_s = now_s + taken.wait_s * 0.99 - SLACK, now_s + taken.wait_s + SLACK
            if taken.wait_s > 1e-3:
                assert take(rate, empty_at_s, early_s).wait_s
            assert not take(rate, empty_at_s, late_s).wait_s
        else:
            empty_at_s = taken.empty_at_s


@settings(derandomize=True, database=None)
@given(RATES, st.floats(0.1, 3))
def test_who_keeps_to_the_rate_is_never_refused(rate: Rate, slower: float) -> None:
    gap_s, empty_at_s = (1 + slower) / rate.per_s, None
    for at in range(100):
        taken = take(rate, empty_at_s, at * gap_s)
        assert not taken.wait_s
        empty_at_s = taken.empty_at_s


def test_a_full_bucket_serves_a_burst_and_then_one_at_a_time() -> None:
    buckets, rate = Buckets(), Rate(per_s=3 / 60, burst=3)
    assert [buckets.take("a", rate, 0.0) for _ in range(3)] == [0, 0, 0]
    assert buckets.take("a", rate, 0.0) == pytest.approx(20)
    assert buckets.take("a", rate, 5.0) == pytest.approx(15)
    assert buckets.take("b", rate, 5.0) == 0
    assert buckets.take("a", rate, 20.0) == 0
    assert buckets.take("a", rate, 20.0) == pytest.approx(20)


def test_nothing_is_saved_beyond_a_full_bucket() -> None:
    buckets, rate = Buckets(), Rate(per_s=2 / 60, burst=2)
    assert buckets.take("a", rate, 0.0) == 0
    assert [buckets.take("a", rate, 1e6) > 0 for _ in range(3)] == [False, False, True]


def test_what_is_remembered_is_bounded() -> None:
    buckets, rate = Buckets(max_subjects=10), Rate(per_s=1 / 60, burst=1)
    for at in range(11):
        buckets.take(at, rate, 0.0)
    assert len(buckets) == 10
    assert buckets.take(0, rate, 0.0) == 0
    assert buckets.take(10, rate, 0.0) > 0


def test_what_is_owed_is_waited_for_by_the_next() -> None:
    buckets, rate = Buckets(), Rate(per_s=10, burst=1)
    waits = [buckets.take("a", rate, 0.0, owe=True) for _ in range(4)]
    assert waits == pytest.approx([0, 0.1, 0.2, 0.3])
