from __future__ import annotations

from typing import Any

import pytest

from antiphon.core.causes import TranscriptEnded, TranscriptFailed, TranscriptGrew, TurnJudged
from antiphon.core.effects import Generate
from antiphon.protocol import client, server
from antiphon.protocol import session as wire
from antiphon.protocol.items import InputAudio, Message
from antiphon.protocol.server import Logprob, TranscriptionUsage
from tests.core.stories import append, by_hand, call_with, hands_free, respond, update_input
from tests.core.witness import LawfulCall

COMMIT = client.InputAudioBufferCommit()
DELTA = "conversation.item.input_audio_transcription.delta"
DONE = "conversation.item.input_audio_transcription.completed"
FAILED = "conversation.item.input_audio_transcription.failed"


def transcribing(model: str = "whisper-1", **more: Any) -> LawfulCall:
    return call_with(turn_detection=None, transcription=wire.Transcription(model), **more)


def begun(call: LawfulCall) -> str:
    call.client(append(300))
    assert call.witness.turn is not None
    call.take()
    return call.witness.turn


def ended(call: LawfulCall) -> list[str]:
    """The turns whose transcripts are complete, in the order in which they became so."""
    return [e.item_id for e in call.events() if isinstance(e, server.TranscriptionCompleted)]


def test_a_turns_words_come_after_its_commit() -> None:
    call = transcribing()
    item_id = begun(call)
    call.give(TranscriptGrew(item_id, "Good "))
    assert call.types() == [], "not before it is an item"
    call.client(COMMIT)
    assert call.types()[-1] == DELTA
    call.give(TranscriptGrew(item_id, "day"))
    assert call.one(server.TranscriptionDelta).delta == "day"
    call.give(TranscriptEnded(item_id, "Good day."))
    rest, done = call.events()
    assert isinstance(rest, server.TranscriptionDelta)
    assert rest.delta == "."
    assert isinstance(done, server.TranscriptionCompleted)
    assert (done.transcript, done.usage, done.content_index) == (
        "Good day.",
        TranscriptionUsage(0.3),
        0,
    )


@pytest.mark.parametrize("model", ["gpt-realtime-whisper", "gpt-live-transcribe", "antiphon-live"])
def test_a_streaming_model_shows_words_while_the_user_speaks(model: str) -> None:
    call = transcribing(model)
    item_id = begun(call)
    call.give(TranscriptGrew(item_id, "Good "))
    assert call.one(server.TranscriptionDelta).delta == "Good "
    call.client(COMMIT)
    assert DELTA not in call.types(), "each word once"


def test_words_that_are_known_at_the_end_alone_are_one_delta() -> None:
    call = transcribing()
    item_id = begun(call)
    call.client(COMMIT).take()
    call.give(TranscriptEnded(item_id, "Good day."))
    assert call.types() == [DELTA, DONE]


def test_an_end_that_overrules_what_grew_is_told_once() -> None:
    call = transcribing()
    item_id = begun(call)
    call.client(COMMIT)
    call.give(TranscriptGrew(item_id, "Good "))
    call.take()
    call.give(TranscriptEnded(item_id, "Could they?"))
    assert call.one(server.TranscriptionCompleted).transcript == "Could they?"


def test_nothing_is_shown_that_was_not_asked_for_but_the_engine_sees_it() -> None:
    call = by_hand()
    item_id = begun(call)
    call.client(COMMIT)
    call.give(TranscriptGrew(item_id, "Good "))
    call.give(TranscriptEnded(item_id, "Good day."))
    assert DONE not in call.types()
    call.client(client.ConversationItemRetrieve(item_id=item_id))
    shown = call.one(server.ConversationItemRetrieved).item
    assert isinstance(shown, Message)
    assert shown.content[0].transcript is None  # type: ignore[union-attr]
    call.client(respond())
    seen = call.one(Generate).items[0]
    assert isinstance(seen, Message)
    assert seen.content == (InputAudio("Good day."),)


def test_a_transcript_is_in_the_item_from_then_on() -> None:
    call = transcribing()
    begun(call)
    call.client(COMMIT).engine_heard("Good day.").take()
    item = call.conversation.items[0]
    assert isinstance(item, Message)
    assert item.content == (InputAudio("Good day."),)


def test_silence_has_an_empty_transcript() -> None:
    call = transcribing()
    begun(call)
    call.client(COMMIT).take()
    call.engine_heard("")
    assert call.one(server.TranscriptionCompleted).transcript == ""


def test_there_is_one_end() -> None:
    call = transcribing()
    item_id = begun(call)
    call.client(COMMIT).engine_heard("A").take()
    call.engine_heard("B")
    call.give(TranscriptFailed(item_id, "late", "too late"))
    call.give(TranscriptGrew(item_id, "C"))
    assert call.types() == []


def test_an_end_before_the_commit_is_ignored() -> None:
    call = transcribing()
    item_id = begun(call)
    call.give(TranscriptEnded(item_id, "Early."))
    call.give(TranscriptFailed(item_id, "a", "b"))
    call.client(COMMIT).take()
    call.engine_heard("Late.")
    assert call.one(server.TranscriptionCompleted).transcript == "Late."


def test_a_failure_is_told_once_without_a_null() -> None:
    call = transcribing()
    item_id = begun(call)
    call.client(COMMIT).take()
    call.give(TranscriptFailed(item_id, "audio_unintelligible", "Could not be understood."))
    failed = call.one(server.TranscriptionFailed)
    assert failed.error == server.TranscriptionError(
        "transcription_error", "audio_unintelligible", "Could not be understood."
    )
    call.engine_heard("After all.")
    assert call.types() == []


def test_a_failure_that_nobody_waits_for_is_silent() -> None:
    call = by_hand()
    item_id = begun(call)
    call.client(COMMIT).take()
    call.give(TranscriptFailed(item_id, "a", "b"))
    assert call.types() == []


def test_a_deleted_item_has_no_transcript() -> None:
    call = transcribing()
    item_id = begun(call)
    call.client(COMMIT, client.ConversationItemDelete(item_id=item_id)).take()
    call.engine_heard("Gone.")
    assert call.types() == []


def test_a_cleared_turn_has_no_transcript() -> None:
    call = transcribing("antiphon-live")
    item_id = begun(call)
    call.client(client.InputAudioBufferClear()).take()
    call.give(TranscriptGrew(item_id, "Gone"))
    call.give(TranscriptEnded(item_id, "Gone."))
    assert call.types() == []


def test_transcripts_come_in_any_order() -> None:
    call = transcribing()
    first = begun(call)
    call.client(COMMIT)
    second = begun(call)
    call.client(COMMIT).take()
    call.give(TranscriptEnded(second, "Two."))
    call.give(TranscriptEnded(first, "One."))
    assert ended(call) == [second, first]


def test_a_created_items_audio_is_transcribed_where_it_stands() -> None:
    call = transcribing()
    parts = (InputAudio("Known."), InputAudio(audio=bytes(9_600)))
    created = client.ConversationItemCreate(item=Message(role="user", content=parts, id="mine"))
    call.client(created).take()
    call.engine_heard("New.")
    done = call.one(server.TranscriptionCompleted)
    assert (done.item_id, done.content_index, done.usage) == ("mine", 1, TranscriptionUsage(0.2))


def test_logprobs_are_sent_where_they_are_included() -> None:
    call = transcribing()
    logprobs = (Logprob("Hi", -0.1, (72, 105)),)
    item_id = begun(call)
    call.client(COMMIT).take()
    call.give(TranscriptEnded(item_id, "Hi", logprobs))
    assert call.one(server.TranscriptionCompleted).logprobs is None
    include = wire.SessionPatch(include=("item.input_audio_transcription.logprobs",))
    call.client(client.SessionUpdate(session=include))
    item_id = begun(call)
    call.client(COMMIT).take()
    call.give(TranscriptEnded(item_id, "Hi", logprobs))
    assert call.one(server.TranscriptionCompleted).logprobs == logprobs


def test_a_transcription_session_transcribes_without_being_told() -> None:
    call = LawfulCall(wire.TranscriptionSession(id="sess_1", expires_at=1))
    call.user_speaks(300).user_is_quiet(700).take()
    call.engine_heard("Hello.")
    assert call.types() == [DELTA, DONE]


def test_switched_on_later_it_counts_for_later_turns() -> None:
    call = by_hand()
    first = begun(call)
    call.client(COMMIT, update_input(transcription=wire.TranscriptionPatch(model="whisper-1")))
    second = begun(call)
    call.client(COMMIT).take()
    call.give(TranscriptEnded(first, "One."))
    call.give(TranscriptEnded(second, "Two."))
    assert ended(call) == [second]


def test_a_judged_turn_ends_sooner() -> None:
    slow, fast = (hands_free(wire.SemanticVad(create_response=False)) for _ in range(2))
    for call in (slow, fast):
        call.user_speaks(400).take()
    assert fast.witness.turn is not None
    fast.give(TurnJudged(fast.witness.turn, 7.0))
    fast.give(TurnJudged("item_none", 0.0))
    slow.user_is_quiet(500)
    fast.user_is_quiet(500)
    assert slow.types() == []
    assert "input_audio_buffer.committed" in fast.types()
