from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

from antiphon.core import history as history_module
from antiphon.core.causes import Word
from antiphon.core.effects import Effect
from antiphon.core.faults import Fault
from antiphon.core.history import MAX_ITEMS, History
from antiphon.core.ids import Ids
from antiphon.core.items import (
    MAX_AUDIO_BYTES,
    CallEntry,
    HeardPart,
    MessageEntry,
    SpokenPart,
    TextPart,
)
from antiphon.core.records import Recorder
from antiphon.core.usage import entry_tokens
from antiphon.protocol import client, server
from tests.core.stories import by_hand, function_call, function_output, ids, refusal, text


def empty() -> History:
    numbers = Ids("virtualcall00")
    return History(numbers, Recorder(numbers, on=False))


def entry(item_id: str, audio_bytes: int = 0) -> MessageEntry:
    part = HeardPart(pcm=bytearray(audio_bytes), samples=audio_bytes // 2)
    return MessageEntry(item_id, "user", parts=[part])


def with_items(*given: MessageEntry) -> History:
    history = empty()
    for one in given:
        history.add_whole(one, [])
    return history


def order(history: History) -> list[str]:
    return [e.id for e in history]


def kept(history: History) -> list[bytes]:
    return [bytes(p.pcm) for e in history if isinstance(e, MessageEntry) for p in e.audio_parts]


def test_items_stand_where_they_were_put() -> None:
    history = empty()
    for item_id, after in [("a", None), ("b", ""), ("c", "root"), ("d", "a"), ("e", None)]:
        history.add(entry(item_id), [], after=after)
    assert order(history) == ["c", "a", "d", "b", "e"]
    assert [history.previous_id(i) for i in "cadbe"] == [None, "c", "a", "d", "b"]
    assert (history.last_id, len(history)) == ("e", 5)


def test_an_empty_history_has_no_last_item() -> None:
    assert empty().last_id is None
    assert empty().previous_id("a") is None


def test_after_a_deletion_the_predecessors_predecessor_stands_before() -> None:
    history = with_items(entry("a"), entry("b"), entry("c"))
    history.delete("b", [])
    assert order(history) == ["a", "c"]
    assert history.previous_id("c") == "a"
    assert history.get("b") is None
    assert history.previous_id("b") is None
    with pytest.raises(Fault, match="'b' does not exist"):
        history.check_place("b")


def test_a_full_conversation_takes_no_more() -> None:
    history = empty()
    for n in range(MAX_ITEMS):
        history.add(MessageEntry(str(n), "user"), [])
    with pytest.raises(Fault, match="already has 10000 items"):
        history.check_place(None)


def test_the_oldest_audio_is_forgotten_first_and_its_length_stays() -> None:
    history = empty()
    third = MAX_AUDIO_BYTES // 3
    for item_id in "abcd":
        history.add_whole(entry(item_id, third), [])
        assert history.held_audio_bytes <= MAX_AUDIO_BYTES
    assert [bool(pcm) for pcm in kept(history)] == [False, True, True, True]
    lengths = [p.samples for e in history if isinstance(e, MessageEntry) for p in e.audio_parts]
    assert lengths == [third // 2] * 4


def test_audio_too_long_for_all_the_room_goes_at_once() -> None:
    assert with_items(entry("a", MAX_AUDIO_BYTES + 2)).held_audio_bytes == 0


def test_deleted_audio_makes_room() -> None:
    half = MAX_AUDIO_BYTES // 2
    history = with_items(entry("a", half), entry("b", half))
    history.delete("a", [])
    history.add_whole(entry("c", half), [])
    assert all(kept(history))


def test_audio_is_counted_once_and_only_of_items_that_are_there() -> None:
    history = empty()
    gone = entry("gone", 100)
    history.complete(gone, "completed", [])
    assert history.held_audio_bytes == 0
    whole = entry("a", MAX_AUDIO_BYTES)
    history.add_whole(whole, [])
    for _ in range(3):
        history.complete(whole, "completed", [])
    assert history.held_audio_bytes == MAX_AUDIO_BYTES


# --- Nobody else writes ------------------------------------------------------


def test_nobody_else_changes_an_item() -> None:
    """Items change by methods of `items`, called by `history` alone."""
    core = Path(history_module.__file__).parent
    fields = {"transcript", "pcm", "samples", "words", "sealed", "arguments", "status", "output"}
    changes = {"say", "speak", "end_early", "cut"}
    holders = {"entry", "part", "message", "call"}
    for path in core.glob("*.py"):
        if path.name in ("history.py", "items.py"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Assign | ast.AugAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                written = [t.attr for t in targets if isinstance(t, ast.Attribute)]
                assert not set(written) & fields, f"{path.name}:{node.lineno} writes {written}"
            elif (
                isinstance(node, ast.Call)
                and isinstance(called := node.func, ast.Attribute)
                and isinstance(called.value, ast.Name)
            ):
                changed = called.attr in changes and called.value.id in holders
                assert not changed, f"{path.name}:{node.lineno} calls {called.attr}"


def test_what_becomes_of_an_item_is_told() -> None:
    history, out = empty(), list[Effect]()
    spoken = SpokenPart()
    answer = MessageEntry("a", "assistant", "in_progress")
    history.add(answer, out)
    history.open_part(answer, spoken)
    history.say(answer, "One two.")
    history.speak(answer, bytes(2 * 4_800), [Word(3, 2_400), Word(8, 4_800)])
    history.cut_at_heard("a", 2_400, out)
    history.complete(answer, "incomplete", out)
    history.delete("a", out)
    history.cut_at_heard("a", 0, out)
    kinds = [type(effect) for effect in out]
    assert kinds == [
        server.ConversationItemAdded,
        server.ConversationItemTruncated,
        server.ConversationItemDone,
        server.ConversationItemDeleted,
    ]
    assert spoken.transcript == "One"


# --- As an engine sees it ----------------------------------------------------


def test_an_engine_is_told_what_an_item_has_become() -> None:
    history = empty()
    entry = MessageEntry("item_1", "assistant", "in_progress")
    history.add(entry, [])
    told = [history.for_engine(entry)]

    def changed() -> bool:
        told.append(history.for_engine(entry))
        assert told[-1] == entry.wire()
        return told[-1] != told[-2]

    history.open_part(entry, SpokenPart())
    assert changed()
    history.say(entry, "Hello")
    assert changed()
    history.speak(entry, bytes(96), [Word(2, 24)])
    assert not changed(), "audio is not told"
    history.cut_at_heard("item_1", 24, [])
    assert changed()
    history.open_part(entry, TextPart("output_text", "there"))
    assert changed()
    history.complete(entry, "completed", [])
    assert changed()
    assert history.for_engine(entry) is told[-1], "nothing changed, nothing made anew"


def test_an_item_counts_what_it_has_become() -> None:
    history = empty()
    entry = MessageEntry("item_1", "assistant", "in_progress")
    history.add(entry, [])
    history.open_part(entry, SpokenPart())
    steps: list[Callable[[], None]] = [
        lambda: history.say(entry, "Hello there"),
        lambda: history.speak(entry, bytes(2 * 24 * 200), [Word(5, 2_400), Word(11, 4_800)]),
        lambda: history.cut_at_heard("item_1", 2_400, []),
        lambda: history.open_part(entry, TextPart("output_text", "And more.")),
    ]
    for step in steps:
        before = history.tokens(entry)
        step()
        assert history.tokens(entry) == entry_tokens(entry) != before
    assert history.tokens(entry) is history.tokens(entry)


def test_an_engine_is_told_the_arguments_of_a_call_as_they_grow() -> None:
    history = empty()
    call = CallEntry("item_1", "look", "call_1", status="in_progress")
    history.add(call, [])
    before = history.for_engine(call)
    history.extend_call(call, "{}")
    assert history.for_engine(call) == call.wire() != before


def test_an_engine_is_told_a_transcript_once_it_is_known() -> None:
    history = with_items(heard := entry("item_1"))
    before = history.for_engine(heard)
    part = heard.audio_parts[0]
    assert isinstance(part, HeardPart)
    history.transcribe(heard, part, "Hello", [])
    assert history.for_engine(heard) == heard.for_engine() != before


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
