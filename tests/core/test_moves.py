"""Another engine takes over: what nobody had begun to answer is asked again, the rest said anew."""

from __future__ import annotations

from typing import Any

from antiphon.core.causes import EngineMoved, RateLimitsChanged, TranscriptEnded
from antiphon.core.effects import Configure, DetectVoice, Generate, TurnCommitted
from antiphon.core.records import EngineChanged, Record
from antiphon.core.responses import UNLIMITED
from antiphon.protocol import client, server
from antiphon.protocol import session as wire
from antiphon.protocol.session import Session
from tests.core.stories import (
    append,
    by_hand,
    hands_free,
    ids,
    of_kind,
    respond,
    text,
    update_input,
)

OTHER = EngineMoved(name="other", message="The first is gone.", code="gone", voices=("amy",))


def test_an_answer_that_had_not_begun_is_asked_again_and_nobody_notices() -> None:
    call = by_hand(engine_name="first")
    call.client(text("Hello.", "hello"), respond(instructions="Be brief."))
    asked = call.response_id
    call.take()
    call.give(OTHER)
    effects: list[Any] = call.take()
    assert [type(e) for e in effects] == [server.SessionUpdated, Configure, Generate]
    again = effects[-1]
    assert isinstance(again, Generate)
    assert again.response_id == asked
    assert again.instructions == "Be brief."
    assert [item.id for item in again.items] == ["hello"]
    call.engine_writes("Yes.").engine_finishes()
    assert call.one(server.ResponseDone).response.status == "completed"


def test_it_is_in_the_log() -> None:
    call = by_hand(engine_name="first", recorded=True)
    call.take()
    call.give(OTHER)
    changes = [effect.change for effect in call.take() if isinstance(effect, Record)]
    assert changes[0] == EngineChanged("other", "gone")


def test_an_answer_that_had_begun_ends_once_and_is_given_anew() -> None:
    call = by_hand(engine_name="first")
    call.client(text("Hello."), respond(instructions="Be brief.", metadata={"k": "v"}))
    call.engine_speaks(400, "Good mor")
    first = call.response_id
    call.take()
    call.give(OTHER)
    effects: list[Any] = call.take()
    [done] = of_kind(effects, server.ResponseDone)
    assert (done.response.id, done.response.status) == (first, "failed")
    assert done.response.status_details is not None
    assert done.response.status_details.error == server.ResponseError(
        code="gone", message="The first is gone."
    )
    [created] = of_kind(effects, server.ResponseCreated)
    [again] = of_kind(effects, Generate)
    assert created.response.id == again.response_id != first
    assert created.response.metadata == {"k": "v"}
    assert again.instructions == "Be brief."
    assert [item.id for item in again.items] == ids(call)
    assert len(again.items) == 2, "what was said of the answer stays"


def test_who_answers_is_shown() -> None:
    call = by_hand(engine_name="first")
    call.give(OTHER)
    session = call.one(server.SessionUpdated).session
    assert session.antiphon == wire.Answering("other", "amy")


def test_a_model_and_a_voice_that_were_asked_for_are_the_sessions_from_then_on() -> None:
    call = by_hand(engine_name="first")
    call.client(respond()).engine_speaks(100, "Yes.").engine_finishes()
    call.take()
    call.give(EngineMoved(name="other", message="Moved.", model="m2", voice="amy"))
    session = call.one(server.SessionUpdated).session
    assert isinstance(session, Session)
    assert (session.model, session.audio.output.voice) == ("m2", "amy")
    call.client(respond())
    assert call.one(Generate).voice == "amy"


def test_words_that_were_awaited_are_asked_of_the_new_engine() -> None:
    call = by_hand()
    call.client(update_input(transcription=wire.TranscriptionPatch(model="whisper-1")))
    call.client(append(200), client.InputAudioBufferCommit())
    turn = call.turn_id
    call.take()
    call.give(OTHER)
    committed = call.one(TurnCommitted)
    assert (committed.item_id, len(committed.pcm)) == (turn, 9_600)
    call.give(TranscriptEnded(turn, "Hello."))
    assert call.one(server.TranscriptionCompleted).transcript == "Hello."


def test_the_new_engine_may_find_turns_and_the_old_one_not() -> None:
    call = hands_free()
    call.give(EngineMoved(name="finds", message="Moved.", finds_turns=True))
    assert call.one(DetectVoice).on is False
    call.give(OTHER)
    assert call.one(DetectVoice).on is True


def test_an_answer_beside_the_conversation_that_had_begun_fails_and_is_not_given_anew() -> None:
    call = by_hand()
    call.client(respond(conversation="none")).engine_writes("Be")
    call.take()
    call.give(OTHER)
    effects: list[Any] = call.take()
    assert of_kind(effects, server.ResponseDone)
    assert not of_kind(effects, Generate)


def test_rate_limits_are_the_new_engines() -> None:
    call = by_hand()
    call.give(RateLimitsChanged((server.RateLimit("tokens", 10, 1, 60.0),)))
    call.give(OTHER)
    call.take()
    call.client(respond()).engine_writes("Yes.").engine_finishes()
    assert call.one(server.RateLimitsUpdated).rate_limits == UNLIMITED
