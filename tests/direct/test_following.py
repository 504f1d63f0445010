"""What an upstream's events mean for the log, event by event."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from antiphon.core.items import CallEntry, HeardPart, MessageEntry, SpokenPart
from antiphon.core.records import Change, Recollection, Record, ResponseEnded, SessionChanged
from antiphon.direct.following import ASKS, Following
from antiphon.protocol.items import Message
from antiphon.protocol.server import Error, ErrorDetail, ServerEvent
from antiphon.protocol.session import Session
from antiphon.upstream import wire

CONVERSATION = "conv_ours"
OURS = Session(id="sess_ours", model="gpt-realtime", expires_at=1)


def made(kind: str, **fields: Any) -> ServerEvent:
    """An event as a server sends it."""
    event = wire.read(json.dumps({"type": kind, "event_id": "event_1", **fields}))
    assert not isinstance(event, wire.Foreign), event
    return event


def spoken(item_id: str, transcript: str | None, status: str = "completed") -> dict[str, Any]:
    content = [] if transcript is None else [{"type": "output_audio", "transcript": transcript}]
    return item(item_id, "assistant", content, status)


def heard(item_id: str, transcript: str | None = None) -> dict[str, Any]:
    return item(item_id, "user", [{"type": "input_audio", "transcript": transcript}])


def item(item_id: str, role: str, content: list[Any], status: str = "completed") -> dict[str, Any]:
    fields = {"id": item_id, "type": "message", "object": "realtime.item"}
    return {**fields, "role": role, "status": status, "content": content}


def added(of: dict[str, Any], after: str | None = None) -> ServerEvent:
    return made("conversation.item.added", previous_item_id=after, item=of)


def done(of: dict[str, Any], after: str | None = None) -> ServerEvent:
    return made("conversation.item.done", previous_item_id=after, item=of)


def response(*output: dict[str, Any], conversation_id: str | None = "conv_theirs") -> ServerEvent:
    return made(
        "response.done",
        response={
            "id": "resp_1",
            "status": "completed",
            "output": list(output),
            "conversation_id": conversation_id,
            "output_modalities": ["audio"],
            "max_output_tokens": "inf",
            "audio": {"output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "ash"}},
            "usage": {"total_tokens": 30, "input_tokens": 10, "output_tokens": 20},
        },
    )


def following(*, transcribes: bool = True) -> Following:
    follows = Following(OURS, CONVERSATION)
    transcription = {"model": "any"} if transcribes else None
    session = {"id": "sess_theirs", "model": "their-deployment", "type": "realtime"}
    audio = {"input": {"transcription": transcription}}
    follows.saw(made("session.created", session={**session, "expires_at": 9, "audio": audio}))
    return follows


def recollected(changes: Iterable[Change]) -> Recollection:
    return Recollection(Record(change, 0) for change in changes)


def told(follows: Following, *events: ServerEvent) -> Recollection:
    return recollected(change for event in events for change in follows.saw(event).changes)


def test_the_settings_are_theirs_under_our_names() -> None:
    follows = Following(OURS, CONVERSATION)
    assert follows.begin() == [SessionChanged(OURS, CONVERSATION)]
    session = {"id": "sess_theirs", "model": "their-deployment", "type": "realtime"}
    created = made("session.created", session={**session, "expires_at": 9, "instructions": "Hum."})
    (change,) = follows.saw(created).changes
    assert isinstance(change, SessionChanged)
    logged = change.session
    assert isinstance(logged, Session)
    assert (logged.id, logged.model) == ("sess_ours", "gpt-realtime")
    assert (logged.instructions, change.conversation_id) == ("Hum.", CONVERSATION)
    assert (follows.session.id, follows.session.expires_at) == ("sess_theirs", 9)
    assert follows.saw(created).changes == []  # A second sideband learns nothing new.


def test_a_turn_has_its_length_and_its_words_whenever_they_come() -> None:
    follows = following()
    past = told(
        follows,
        made("input_audio_buffer.speech_started", audio_start_ms=300, item_id="u"),
        made("input_audio_buffer.speech_stopped", audio_end_ms=1300, item_id="u"),
        added(heard("u")),
        made(
            "conversation.item.input_audio_transcription.completed",
            item_id="u",
            content_index=0,
            transcript="Hello.",
            usage={"type": "duration", "seconds": 1},
        ),
        done(heard("u")),
    ).past
    assert past.items == (MessageEntry("u", "user", parts=[HeardPart("Hello.", samples=24_000)]),)


def test_words_are_awaited_only_where_they_were_asked_for() -> None:
    for transcribes in (True, False):
        entry = told(following(transcribes=transcribes), added(heard("u"))).past.items[0]
        assert isinstance(entry, MessageEntry)
        part = entry.parts[0]
        assert isinstance(part, HeardPart)
        assert part.awaits_transcript is transcribes


def test_an_answer_grows_is_done_and_is_counted() -> None:
    follows = following()
    events = [
        added(heard("u", "Hi.")),
        made("response.created", response={"id": "resp_1"}),
        added(spoken("a", None, "in_progress"), "u"),
        done(spoken("a", "Good morning."), "u"),
        response(spoken("a", "Good morning.")),
    ]
    changes = [change for event in events for change in follows.saw(event).changes]
    past = recollected(changes).past
    assert [entry.id for entry in past.items] == ["u", "a"]
    assert past.items[1] == MessageEntry("a", "assistant", parts=[SpokenPart("Good morning.")])
    assert past.used.total_tokens == 30
    ended = changes[-1]
    assert isinstance(ended, ResponseEnded)
    assert (ended.response.conversation_id, ended.voice_heard) == (CONVERSATION, True)
    assert len([change for change in changes if not isinstance(change, ResponseEnded)]) == 3


def test_what_goes_on_is_known() -> None:
    follows = following()
    events = (
        made("response.created", response={"id": "resp_1"}),
        made("input_audio_buffer.speech_started", audio_start_ms=0, item_id="u"),
        made("input_audio_buffer.speech_stopped", audio_end_ms=9, item_id="u"),
        response(),
    )
    seen = [follows.activity]
    for event in events:
        follows.saw(event)
        seen.append(follows.activity)
    assert seen == ["idle", "responding", "user_speaking", "responding", "idle"]


def test_calls_and_what_functions_answer_are_items() -> None:
    call = {
        "id": "f",
        "type": "function_call",
        "status": "completed",
        "name": "weather",
        "call_id": "call_1",
        "arguments": "{}",
    }
    output = {"id": "o", "type": "function_call_output", "call_id": "call_1", "output": "rain"}
    past = told(following(), added(call), done(call), added(output, "f"), done(output, "f")).past
    assert past.items[0] == CallEntry("f", "weather", "call_1", "{}")
    assert [entry.id for entry in past.items] == ["f", "o"]


def test_what_is_left_of_a_cut_answer_is_asked_for_and_told_to_nobody() -> None:
    follows = following()
    follows.saw(added(spoken("a", "One two three.")))
    cut = made("conversation.item.truncated", item_id="a", content_index=0, audio_end_ms=500)
    (ask,) = follows.saw(cut).asks
    assert (ask.item_id, ask.event_id) == ("a", ASKS + "a")
    answer = made("conversation.item.retrieved", item=spoken("a", "One"))
    meaning = follows.saw(answer)
    assert meaning.is_ours
    assert meaning.changes
    assert not follows.saw(answer).is_ours  # A sideband asked too.


def test_an_answer_to_what_we_asked_in_vain_is_told_to_nobody() -> None:
    follows = following()
    refused = Error(event_id="e", error=ErrorDetail(message="gone", event_id=ASKS + "a"))
    assert follows.saw(refused).is_ours
    theirs = replace(refused, error=ErrorDetail(message="gone", event_id="theirs"))
    assert not follows.saw(theirs).is_ours


def test_deleted_items_go_once() -> None:
    follows = following()
    follows.saw(added(heard("u")))
    gone = made("conversation.item.deleted", item_id="u")
    assert len(follows.saw(gone).changes) == 1
    assert follows.saw(gone).changes == []


def test_an_item_whose_neighbour_was_missed_is_the_last() -> None:
    past = told(following(), added(heard("a")), added(heard("c"), "missed")).past
    assert [entry.id for entry in past.items] == ["a", "c"]


def test_after_a_gap_what_was_under_way_is_asked_for_and_answers_are_taken_whole() -> None:
    follows = following()
    before = [added(heard("u")), added(spoken("a", None, "in_progress"), "u")]
    changes = [change for event in before for change in follows.saw(event).changes]
    assert [ask.item_id for ask in follows.rejoined()] == ["u", "a"]
    ended = response(spoken("a", "Hello."), spoken("b", "And more."))
    past = recollected([*changes, *follows.saw(ended).changes]).past
    assert [entry.id for entry in past.items] == ["u", "a", "b"]
    assert past.items[1] == MessageEntry("a", "assistant", parts=[SpokenPart("Hello.")])


def test_an_answer_outside_the_conversation_is_counted_and_adds_no_item() -> None:
    past = told(following(), response(spoken("x", "Aside."), conversation_id=None)).past
    assert past.items == ()
    assert past.used.total_tokens == 30


def test_what_a_log_could_not_read_again_is_left_out_and_said_to_be_missing() -> None:
    meaning = following().saw(added({**heard("u"), "role": "oracle"}))
    assert meaning.changes == []
    assert meaning.is_missing


PLACES = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=30)


@given(PLACES)
def test_a_log_has_what_is_followed_whatever_is_missed(places: list[tuple[int, int]]) -> None:
    """Items in any order, behind neighbours that may not be there, deleted and told again."""
    follows = following()
    changes: list[Change] = []
    for number, neighbour in places:
        name = f"i{number}"
        if number == neighbour:
            event = made("conversation.item.deleted", item_id=name)
        else:
            event = added(heard(name, "words"), f"i{neighbour}" if neighbour else None)
        changes += follows.saw(event).changes
    past = recollected(changes).past
    wires = [one for _, one in follows.items]
    assert [entry.wire() for entry in past.items] == wires
    assert all(isinstance(one, Message) for one in wires)
