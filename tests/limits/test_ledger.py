"""What is used of limits."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antiphon.limits.addresses import one_client
from antiphon.limits.ledger import DAY_S, AnswerLedger, MessageLedger, SessionLedger
from antiphon.limits.policy import Limits, Policy, Subject, Who

NOON_S = 20_000 * DAY_S + DAY_S / 2


def who(kind: str = "user", name: str = "t/u", **limits: float) -> Who:
    return {Subject(kind, name): Limits(**limits)}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("::1%lo", "::/64"),
        ("unix", "unix"),
        ("", ""),
    ],
)
def test_addresses_that_one_client_may_choose_from_are_one(address: str, client: str) -> None:
    assert one_client(address) == client


def test_limits_are_shown_by_what_they_limit() -> None:
    assert str(Limits()) == "–"
    assert str(Limits(sessions_at_once=2, minutes_per_day=7.5)) == (
        "sessions_at_once 2, minutes_per_day 7.5"
    )


def test_whose_limits_hold() -> None:
    each, gold, acme = Limits(sessions_at_once=1), Limits(sessions_at_once=9), Limits()
    policy = Policy(
        address=each, user=each, key=each, tenant=each, tenants={"acme": acme}, plans={"gold": gold}
    )
    assert policy.who(tenant="t", user="u", key_id="k", plan="gold", address="::1") == {
        Subject("tenant", "t"): each,
        Subject("key", "k"): gold,
        Subject("user", "t/u"): each,
        Subject("address", "::1"): each,
    }
    assert policy.who(tenant="acme", user="u", plan="gold") == {Subject("user", "acme/u"): gold}
    assert policy.who(tenant="acme", key_id="k", plan="lost") == {Subject("key", "k"): each}
    assert Policy().who(tenant="t", user="u", key_id="k", address="a") == {}


def test_sessions_at_once_are_counted_over_all_that_share_the_subject() -> None:
    ledger, mine = SessionLedger(), who(sessions_at_once=2)
    other = who(name="t/v", sessions_at_once=2)
    assert ledger.begin(mine, [mine, other], now_s=0, unix_s=NOON_S) is None
    exceeded = ledger.begin(mine, [mine, other, mine], now_s=0, unix_s=NOON_S)
    assert exceeded is not None
    assert (exceeded.what, exceeded.limit, exceeded.wait_s) == ("sessions_at_once", 2, 5)


def test_what_one_subject_refuses_costs_the_others_nothing() -> None:
    ledger = SessionLedger()
    tenant, user = who("tenant", "t", sessions_per_minute=2), who(sessions_per_minute=1)
    both = {**tenant, **user}
    assert ledger.begin(both, [], now_s=0, unix_s=NOON_S) is None
    exceeded = ledger.begin(both, [], now_s=0, unix_s=NOON_S)
    assert exceeded is not None
    assert exceeded.subject.kind == "user"
    assert exceeded.wait_s == pytest.approx(60)
    assert ledger.begin(tenant, [], now_s=0, unix_s=NOON_S) is None, "one is left to the tenant"


def test_minutes_last_until_midnight_in_utc() -> None:
    ledger, mine = SessionLedger(), who(minutes_per_day=2)
    assert ledger.left_s(mine, NOON_S) == 120
    ledger.use(mine, 90, unix_s=NOON_S)
    assert ledger.left_s(mine, NOON_S) == 30
    ledger.use(mine, 40, unix_s=NOON_S)
    exceeded = ledger.begin(mine, [], now_s=0, unix_s=NOON_S)
    assert exceeded is not None
    assert (exceeded.what, exceeded.wait_s) == ("minutes_per_day", DAY_S / 2)
    midnight_s = NOON_S + DAY_S / 2
    assert ledger.begin(mine, [], now_s=0, unix_s=midnight_s - 1) is not None
    assert ledger.begin(mine, [], now_s=0, unix_s=midnight_s) is None
    assert ledger.begin(mine, [], now_s=0, unix_s=midnight_s - 1) is None, "a clock put back"


def test_without_a_limit_nothing_is_counted() -> None:
    ledger = SessionLedger()
    assert ledger.left_s({}, NOON_S) is None
    assert ledger.begin({}, [{}] * 1000, now_s=0, unix_s=NOON_S) is None


@settings(derandomize=True, database=None)
@given(st.lists(st.tuples(st.floats(0, 0.5), st.integers(1, 400)), max_size=60))
def test_over_any_time_no_more_bytes_are_handled_than_the_rate_allows(
    messages: list[tuple[float, int]],
) -> None:
    """Each is handled once its wait is over; what waits is in order, as on a connection."""
    ledger, mine, now_s = MessageLedger(), who(bytes_per_second=100), 0.0
    handled = list[tuple[float, int]]()
    for gap_s, size in messages:
        now_s += gap_s
        wait_s = ledger.take(mine, size, now_s, max_wait_s=1e9)
        assert wait_s is not None
        now_s += wait_s
        handled.append((now_s, size))
    for at, (first_s, _) in enumerate(handled):
        total = 0
        for last_s, size in handled[at:]:
            total += size
            largest = max(size for _, size in handled)
            assert total <= 100 + largest + (last_s - first_s) * 100 + 1e-6


def test_what_would_wait_too_long_is_refused_and_takes_nothing() -> None:
    ledger, mine = MessageLedger(), who(bytes_per_second=100, messages_per_second=50)
    assert ledger.take(mine, 100, 0.0, max_wait_s=5) == 0
    assert ledger.take(mine, 100_000, 0.0, max_wait_s=5) is None
    assert ledger.take(mine, 100, 0.0, max_wait_s=5) == pytest.approx(1)
    assert ledger.take(mine, 100, 1.0, max_wait_s=5) == pytest.approx(1)


@given(
    asked=st.lists(st.tuples(st.floats(0, 5), st.integers(0, 40)), max_size=60),
    per_minute=st.sampled_from([1, 6, 60]),
)
@settings(derandomize=True, max_examples=60)
def test_what_is_said_to_be_left_is_what_can_be_had(
    asked: list[tuple[float, int]], per_minute: int
) -> None:
    ledger, of = AnswerLedger(), who(responses_per_minute=per_minute, tokens_per_minute=100)
    now_s = had = 0.0
    for pause_s, tokens in asked:
        now_s += pause_s
        left = ledger.left(of, now_s)
        refused = ledger.ask(of, now_s)
        has_room = left["requests"].remaining > 1 - 1e-6 and left["tokens"].remaining > 1 - 1e-6
        assert has_room == (refused is None)
        if refused is None:
            had += 1
            ledger.use(of, tokens, now_s)
        else:
            kind, wait_s = refused
            assert left[kind].remaining < 1 + 1e-6
            assert 0 < wait_s <= left[kind].reset_s + 1e-6
    assert had <= per_minute + now_s * per_minute / 60 + 1e-6
