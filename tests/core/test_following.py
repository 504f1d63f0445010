"""An engine that follows the conversation's items is told what becomes of them; no other is."""

from __future__ import annotations

from typing import Any

from antiphon.core.effects import Effect, ItemAdded, ItemCut, ItemRemoved
from antiphon.protocol import client
from antiphon.protocol.items import FunctionCall, Message
from tests.core.stories import by_hand, ids, respond, text
from tests.core.witness import LawfulCall


def changes(call: LawfulCall) -> list[Any]:
    effects: list[Effect] = call.take()
    return [e for e in effects if isinstance(e, ItemAdded | ItemCut | ItemRemoved)]


def test_what_a_client_makes_and_removes() -> None:
    call = by_hand(engine_follows_items=True)
    call.client(text("Hello.", "one"), text("First of all.", "zero"))
    one, zero = changes(call)
    assert (one.item.id, one.previous_item_id, one.response_id) == ("one", None, None)
    assert (zero.item.id, zero.previous_item_id) == ("zero", "one")
    call.client(client.ConversationItemDelete(item_id="one"))
    assert changes(call) == [ItemRemoved("one")]


def test_what_an_answer_becomes() -> None:
    call = by_hand(engine_follows_items=True)
    call.client(respond()).engine_speaks(400, "Well.").engine_calls("look", "{}")
    spoken, called = changes(call)
    assert isinstance(spoken.item, Message)
    assert isinstance(called.item, FunctionCall)
    assert spoken.response_id == called.response_id == call.response_id
    assert [spoken.item.id, called.item.id] == ids(call)


def test_what_was_heard_of_one() -> None:
    call = by_hand(engine_follows_items=True)
    call.client(respond()).engine_speaks(400, "Well.").engine_finishes()
    [item_id] = ids(call)
    changes(call)
    call.client(client.ConversationItemTruncate(item_id=item_id, audio_end_ms=150))
    [cut] = changes(call)
    assert (cut.item.id, cut.audio_end_ms) == (item_id, 150)


def test_an_answer_beside_the_conversation_is_no_part_of_it() -> None:
    call = by_hand(engine_follows_items=True)
    call.client(respond(conversation="none")).engine_writes("Beside.").engine_finishes()
    assert changes(call) == []


def test_other_engines_are_told_nothing() -> None:
    call = by_hand()
    call.client(text("Hello.", "one"), respond()).engine_speaks(400, "Well.").engine_finishes()
    call.client(client.ConversationItemDelete(item_id="one"))
    assert changes(call) == []
