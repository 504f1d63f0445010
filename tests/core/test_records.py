"""What a log is told, and what a conversation that goes on makes of it."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from antiphon.core.causes import Attached, ClientSent, TranscriptEnded, Word
from antiphon.core.conversation import Conversation
from antiphon.core.effects import Effect, Generate, SendTo, TurnCommitted
from antiphon.core.items import MessageEntry
from antiphon.core.records import (
    Change,
    ItemChanged,
    ItemDeleted,
    Past,
    Recollection,
    Record,
    ResponseEnded,
    SessionChanged,
)
from antiphon.core.terms import Terms
from antiphon.protocol import client, server
from antiphon.protocol import session as wire
from antiphon.protocol.items import Message
from antiphon.testing.virtual_call import CLIENT, SEED, session
from tests.core.stories import append, by_hand, respond, text, update
from tests.core.witness import LawfulCall


def records(call: LawfulCall) -> list[Record]:
    return [effect for effect in call.everything if isinstance(effect, Record)]


def told(call: LawfulCall) -> list[str]:
    return [str(record.change.__struct_config__.tag) for record in records(call)]


def test_nothing_is_told_where_no_log_is_kept() -> None:
    call = by_hand()
    call.client(text("Hello."), respond()).engine_writes("Yes.").engine_finishes()
    assert records(call) == []


def test_what_is_drawn_follows_from_the_conversation_and_for_a_fork_from_the_one_before() -> None:
    call = by_hand(recorded=True)
    drawn_for = call.client(text("Hello."), respond()).one(Generate).drawn_for
    assert drawn_for == call.conversation.id
    past = Past(conversation_id=Recollection(records(call)).past.conversation_id)
    for another in (past, replace(past, conversation_id="conv_fork", drawn_for=drawn_for)):
        goes_on = by_hand(recorded=True, past=another)
        assert goes_on.client(respond()).one(Generate).drawn_for == drawn_for
        assert Recollection(records(goes_on)).past.drawn_for == another.drawn_for
    alone = by_hand()
    assert alone.client(text("Hello."), respond()).one(Generate).drawn_for == "", "it ends here"


def test_each_change_is_told_before_the_event_that_announces_it() -> None:
    call = by_hand(recorded=True)
    call.client(text("Hello."), respond())
    call.engine_speaks(400, "Yes, I do.", words=[Word(4, 4_800), Word(10, 9_600)])
    call.engine_finishes()
    item_id = str(call.conversation.items[-1].id)
    call.client(client.ConversationItemTruncate(item_id=item_id, audio_end_ms=200))
    call.client(client.ConversationItemDelete(item_id=item_id), update(instructions="Be kind."))
    kinds = [type(e.change if isinstance(e, Record) else e) for e in call.everything]
    announced: list[tuple[type, type]] = [
        (ItemChanged, server.ConversationItemAdded),
        (ItemChanged, server.ConversationItemDone),
        (ItemChanged, server.ConversationItemTruncated),
        (ItemDeleted, server.ConversationItemDeleted),
        (ResponseEnded, server.ResponseDone),
        (SessionChanged, server.SessionUpdated),
    ]
    for change, event in announced:
        places = [i for i, kind in enumerate(kinds) if kind is event]
        assert places
        # An item that is done at once is told once, before both of its events.
        assert all(change in kinds[max(0, place - 2) : place] for place in places), event


def test_growth_is_told_once_it_is_whole() -> None:
    call = by_hand(recorded=True)
    call.client(respond())
    for _ in range(50):
        call.engine_speaks(20, "la ")
    call.engine_finishes()
    assert told(call) == ["session", "item", "item", "response"]


def test_a_record_is_a_copy() -> None:
    call = by_hand(recorded=True)
    call.client(respond()).engine_speaks(100, "Yes.")
    added = records(call)[-1].change
    assert isinstance(added, ItemChanged)
    before = msgspec.msgpack.encode(added)
    call.engine_speaks(100, " No.").engine_finishes()
    assert msgspec.msgpack.encode(added) == before


def _says(event: client.ClientEvent) -> ClientSent:
    return ClientSent(CLIENT, event)


def go_on(call: LawfulCall) -> tuple[Conversation, list[Effect]]:
    """What a new process makes of the records, and how it begins."""
    log = msgspec.msgpack.decode(msgspec.msgpack.encode(records(call)), type=list[Record])
    recollection = Recollection(log)
    assert recollection.session is not None
    again = Conversation(replace(call.terms, session=recollection.session, past=recollection.past))
    return again, again.handle(Attached(CLIENT), 0)


def test_a_conversation_goes_on_with_its_items_settings_and_usage() -> None:
    call = by_hand(recorded=True)
    call.client(update(instructions="Be kind."), text("Hello."), respond())
    call.engine_speaks(100, "Hi.").engine_finishes()
    again, _ = go_on(call)
    assert again.items == call.conversation.items
    assert again.session == call.conversation.session
    assert again.used == call.conversation.used
    [answer] = [e for e in again.handle(_says(respond()), 10) if isinstance(e, Generate)]
    assert [item.id for item in answer.items] == [item.id for item in call.conversation.items]


def test_the_first_to_join_is_shown_what_was_and_those_who_come_later_are_not() -> None:
    call = by_hand(recorded=True)
    call.client(text("Hello.", "a"), text("Are you there?", "b"), respond())
    call.engine_writes("Yes.").engine_finishes()
    again, opening = go_on(call)
    told = [effect.event for effect in opening if isinstance(effect, SendTo)]
    assert isinstance(told[0], server.SessionCreated)
    shown = told[1:]
    kinds = [server.ConversationItemAdded, server.ConversationItemDone]
    assert [type(event) for event in shown] == kinds * 3
    ids = [str(item.id) for item in call.conversation.items]
    for at, (item, before) in enumerate(zip(call.conversation.items, [None, *ids], strict=False)):
        for event in shown[2 * at : 2 * at + 2]:
            assert isinstance(event, server.ConversationItemAdded | server.ConversationItemDone)
            assert (event.item, event.previous_item_id) == (item, before)
    assert len({event.event_id for event in told}) == len(told)
    assert again.id == call.conversation.id
    [created] = again.handle(Attached("sideband", owns=False), 10)
    assert isinstance(created, SendTo)


def test_its_voice_stays_locked() -> None:
    call = by_hand(recorded=True)
    call.client(respond()).engine_speaks(100, "Hi.").engine_finishes()
    again, _ = go_on(call)
    output = wire.AudioOutputPatch(voice="ash")
    [refused] = again.handle(_says(update(audio=wire.AudioPatch(output=output))), 10)
    assert "cannot_update_voice" in str(refused)


def test_words_that_were_still_to_come_are_asked_for_again() -> None:
    call = by_hand(recorded=True)
    call.client(append(200), client.InputAudioBufferCommit())
    again, opening = go_on(call)
    [turn] = [effect for effect in opening if isinstance(effect, TurnCommitted)]
    assert (turn.item_id, len(turn.pcm)) == (call.turn_id, 2 * 24 * 200)
    again.handle(TranscriptEnded(turn.item_id, "Hello."), 10)
    assert isinstance(again.items[0], Message)
    call.engine_heard("Hello.")
    assert again.items == call.conversation.items


def test_its_context_stays_cut_where_it_was() -> None:
    """Elsewhere it would miss what the language model's server has in its cache."""
    ratio = wire.RetentionRatio(0.5)
    call = by_hand(recorded=True, context_tokens=100)
    call.client(update(truncation=ratio, instructions=""))
    for n in range(6):
        call.client(text("x" * 4 * 20, f"item_{n}"))
    call.client(respond()).engine_finishes()
    [seen] = [e.items for e in call.everything if isinstance(e, Generate)]
    assert [item.id for item in seen] == ["item_4", "item_5"]
    again, _ = go_on(call)
    again.handle(_says(text("x" * 4 * 20, "item_6")), 10)
    [after] = [e.items for e in again.handle(_says(respond()), 10) if isinstance(e, Generate)]
    assert [item.id for item in after] == ["item_4", "item_5", "item_6"]


def test_a_log_begins_with_the_settings() -> None:
    call = by_hand(recorded=True)
    assert told(call) == ["session"]
    assert Recollection().session is None


def test_an_item_stands_where_it_stood() -> None:
    call = by_hand(recorded=True)
    for item_id, after in [("a", None), ("b", "root"), ("c", "b"), ("d", None)]:
        created = text("x", item_id).item
        call.client(client.ConversationItemCreate(item=created, previous_item_id=after))
    call.client(client.ConversationItemDelete(item_id="a"))
    past = Recollection(records(call)).past
    assert [entry.id for entry in past.items] == ["b", "c", "d"]


def test_a_conversation_made_of_nothing_but_its_past_needs_no_log() -> None:
    past = Past(conversation_id="conv_old")
    again = Conversation(Terms(session=session(), seed=SEED, past=past))
    assert again.items == ()


@pytest.mark.parametrize(
    "change", [ItemDeleted("none"), ItemChanged(MessageEntry("item_1", "user"), "none")]
)
def test_records_that_do_not_fit_together_are_a_fault(change: Change) -> None:
    with pytest.raises(ValueError, match="none"):
        Recollection([Record(change, 1)])
