"""Turns of whole conversations, timed in virtual time."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET, UnsetType

from antiphon.core.causes import EngineFailed, EngineMoved, EngineThought, PartFailed, Timed
from antiphon.core.settings import update_session
from antiphon.core.terms import Terms
from antiphon.protocol.client import InputAudioBufferCommit, ResponseCancel, ResponseCreate
from antiphon.protocol.server import TimelineTold
from antiphon.protocol.session import (
    Answering,
    Audio,
    AudioInput,
    Extensions,
    ServerVad,
    Session,
    SessionPatch,
)
from antiphon.telemetry.facts import (
    EngineChanged,
    EngineError,
    FalselyStopped,
    Interrupted,
)
from antiphon.telemetry.timeline import by_name
from antiphon.telemetry.watch import Watch
from antiphon.testing.virtual_call import VirtualCall, session
from tests.telemetry.watched import WatchedCall, user_text


def test_a_spoken_turn_is_divided_into_all_its_parts() -> None:
    call = WatchedCall(playout="server")
    call.user_speaks(960).user_is_quiet(600)
    call.wait(100).engine_heard("hello there")
    call.wait(300).engine_speaks(0, "Hi! ")
    call.wait(80).engine_speaks(1000)
    call.user_is_quiet(100)
    (timeline,) = call.timelines
    assert timeline.kind == "spoken"
    parts = by_name(timeline.segments)
    assert 480 <= parts["silence"] <= 560
    assert parts["thinking"] == 300
    assert parts["synthesis"] == 80
    assert parts["sending"] == 0
    assert parts["playback"] <= 11
    assert parts["onset"] == 0
    assert timeline.ends_with == "played"


def test_where_the_client_plays_the_wait_ends_with_what_was_sent() -> None:
    call = WatchedCall()
    call.user_speaks(960).user_is_quiet(600)
    call.engine_heard("hello there")
    call.wait(200).engine_speaks(500, "Hi!")
    (timeline,) = call.timelines
    assert timeline.ends_with == "sent"
    assert "playback" not in by_name(timeline.segments)


def test_words_that_wait_to_be_a_clause_are_a_part_of_their_own() -> None:
    call = WatchedCall()
    call.client(user_text("hello"), ResponseCreate())
    call.wait(200).give(EngineThought(call.response_id))
    call.wait(90).engine_speaks(0, "Well then, ")
    call.wait(40).engine_speaks(300)
    (timeline,) = call.timelines
    parts = by_name(timeline.segments)
    assert (parts["thinking"], parts["phrasing"]) == (200, 90)
    assert timeline.duration_ms == 330


@pytest.mark.parametrize("playout", ["client", "server"])
def test_the_silence_that_a_voice_begins_with_is_a_part_of_the_wait(playout: str) -> None:
    call = WatchedCall(playout=playout)
    call.user_speaks(960).user_is_quiet(600)
    call.engine_heard("hello there")
    call.silent_ms = 120
    call.wait(200).engine_speaks(500, "Hi!")
    call.user_is_quiet(400)
    (timeline,) = call.timelines
    parts = by_name(timeline.segments)
    assert 119 <= parts["onset"] <= 121
    assert timeline.duration_ms == sum(parts.values())


@pytest.mark.parametrize("playout", ["client", "server"])
def test_an_answer_of_nothing_but_silence_was_answered_when_that_began(playout: str) -> None:
    call = WatchedCall(playout=playout)
    call.client(user_text("hello"), ResponseCreate())
    call.silent_ms = 500
    call.wait(200).engine_speaks(0)
    call.engine_finishes()
    call.user_is_quiet(700)
    (timeline,) = call.timelines
    assert 200 <= timeline.duration_ms <= 210


def test_an_engine_that_never_says_what_it_heard_has_no_part_invented_for_it() -> None:
    call = WatchedCall()
    call.user_speaks(960).user_is_quiet(600)
    call.wait(400).engine_speaks(500, "Hi!")
    (timeline,) = call.timelines
    parts = by_name(timeline.segments)
    assert "recognition+thinking" in parts
    assert "recognition" not in parts


def test_push_to_talk_waits_from_when_the_turn_is_committed() -> None:
    call = WatchedCall(session(audio=Audio(input=AudioInput(turn_detection=None))))
    call.user_speaks(400)
    call.client(InputAudioBufferCommit())
    call.wait(50).client(ResponseCreate())
    call.wait(100).engine_heard("hello")
    call.wait(200).engine_speaks(500, "Hi!")
    (timeline,) = call.timelines
    assert timeline.kind == "pushed"
    assert by_name(timeline.segments) == {
        "request": 50,
        "recognition": 100,
        "thinking": 200,
        "synthesis": 0,
        "sending": 0,
        "onset": 0,
    }


def test_a_typed_turn_and_a_written_answer() -> None:
    call = WatchedCall(session(output_modalities=("text",)))
    call.client(user_text("hello"), ResponseCreate())
    call.wait(250).engine_writes("Hi!")
    (timeline,) = call.timelines
    assert (timeline.kind, timeline.ends_with) == ("typed", "written")
    assert by_name(timeline.segments) == {"request": 0, "thinking": 250, "sending": 0}


def test_a_function_call_is_a_part_of_the_same_wait() -> None:
    call = WatchedCall()
    call.client(user_text("weather?"), ResponseCreate())
    call.wait(100).engine_calls("look", "{}")
    call.engine_finishes()
    call.wait(400).client(ResponseCreate())
    call.wait(150).engine_speaks(300, "Sunny.")
    (timeline,) = call.timelines
    assert timeline.kind == "typed"
    assert timeline.duration_ms == 650
    assert by_name(timeline.segments) == {
        "request": 0,
        "thinking": 250,
        "tools": 400,
        "synthesis": 0,
        "sending": 0,
        "onset": 0,
    }


def test_an_answer_that_nobody_heard_has_no_timeline() -> None:
    call = WatchedCall()
    call.client(user_text("hello"), ResponseCreate())
    call.wait(100).client(ResponseCancel())
    call.client(user_text("well"), ResponseCreate())
    call.wait(30).engine_speaks(300, "Hi.")
    (timeline,) = call.timelines
    assert timeline.duration_ms == 30


def test_an_interruption_counts_once_and_is_false_where_nothing_was_understood() -> None:
    call = WatchedCall(playout="server")
    call.client(user_text("hello"), ResponseCreate())
    call.engine_speaks(5000, "A long story.").engine_finishes()
    call.user_is_quiet(1000).user_speaks(960).user_is_quiet(900)
    assert call.count(Interrupted) == 1
    assert call.count(FalselyStopped) == 0
    call.engine_heard("")
    assert call.count(FalselyStopped) == 1


def test_errors_and_changes_of_engines_are_told_by_the_name_of_who_served() -> None:
    watch = Watch(Terms(session=session(), seed="virtualcall00", engine_name="one"))
    part = PartFailed(part="voice", code="x", message="secret words")
    assert watch.saw(0, part, []) == [EngineError("one", "voice")]
    assert watch.saw(1, EngineMoved(name="two", message=""), []) == [EngineChanged("two")]
    assert watch.saw(2, EngineFailed("resp", "secret"), []) == [EngineError("two", "engine")]


STEPS = st.lists(
    st.sampled_from(
        (
            "speak",
            "quiet",
            "short",
            "type",
            "ask",
            "cancel",
            "heard",
            "say",
            "sound",
            "call",
            "finish",
            "wait",
        )
    ),
    min_size=5,
    max_size=40,
)


def _do(call: VirtualCall, step: str) -> None:
    if step in ("say", "sound", "call", "finish") and not call.response_id:
        return
    match step:
        case "speak":
            call.user_speaks(320)
        case "quiet":
            call.user_is_quiet(640)
        case "short":
            call.user_is_quiet(60)
        case "type":
            call.client(user_text("hello"))
        case "ask":
            call.client(ResponseCreate())
        case "cancel":
            call.client(ResponseCancel())
        case "heard":
            if call.turn_id:
                call.engine_heard("well")
        case "say":
            call.engine_speaks(0, "So ")
        case "sound":
            call.engine_speaks(300)
        case "call":
            call.engine_calls("look", "{}", f"call_{call.now_ms}_{len(call.tape)}")
        case "finish":
            call.engine_finishes()
        case "wait":
            call.wait(70)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(steps=STEPS, playout=st.sampled_from(("client", "server")), by_hand=st.booleans())
def test_whatever_happens_the_parts_make_up_the_whole(
    steps: list[str], playout: str, by_hand: bool
) -> None:
    detection = None if by_hand else ServerVad()
    settings_ = session(audio=Audio(input=AudioInput(turn_detection=detection)))
    call = WatchedCall(settings_, playout=playout)
    for step in steps:
        _do(call, step)
    seen: set[str] = set()
    for timeline in call.timelines:
        assert timeline.began_ms <= timeline.ended_ms <= call.now_ms + 1_000
        assert all(part.duration_ms >= 0 for part in timeline.segments)
        assert sum(p.duration_ms for p in timeline.segments) == timeline.duration_ms
        assert timeline.response_id not in seen
        seen.add(timeline.response_id)


def test_a_client_is_told_its_timelines_only_where_it_asked_for_them() -> None:
    def told(antiphon: Answering | UnsetType) -> list[TimelineTold]:
        call = WatchedCall(session(antiphon=antiphon))
        call.client(user_text("hello"), ResponseCreate())
        call.wait(250).engine_speaks(300, "Hi!")
        (timeline,) = call.timelines
        call.give(Timed(timeline))
        found = [event for event in call.events() if isinstance(event, TimelineTold)]
        assert all(event.timeline == timeline for event in found)
        return found

    assert len(told(Answering(timeline=True))) == 1
    assert told(Answering(cost=True)) == []
    assert told(UNSET) == []


def test_money_and_time_are_asked_for_one_by_one() -> None:
    def asked(before: Session, **wishes: bool | None) -> Session:
        patch = SessionPatch(antiphon=Extensions(**wishes))
        found = update_session(before, patch, voice_locked=False)
        assert isinstance(found, Session)
        return found

    both = asked(asked(session(), cost=True), timeline=True)
    assert both.antiphon == Answering(cost=True, timeline=True)
    assert asked(both, cost=None).antiphon == Answering(timeline=True)
    assert asked(both, cost=False, timeline=False).antiphon is UNSET
