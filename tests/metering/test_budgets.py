"""At most one reserved turn beyond the limit, whoever shares it; days and months in UTC."""

from __future__ import annotations

import random

import pytest

from antiphon.metering.budgets import (
    Budgets,
    Ledger,
    Limits,
    LocalLedger,
    Reservation,
    Stages,
    worst_of,
)
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
    names = ledger.to_restore()
    assert not ledger.to_restore(), "one who is told is enough"
    ledger.restore(USER, "2026-12-02", 4, names)
    ledger.restore(USER, "2026-12-01", 95, names)
    ledger.restore(Account("clinic"), "2026-12-02", 30, names)
    assert ledger.room(USER, "s", NOON_MS) == 1, "of the month's 100"
    assert ledger.room(Account("clinic", "user-8"), "t", NOON_MS) == 5


def test_new_limits_hold_from_the_next_turn_on_and_count_what_was_spent_before_them() -> None:
    ledger = LocalLedger(Limits(user_day=10))
    ledger.to_restore()
    held = ledger.reserve(USER, "s", NOON_MS, 4)
    assert held is not None
    ledger.use(Budgets(everyone=Limits(user_day=5, tenant_month=100)), Stages())
    assert ledger.room(USER, "s", NOON_MS) == 1, "what was reserved before counts"
    ledger.settle(held, 5)
    assert ledger.reserve(USER, "s", NOON_MS, 1) is None
    names = ledger.to_restore()
    assert names == ("tenant_month",)
    ledger.restore(USER, "2026-12-01", 60, names)
    assert ledger.room(Account("clinic", "user-8"), "t", NOON_MS) == 5, "of the day's"
    assert ledger.reserve(Account("clinic"), "t", NOON_MS, 1) is not None
    assert ledger.room(Account("clinic"), "t", NOON_MS) == 39, "of the month's"
    # What is no longer limited goes on being counted, so that it may be again.
    ledger.use(Budgets(), Stages())
    assert ledger.room(USER, "s", NOON_MS) is None
    ledger.use(Budgets(everyone=Limits(user_day=6)), Stages())
    assert ledger.room(USER, "s", NOON_MS) == 1
    assert not ledger.to_restore()


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


GOLD, FREE_PLAN = Limits(user_day=500, key_day=900), Limits(session=50, user_day=100)


def test_a_plan_narrows_and_widens_nothing() -> None:
    budgets = Budgets(
        everyone=Limits(session=80, user_day=300, tenant_day=1_000, tenant_month=9_000),
        tenants={"big": Limits(tenant_day=5_000)},
        plans={"gold": GOLD, "free": FREE_PLAN},
        default_plan="free",
    )
    gold = budgets.of(Account("clinic", "u", "k", "gold"))
    assert gold == Limits(
        session=80, user_day=300, key_day=900, tenant_day=1_000, tenant_month=9_000
    )
    free = Limits(session=50, user_day=100, tenant_day=1_000, tenant_month=9_000)
    assert budgets.of(Account("clinic", "u", "k")) == free
    assert budgets.of(Account("clinic", "u", "k", "mistyped")) == free
    assert budgets.of(Account("big", "u", "k", "gold")).tenant_day == 5_000
    assert budgets.of(Account("big", "u", "k", "gold")).tenant_month is None


def test_one_who_comes_with_another_key_has_spent_the_same() -> None:
    ledger = LocalLedger(Budgets(plans={"gold": GOLD, "free": FREE_PLAN}))
    gold, free = Account("clinic", "u", "k", "gold"), Account("clinic", "u", "j", "free")
    nobody = Account("clinic", "u")
    spend(ledger, 60, account=nobody)
    assert ledger.room(nobody, "s", NOON_MS) is None
    assert ledger.room(free, "t", NOON_MS) == 40
    assert ledger.reserve(gold, "g", NOON_MS, 40) is not None
    assert ledger.reserve(free, "t", NOON_MS, 1) is None, "all of its 100 is reserved"
    assert ledger.room(gold, "g", NOON_MS) == 400


def test_keys_of_one_name_share_a_budget_within_their_tenant() -> None:
    ledger = LocalLedger(Limits(key_day=100))
    spend(ledger, 100, account=Account("clinic", None, "shop"))
    assert ledger.reserve(Account("clinic", "u", "shop"), "s", NOON_MS, 1) is None
    assert ledger.reserve(Account("hotel", "u", "shop"), "s", NOON_MS, 1) is not None
    assert ledger.reserve(Account("clinic", "u"), "s", NOON_MS, 1) is not None


def test_pots_are_told_with_the_limit_that_holds() -> None:
    ledger = LocalLedger(
        Budgets(everyone=Limits(session=999, user_day=1_000), plans={"gold": GOLD})
    )
    gold = Account("clinic", "u", "k", "gold")
    spend(ledger, 450, account=gold)
    assert [(p.scope, p.owner, p.limit) for p in ledger.pots(NOON_MS)] == [("user", "u", 1_000)]
    assert ledger.reserve(gold, "s", NOON_MS, 5) is not None
    told = {p.scope: (p.owner, p.limit, p.spent, p.reserved, p.stage) for p in ledger.pots(NOON_MS)}
    assert told == {"user": ("u", 500, 450, 5, "cheaper"), "key": ("k", 900, 450, 5, None)}
    assert list(ledger.pots(NOON_MS + DAY_MS)) == []


def test_a_pot_that_others_have_looked_into_is_told_with_its_limit() -> None:
    ledger = LocalLedger(Budgets(plans={"gold": GOLD}))
    ledger.hold(Account("clinic", None, "k", "gold"), "s", NOON_MS, 5)
    assert [(p.scope, p.owner, p.limit) for p in ledger.pots(NOON_MS)] == [("key", "k", 900)]


def test_over_ten_thousand_random_calls_at_most_one_reserved_turn_is_spent_beyond() -> None:
    """Calls of several tenants, keys and users run beside each other, under several plans; each
    answer costs up to what was reserved for it, and ends at any time.  A call that is refused an
    answer is over.  A pot that is shared under several plans ends by the widest of those that
    spent from it.
    """
    choice = random.Random(20_261_129)
    refused = beyond = of_plans = 0
    calls_left = CALLS
    while calls_left:
        budgets = Budgets(
            everyone=Limits(
                session=choice.choice([None, 3_000]),
                user_day=choice.choice([None, 9_000]),
                key_month=choice.choice([None, 30_000]),
                tenant_day=choice.choice([None, 20_000]),
                tenant_month=choice.choice([None, 60_000]),
            ),
            tenants={"b": Limits(tenant_day=choice.choice([None, 40_000]))},
            plans={
                "p": Limits(user_day=choice.choice([None, 4_000]), key_day=10_000),
                "q": Limits(session=1_500, user_day=choice.choice([None, 12_000])),
            },
            default_plan=choice.choice([None, "p"]),
        )
        ledger = LocalLedger(budgets)
        spent: dict[str, int] = {}
        most: dict[str, int] = {}
        widest: dict[str, int] = {}
        running: list[Reservation] = []
        live: list[tuple[str, Account]] = []
        at_ms = NOON_MS
        for _ in range(min(50, calls_left)):
            calls_left -= 1
            account = Account(
                choice.choice("ab"),
                choice.choice([None, "u", "v"]),
                choice.choice([None, "k", "l"]),
                choice.choice([None, "p", "q"]),
            )
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
                        limits = budgets.of(who)
                        of_plans += limits != budgets.everyone
                        for name in asked.pots:
                            limit = limit_of(name, limits)
                            widest[name] = max(widest.get(name, 0), limit)
        for name, nano in spent.items():
            assert nano < widest[name] + most[name], (name, nano, widest[name])
            beyond += nano > widest[name]
    assert refused > 1_000, "budgets did end"
    assert beyond > 100, "and some with the one turn that may go beyond"
    assert of_plans > 1_000, "many under a plan"


def limit_of(pot: str, limits: Limits) -> int:
    """What holds for it, by its name; without end where nothing does."""
    since, *whose = pot.split("/")
    name = since if since == "session" else f"{whose[0]}_{'month' if len(since) == 7 else 'day'}"
    limit: int | None = getattr(limits, name)
    return 10**18 if limit is None else limit
