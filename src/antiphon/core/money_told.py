"""What clients are told of money: what something cost, and how far a budget is spent."""

from __future__ import annotations

from antiphon.core.causes import BudgetReached, Costed, EngineCounted
from antiphon.core.effects import Effect, SendTo
from antiphon.core.stage import Stage
from antiphon.protocol.server import BudgetTold, CostTold


def tell_money(
    cause: EngineCounted | Costed | BudgetReached, stage: Stage, out: list[Effect]
) -> None:
    """To those who want to know: many clients fail on an event that they do not know."""
    if isinstance(cause, EngineCounted):
        return  # For those who look on: `response.done` has been sent.
    if isinstance(cause, Costed):
        if stage.tells_cost:
            out.append(_cost(cause, stage.ids.event()))
        return
    told = BudgetTold(
        event_id=stage.ids.event(),
        stage=cause.stage,
        scope=cause.scope,
        period=cause.period,
        limit_nano_usd=cause.limit_nano_usd,
        spent_nano_usd=cause.spent_nano_usd,
    )
    if stage.tells_cost:
        out.append(told)
    else:
        out += [SendTo(connection, told) for connection in stage.life.sidebands]


def _cost(cause: Costed, event_id: str) -> CostTold:
    return CostTold(
        event_id=event_id,
        kind=cause.kind,
        response_id=cause.source_id if cause.kind in ("response", "speech") else None,
        item_id=cause.source_id if cause.kind == "transcription" else None,
        nano_usd=cause.nano_usd,
        session_nano_usd=cause.session_nano_usd,
        estimated=cause.is_estimated,
        unpriced=cause.is_unpriced,
    )
