"""Budgets as the settings say them, and as they are shown."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from antiphon.engines.farewell import FarewellEngine
from antiphon.journal.line_table import LinesWanted
from antiphon.metering.budgets import Budgets, Limits, PotTold, Stages
from antiphon.metering.money import NANO_PER_DOLLAR, Nano
from antiphon.runtime.metering import Metering
from antiphon.server.metering_settings import BudgetSettings, PlanSettings


def budgets_of(budgets: BudgetSettings) -> Budgets:
    def nano(dollars: float | None) -> Nano | None:
        return None if dollars is None else round(Decimal(str(dollars)) * NANO_PER_DOLLAR)

    def limits(said: BudgetSettings | PlanSettings) -> Limits:
        return Limits(
            **{name: nano(getattr(said, name, None)) for name in Limits.__struct_fields__}
        )

    return Budgets(
        everyone=limits(budgets),
        tenants={
            name: Limits(tenant_day=nano(own.day), tenant_month=nano(own.month))
            for name, own in budgets.tenants.items()
        },
        plans={name: limits(plan) for name, plan in budgets.plans.items()},
        default_plan=budgets.default_plan,
    )


def stages_of(budgets: BudgetSettings) -> Stages:
    return Stages(
        tell=budgets.tell_percent, cheaper=budgets.cheaper_percent, text=budgets.text_percent
    )


def use_budgets(metering: Metering, budgets: BudgetSettings) -> None:
    """From now on these hold; where another model or other words come at their end, for sessions
    that begin now.
    """
    if metering.ledger is not None:
        metering.ledger.use(budgets_of(budgets), stages_of(budgets))
    farewell = metering.means.farewell
    if isinstance(farewell, FarewellEngine):
        farewell = farewell.saying(budgets.farewell)
    metering.means = replace(metering.means, cheaper_model=budgets.cheaper_model, farewell=farewell)


def told_pot(pot: PotTold) -> dict[str, Any]:
    return {
        "object": "antiphon.budget",
        "scope": pot.scope,
        "period": pot.period,
        "since": pot.since,
        "tenant": pot.tenant,
        "user": pot.owner if pot.scope == "user" else None,
        "key": pot.owner if pot.scope == "key" else None,
        "limit_nano_usd": pot.limit,
        "spent_nano_usd": pot.spent,
        "reserved_nano_usd": pot.reserved,
        "stage": pot.stage,
    }


def is_wanted(pot: PotTold, wanted: LinesWanted) -> bool:
    """Who asks about one user or one key is shown its own."""
    owner = {"user": wanted.user, "key": wanted.key}
    asked = {scope for scope, name in owner.items() if name is not None}
    if wanted.tenant not in (None, pot.tenant) or (asked and pot.scope not in asked):
        return False
    return owner.get(pot.scope) in (None, pot.owner)
