"""What clients are told of money, where they want to know."""

from __future__ import annotations

from antiphon.core.causes import Attached, BudgetReached, Costed, Detached
from antiphon.core.effects import SendTo
from antiphon.protocol.client import SessionUpdate
from antiphon.protocol.server import BudgetTold, CostTold, SessionUpdated
from antiphon.protocol.session import Answering, Extensions, SessionPatch
from antiphon.testing.virtual_call import VirtualCall

COST = Costed(kind="response", source_id="resp_1", nano_usd=1_500, session_nano_usd=2_000)
REACHED = BudgetReached(
    stage="tell", scope="user", period="day", limit_nano_usd=10, spent_nano_usd=8
)


def wanting(cost: bool = True) -> SessionUpdate:
    return SessionUpdate(session=SessionPatch(antiphon=Extensions(cost=cost)))


def test_who_does_not_ask_is_told_nothing_new() -> None:
    call = VirtualCall()
    call.give(COST)
    call.give(REACHED)
    assert call.take() == []


def test_who_asks_is_told_what_each_thing_cost() -> None:
    call = VirtualCall(engine_name="relay")
    call.client(wanting())
    assert call.one(SessionUpdated).session.antiphon == Answering("relay", cost=True)
    call.give(COST)
    told = call.one(CostTold)
    assert (told.response_id, told.item_id, told.nano_usd) == ("resp_1", None, 1_500)
    assert (told.session_nano_usd, told.estimated, told.unpriced) == (2_000, False, False)
    call.give(Costed(kind="transcription", source_id="item_1", nano_usd=1, session_nano_usd=3))
    assert call.one(CostTold).item_id == "item_1"
    call.client(wanting(cost=False))
    assert call.one(SessionUpdated).session.antiphon == Answering("relay")
    call.give(COST)
    assert call.take() == []


def test_of_a_budget_a_sideband_is_told_at_any_rate() -> None:
    call = VirtualCall()
    call.give(Attached("sideband", owns=False))
    call.take()
    call.give(REACHED)
    [sent] = call.take()
    assert isinstance(sent, SendTo)
    assert isinstance(sent.event, BudgetTold)
    assert (sent.connection, sent.event.stage) == ("sideband", "tell")
    call.client(wanting())
    call.take()
    call.give(REACHED)
    assert isinstance(call.one(BudgetTold), BudgetTold)
    call.give(Detached("sideband"))
    call.client(wanting(cost=False))
    call.take()
    call.give(REACHED)
    assert call.take() == []
