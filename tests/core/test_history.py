from __future__ import annotations

import pytest

from antiphon.core.faults import Fault
from antiphon.core.history import MAX_ITEMS, History
from antiphon.core.items import MAX_AUDIO_BYTES, Entry, Part
from antiphon.protocol import client, server
from tests.core.stories import by_hand, function_call, function_output, ids, refusal, text


def entry(item_id: str, audio_bytes: int = 0) -> Entry:
    part = Part("input_audio", pcm=bytearray(audio_bytes), samples=audio_bytes // 2)
    return Entry(item_id, "message", parts=[part])


def order(history: History) -> list[str]:
    return [e.id for e in history]


def test_items_stand_where_they_were_put() -> None:
    history = History()
    for item_id, after in [("a", None), ("b", ""), ("c", "root"), ("d", "a"), ("e", None)]:
        history.insert(entry(item_id), after)
    assert order(history) == ["c", "a", "d", "b", "e"]
    assert [history.previous_id(i) for i in "cadbe"] == [None, "c", "a", "d", "b"]
    assert (history.last_id, len(history)) == ("e", 5)


def test_an_empty_history_has_no_last_item() -> None:
    assert History().last_id is None
    assert History().previous_id("a") is None


def test_after_a_deletion_the_predecessors_predecessor_stands_before() -> None:
    history = History()
    for item_id in "abc":
        history.insert(entry(item_id))
    history.delete("b")
    assert order(history) == ["a", "c"]
    assert history.previous_id("c") == "a"
    assert history.get("b") is None
    assert history.previous_id("b") is None
    with pytest.raises(Fault, match="'b' does not exist"):
        history.check_place("b")


def test_a_full_conversation_takes_no_more() -> None:
    history = History()
    for n in range(MAX_ITEMS):
        history.insert(Entry(str(n), "message"))
    with pytest.raises(Fault, match="already has 10000 items"):
        history.check_place(None)


def test_the_oldest_audio_is_forgotten_first_and_its_length_stays() -> None:
    history = History()
    third = MAX_AUDIO_BYTES // 3
    for item_id in "abcd":
        history.insert(entry(item_id, third))
        history.keep_audio(history.get(item_id))  # type: ignore[arg-type]
        assert history.held_audio_bytes <= MAX_AUDIO_BYTES
    kept = [bool(e.parts[0].pcm) for e in history]
    assert kept == [False, True, True, True]
    assert [e.parts[0].samples for e in history] == [third // 2] * 4


def test_audio_too_long_for_all_the_room_goes_at_once() -> None:
    history = History()
    history.insert(entry("a", MAX_AUDIO_BYTES + 2))
    history.keep_audio(history.get("a"))  # type: ignore[arg-type]
    assert history.held_audio_bytes == 0


def test_deleted_audio_makes_room() -> None:
    history = History()
    half = MAX_AUDIO_BYTES // 2
    for item_id in "ab":
        history.insert(entry(item_id, half))
        history.keep_audio(history.get(item_id))  # type: ignore[arg-type]
    history.delete("a")
    history.insert(entry("c", half))
    history.keep_audio(history.get("c"))  # type: ignore[arg-type]
    assert all(e.parts[0].pcm for e in history)


def test_audio_is_counted_once_and_only_of_items_that_are_there() -> None:
    history = History()
    gone = entry("gone", 100)
    history.keep_audio(gone)
    assert bytes(gone.parts[0].pcm) == bytes(100)
    history.insert(entry("a", MAX_AUDIO_BYTES))
    for _ in range(3):
        history.keep_audio(history.get("a"))  # type: ignore[arg-type]
    assert history.held_audio_bytes == MAX_AUDIO_BYTES


# --- As a client sees it -----------------------------------------------------


def test_each_item_tells_truly_what_stands_before_it() -> None:
    call = by_hand()
    places = [("a", None), ("b", "root"), ("c", "b"), ("d", ""), ("e", "a")]
    for item_id, after in places:
        created = text("x", item_id)
        call.client(client.ConversationItemCreate(item=created.item, previous_item_id=after))
    assert ids(call) == ["b", "c", "a", "e", "d"]
    added = [e for e in call.events() if isinstance(e, server.ConversationItemAdded)]
    assert [e.previous_item_id for e in added] == [None, None, "b", "a", "a"]


def test_an_unknown_place_is_refused() -> None:
    call = by_hand()
    call.client(client.ConversationItemCreate(item=text("x").item, previous_item_id="item_none"))
    assert refusal(call) == ("item_create_invalid_previous_item_id", "previous_item_id")
    assert ids(call) == []


def test_a_functions_output_needs_its_call() -> None:
    call = by_hand()
    call.client(function_output("call_1"))
    assert refusal(call) == ("invalid_tool_call_id", None)
    call.client(function_call("call_1"), function_output("call_1"))
    assert len(ids(call)) == 2
