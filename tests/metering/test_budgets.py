"""At most one reserved turn beyond the limit, whoever shares it; days and months in UTC."""

from __future__ import annotations

import random

import pytest

from antiphon.metering.budgets import Ledger, Limits, LocalLedger, Reservation, Stages, worst_of
from antiphon.metering.lines import Account, Line, Used, line_of
from antiphon.metering.prices import Price, PriceTable

FREE = PriceTable([Price(model="m", minute=60_000)])
"""A nano-dollar for a millisecond, so that a test can spend what it likes."""
NOON_MS = 1_796_212_800_000
"""2026-12-02, 12:00 UTC."""
DAY_MS = 86_400_000
USER = Account("clinic", "user-7")
CALLS = 10_000


def line(nano: int, *, account: Account = USER, session: str = "s", at_ms: int = NOON_MS) -> Line:
    used = Used(
        id=f"{session}/{nano}",
        at_ms=at_ms,
        kind="time",
        account=account,
        session_id=session,
        conversation_id="c",
        engine="e",
        model="m",
        billed_as="m",
        quantities=(("ms", nano),),
    )
    return line_of(used, FREE)


def test_a_line_of_the_tests_costs_what_it_says() -> None:
    assert line(12_345).nano == 12_345


def spend(ledger: Ledger, nano: int, **where: object) -> None:
    ledger.spend(line(nano, **where))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("spent", "stage"),
    [(0, None), (799, None), (800, "tell"), (900, "cheaper"), (950, "text"), (1_000, "end")],
)
def test_what_follows_from_how_much_is_spent(spent: int, stage: str | None) -> None:
    ledger = LocalLedger(Limits(session=1_000))
    spend(ledger, spent)
    standing = ledger.standing(USER, "s", NOON_MS)
    assert standing.stage == stage
    assert (ledger.reserve(USER, "s", NOON_MS, 1) is None) == (stage == "end")


def test_what_is_reserved_counts_until_it_is_released() -> None:
    ledger = LocalLedger(Limits(tenant_day=1_000), Stages(tell=50))
    held = ledger.reserve(USER, "s", NOON_MS, 600)
    assert held is not None
    assert ledger.standing(USER, "s", NOON_MS).stage == "tell"
    assert ledger.room(USER, "s", NOON_MS) == 400
    ledger.settle(held, 100)
    assert ledger.standing(USER, "s", NOON_MS).stage is None
    assert ledger.room(USER, "s", NOON_MS) == 900


def test_the_pot_that_is_nearest_to_its_end_counts() -> None:
    ledger = LocalLedger(Limits(session=1_000, user_day=2_000, tenant_month=10_000))
    spend(ledger, 900)
    standing = ledger.standing(USER, "s", NOON_MS)
    assert (standing.stage, standing.scope, standing.limit) == ("cheaper", "session", 1_000)
    spend(ledger, 900, session="other")
    spend(ledger, 190, session="third")
    standing = ledger.standing(USER, "fourth", NOON_MS)
    assert (standing.stage, standing.scope, standing.period) == ("text", "user", "day") or (
        standing.stage == "end"
    )


def test_each_has_its_own_and_a_tenant_is_shared() -> None:
    ledger = LocalLedger(Limits(user_day=1_000, tenant_day=1_500))
    other, elsewhere = Account("clinic", "user-8"), Account("hotel", "user-7")
    spend(ledger, 1_000)
    assert ledger.reserve(USER, "s", NOON_MS, 1) is None
    assert ledger.reserve(other, "t", NOON_MS, 500) is not None
    assert ledger.reserve(other, "t", NOON_MS, 1) is None, "the tenant's is reserved to the last"
    assert ledger.reserve(elsewhere, "u", NOON_MS, 1) is not None


@pytest.mark.parametrize(
    ("limits", "later_ms", "is_new"),
    [
        (Limits(user_day=10), DAY_MS // 2 - 1, False),
        (Limits(user_day=10), DAY_MS // 2, True),
        (Limits(user_month=10), DAY_MS // 2, False),
        (Limits(user_month=10), 30 * DAY_MS - DAY_MS // 2 - 1, False),
        (Limits(user_month=10), 30 * DAY_MS - DAY_MS // 2, True),
    ],
)
def test_days_and_months_begin_at_midnight_utc(limits: Limits, later_ms: int, is_new: bool) -> None:
    ledger = LocalLedger(limits)
    spend(ledger, 10)
    assert ledger.reserve(USER, "s", NOON_MS, 1) is None
    assert (ledger.reserve(USER, "s", NOON_MS + later_ms, 1) is not None) == is_new


def test_an_answer_over_midnight_is_spent_on_the_day_on_which_it_began() -> None:
    ledger = LocalLedger(Limits(user_day=10))
    held = ledger.reserve(USER, "s", NOON_MS, 9)
    assert held is not None
    tomorrow_ms = NOON_MS + DAY_MS
    spend(ledger, 1, at_ms=tomorrow_ms)
    ledger.settle(held, 8)
    assert ledger.room(USER, "s", NOON_MS) == 2
    assert ledger.room(USER, "s", tomorrow_ms) == 9


def test_what_was_spent_before_a_restart_is_restored() -> None:
    ledger = LocalLedger(Limits(user_day=10, user_month=100, tenant_day=50, session=5))
    ledger.restore("clinic", "user-7", "2026-12-02", 4)
    ledger.restore("clinic", "user-7", "2026-12-01", 95)
    ledger.restore("clinic", "", "2026-12-02", 30)
    assert ledger.room(USER, "s", NOON_MS) == 1, "of the month's 100"
    assert ledger.room(Account("clinic", "user-8"), "t", NOON_MS) == 5


def test_a_ledger_holds_no_days_that_are_over() -> None:
    ledger = LocalLedger(Limits(user_day=10, session=10))
    for day in range(100):
        at_ms = NOON_MS + day * DAY_MS
        spend(ledger, 1, at_ms=at_ms, session=f"s{day}")
        ledger.forget(f"s{day}")
    assert len(ledger._pots) == 1


def test_the_worst_is_all_seen_anew_and_all_said_aloud() -> None:
    rates: dict[str, int | None] = {
        "text_in": 4_000_000,
        "audio_in": 32_000_000,
        "text_out": 24_000_000,
        "audio_out": 64_000_000,
    }
    context = {"text": 100, "audio": 50, "image": 9}
    spoken = worst_of(rates, context=context, most_out=10, speaks=True)
    assert spoken == 100 * 4 + 50 * 32 + 10 * 64
    written = worst_of(rates, context=context, most_out=10, speaks=False)
    assert written == 100 * 4 + 50 * 32 + 10 * 24
    assert worst_of({}, context=context, most_out=10, speaks=True) == 0


def test_over_ten_thousand_random_calls_at_most_one_reserved_turn_is_spent_beyond() -> None:
    """Calls of several tenants and users run beside each other; each answer costs up to what was
    reserved for it, and ends at any time.  A call that is refused an answer is over.
    """
    choice = random.Random(20_261_129)
    refused = beyond = 0
    calls_left = CALLS
    while calls_left:
        limits = Limits(
            session=choice.choice([None, 3_000]),
            user_day=choice.choice([None, 9_000]),
            tenant_day=choice.choice([None, 20_000]),
            tenant_month=choice.choice([None, 60_000]),
        )
        ledger = LocalLedger(limits)
        spent: dict[str, int] = {}
        most: dict[str, int] = {}
        running: list[Reservation] = []
        live: list[tuple[str, Account]] = []
        at_ms = NOON_MS
        for _ in range(min(50, calls_left)):
            calls_left -= 1
            account = Account(choice.choice("ab"), choice.choice([None, "u", "v"]))
            live.append((f"s{calls_left}", account))
            for _ in range(choice.randrange(1, 12)):
                at_ms += choice.choice([0, 1_000, 3_600_000])
                if running and choice.random() < 0.6:
                    held = running.pop(choice.randrange(len(running)))
                    cost = choice.choice([held.nano, choice.randint(0, held.nano)])
                    ledger.settle(held, cost)
                    for name in held.pots:
                        spent[name] = spent.get(name, 0) + cost
                        most[name] = max(most.get(name, 0), held.nano)
                elif live:
                    session, who = choice.choice(live)
                    worst = choice.randint(1, 2_500)
                    asked = ledger.reserve(who, session, at_ms, worst)
                    if asked is None:
                        live.remove((session, who))
                        refused += 1
                    else:
                        running.append(asked)
        for name, nano in spent.items():
            scope, *_ = name.split("/")
            limit = {
                "session": limits.session,
                "user": limits.user_day,
                "tenant": limits.tenant_month if len(scope) == 7 else limits.tenant_day,
            }[scope if scope == "session" else name.split("/")[1]]
            assert limit is not None
            assert nano < limit + most[name], (name, nano, limit)
            beyond += nano > limit
    assert refused > 1_000, "budgets did end"
    assert beyond > 100, "and some with the one turn that may go beyond"
