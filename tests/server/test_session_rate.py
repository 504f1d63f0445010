from __future__ import annotations

import pytest

from antiphon.server.session_rate import MAX_ADDRESSES, SessionRate


def test_a_full_bucket_serves_a_burst_and_then_one_at_a_time() -> None:
    rate = SessionRate(per_minute=3)
    assert [rate.take("a", 0.0) for _ in range(3)] == [0, 0, 0]
    assert rate.take("a", 0.0) == pytest.approx(20)
    assert rate.take("a", 5.0) == pytest.approx(15)
    assert rate.take("b", 5.0) == 0
    assert rate.take("a", 20.0) == 0
    assert rate.take("a", 20.0) == pytest.approx(20)


def test_nothing_is_saved_beyond_a_full_bucket() -> None:
    rate = SessionRate(per_minute=2)
    assert rate.take("a", 0.0) == 0
    assert [rate.take("a", 1e6) > 0 for _ in range(3)] == [False, False, True]


def test_zero_is_no_limit() -> None:
    rate = SessionRate(per_minute=0)
    assert not any(rate.take("a", 0.0) for _ in range(1_000))


def test_what_is_remembered_is_bounded() -> None:
    rate = SessionRate(per_minute=1)
    for k in range(MAX_ADDRESSES + 1):
        rate.take(f"address {k}", 0.0)
    assert rate.take("address 0", 0.0) == 0
    assert rate.take(f"address {MAX_ADDRESSES}", 0.0) > 0
