"""Turns that an engine finds, and answers that it begins: the floor treats them as our own."""

from __future__ import annotations

from typing import Any

import pytest

from antiphon.core.causes import (
    EngineBegan,
    EngineFinished,
    EngineSaid,
    EngineSpoke,
    ShuttingDown,
    TurnEnded,
    TurnFound,
    Word,
)
from antiphon.core.effects import (
    ClearPlayout,
    DetectVoice,
    Generate,
    InputDropped,
    StopGenerating,
    TurnBegan,
    TurnCommitted,
)
from antiphon.protocol import client, server
from antiphon.protocol import session as wire
from antiphon.protocol.items import Message, OutputAudio
from tests.core.stories import append, call_with, hands_free, ids, of_kind, update_input
from tests.core.witness import LawfulCall

FINDS: dict[str, Any] = {"engine_finds_turns": True}
DUPLEX: dict[str, Any] = {"engine_finds_turns": True, "engine_begins": True}


def found(call: LawfulCall, ms: int = 400) -> LawfulCall:
    """A turn, as an engine tells of it."""
    call.give(TurnFound())
    call.user_speaks(ms)
    call.give(TurnEnded())
    return call


def test_a_turn_that_an_engine_finds_is_told_committed_and_answered() -> None:
    call = hands_free(**FINDS)
    assert not any(isinstance(effect, DetectVoice) for effect in call.opening)
    call.user_speaks(200)
    found(call)
    assert [
        type(e) for e in call.take() if isinstance(e, TurnBegan | TurnCommitted | Generate)
    ] == [
        TurnBegan,
        TurnCommitted,
        Generate,
    ]


def test_its_events_are_those_of_any_turn() -> None:
    ours, theirs = hands_free(), hands_free(**FINDS)
    ours.user_speaks(400).user_is_quiet(700)
    assert found(theirs).types() == ours.types()


def test_it_may_have_begun_before_it_was_found() -> None:
    call = hands_free(**FINDS)
    call.user_speaks(600)
    call.give(TurnFound(from_sample=24 * 100))
    assert call.one(TurnBegan).pcm == bytes(2 * 24 * 500)
    call.give(TurnEnded(at_sample=24 * 300))
    assert len(call.one(TurnCommitted).pcm) == 2 * 24 * 200


def test_positions_beyond_what_was_heard_are_brought_back_to_it() -> None:
    call = hands_free(**FINDS)
    call.user_speaks(100)
    call.give(TurnFound(from_sample=24 * 5_000))
    assert call.one(TurnBegan).from_sample == 24 * 100
    call.user_speaks(200)
    call.give(TurnEnded(at_sample=24 * 50))
    assert call.one(server.SpeechStopped).audio_end_ms == 100


def test_turns_that_nobody_wants_found_are_none() -> None:
    call = call_with(FINDS, turn_detection=None)
    call.give(TurnFound())
    call.give(TurnEnded())
    assert call.take() == []
    call.client(append(200), client.InputAudioBufferCommit())
    assert len(ids(call)) == 1


def test_a_turn_that_the_client_ended_first_is_not_ended_again() -> None:
    call = hands_free(**FINDS)
    call.give(TurnFound())
    call.user_speaks(300).client(client.InputAudioBufferClear())
    assert call.one(InputDropped)
    call.give(TurnEnded())
    assert call.take() == []


def test_a_turn_under_way_is_one_the_user_speaks_in() -> None:
    call = hands_free(**FINDS)
    call.give(TurnFound())
    assert call.conversation.user_speaks
    call.give(TurnEnded())
    assert not call.conversation.user_speaks


def test_it_interrupts_and_keeps_what_was_heard() -> None:
    call = hands_free(playout="server", **FINDS)
    found(call)
    call.give(EngineSaid(call.response_id, "One two."))
    pcm = bytes(2 * 24 * 800)
    call.give(EngineSpoke(call.response_id, pcm, (Word(3, 24 * 300), Word(8, 24 * 800))))
    call.wait(400).take()
    call.give(TurnFound(played_samples=24 * 400))
    effects = call.take()
    assert [type(e) for e in effects[:3]] == [TurnBegan, server.SpeechStarted, ClearPlayout]
    assert StopGenerating(call.response_id) in effects
    heard = [i for i in call.conversation.items if isinstance(i, Message) and i.role == "assistant"]
    assert heard[0].content == (OutputAudio("One"),)


def test_switching_detection_off_and_on_drops_what_was_appended_between() -> None:
    call = hands_free(**FINDS)
    call.client(update_input(turn_detection=None), append(300))
    call.take()
    call.client(update_input(turn_detection=wire.TurnDetectionPatch(type="server_vad")))
    assert call.one(InputDropped)


# --- The engine begins -------------------------------------------------------


def test_an_engine_that_begins_is_not_told_to() -> None:
    call = hands_free(**DUPLEX)
    found(call)
    assert not of_kind(call.events(), server.ResponseCreated)
    call.give(EngineBegan("theirs"))
    assert call.one(server.ResponseCreated).response.conversation_id is not None


def test_news_of_its_answer_comes_under_its_own_name() -> None:
    call = hands_free(**DUPLEX)
    found(call)
    call.give(EngineBegan("theirs"))
    call.engine_speaks(200, "Hello.", response="theirs")
    call.give(EngineFinished("theirs"))
    [done] = of_kind(call.events(), server.ResponseDone)
    assert done.response.status == "completed"
    assert done.response.id.startswith("resp_")
    call.give(EngineSaid("theirs", "More"))
    assert call.take() == [], "what has ended says no more"


def test_its_answer_is_interrupted_under_its_own_name() -> None:
    call = hands_free(**DUPLEX)
    found(call)
    call.give(EngineBegan("theirs"))
    call.give(TurnFound())
    assert call.one(StopGenerating).response_id == "theirs"


@pytest.mark.parametrize("why", ["another runs", "the server goes", "transcription only"])
def test_an_answer_that_may_not_begin_is_stopped_and_told(why: str) -> None:
    call = hands_free(**DUPLEX)
    if why == "another runs":
        call.client(client.ResponseCreate())
    elif why == "the server goes":
        call.client(client.ResponseCreate())
        call.give(ShuttingDown())
    else:
        call = LawfulCall(wire.TranscriptionSession(id="sess_virtual", expires_at=3600), **DUPLEX)
    call.take()
    call.give(EngineBegan("theirs"))
    effects = call.take()
    assert effects[0] == StopGenerating("theirs")
    [error] = of_kind(effects, server.Error)  # type: ignore[arg-type]
    assert error.error.type == "server_error"
    call.give(EngineSaid("theirs", "All the same"))
    assert call.take() == [], "it was told once"


def test_news_of_an_answer_that_nobody_knows_is_told_once() -> None:
    call = hands_free()
    call.give(EngineSpoke("stray", bytes(480)))
    stop, error = call.take()
    assert stop == StopGenerating("stray")
    assert isinstance(error, server.Error)
    assert (error.error.type, error.error.code) == ("server_error", "engine_error")
    call.give(EngineSpoke("stray", bytes(480)))
    assert call.take() == []


def test_a_silence_is_answered_also_where_the_engine_begins() -> None:
    """It knows of turns that it found; of an idle user, only we do."""
    call = hands_free(wire.ServerVad(idle_timeout_ms=5_000), **DUPLEX)
    found(call)
    call.give(EngineBegan("theirs"))
    call.give(EngineFinished("theirs"))
    call.take()
    call.wait(5_000)
    assert call.one(Generate)
