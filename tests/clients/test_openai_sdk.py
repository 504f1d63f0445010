"""The official Python SDK, with nothing changed but the URL."""

from __future__ import annotations

import json
from typing import Any

import pytest

from antiphon.engines.cascade.stt.spoken_words import spoken_words
from tests.arrangements import WITH_ALL_TURNS, Arrangement
from tests.clients.judged import BYTES_PER_MS, JudgedSession, judged
from tests.server_process import ServerProcess

TRANSCRIPTION = {"model": "whisper-1"}
MANUAL: dict[str, Any] = {"input": {"turn_detection": None, "transcription": TRANSCRIPTION}}
BOOK_ROOM = {
    "type": "function",
    "name": "book_room",
    "description": "Book a meeting room.",
    "parameters": {"type": "object", "properties": {}},
}
TRANSCRIBED = "conversation.item.input_audio_transcription.completed"


async def test_a_typed_turn_is_answered_in_text(
    offline_server: ServerProcess, arrangement: Arrangement
) -> None:
    async with arrangement.of(offline_server) as server, judged(server) as session:
        await session.configure(output_modalities=["text"])
        await session.type("What is six times ten?")
        await session.connection.response.create()
        done = (await session.until("response.done")).response
        [text] = session.seen("response.output_text.done")
        assert done.status == "completed"
        assert "sixty" in text.text
        assert "".join(e.delta for e in session.seen("response.output_text.delta")) == text.text
        assert done.usage.total_tokens == done.usage.input_tokens + done.usage.output_tokens > 0


@pytest.mark.parametrize("arrangement", WITH_ALL_TURNS, indirect=True)
async def test_a_spoken_turn_is_transcribed_and_answered_aloud(
    offline_server: ServerProcess, arrangement: Arrangement
) -> None:
    async with (
        arrangement.of(offline_server, hears=["yes"]) as server,
        judged(server) as session,
    ):
        settings = await session.configure(audio={"input": {"transcription": TRANSCRIPTION}})
        assert settings.audio.input.turn_detection.type == "server_vad"

        await session.speak("laptop_yes")
        reply = await session.reply()

        [started] = session.seen("input_audio_buffer.speech_started")
        [stopped] = session.seen("input_audio_buffer.speech_stopped")
        assert started.item_id == stopped.item_id
        assert 500 < stopped.audio_end_ms - started.audio_start_ms < 2500
        [heard] = session.seen(TRANSCRIBED)
        assert (heard.item_id, heard.transcript) == (started.item_id, "yes")
        assert reply.transcript == "Good. What would you like to do?"
        assert 1000 < len(reply.pcm) / BYTES_PER_MS < 10_000
        assert max(reply.pcm) > 0


async def test_two_spoken_turns_in_one_stream_have_two_answers(
    offline_server: ServerProcess,
) -> None:
    async with judged(offline_server) as session:
        await session.configure(audio={"input": {"transcription": TRANSCRIPTION}})
        await session.speak("brooklyn_padded")
        first = await session.reply()
        await session.speak("laptop_yes")
        second = await session.reply()
        assert [" ".join(spoken_words(e.transcript)) for e in session.seen(TRANSCRIBED)] == [
            "how old is the brooklyn bridge",
            "yes",
        ]
        assert first.response.id != second.response.id
        assert "brooklyn bridge" in first.transcript.lower()


@pytest.mark.parametrize("arrangement", WITH_ALL_TURNS, indirect=True)
async def test_a_spoken_order_calls_a_function_and_its_result_is_told(
    offline_server: ServerProcess, arrangement: Arrangement
) -> None:
    async with (
        arrangement.of(offline_server, hears=["book a room"]) as server,
        judged(server) as session,
    ):
        await session.configure(
            tools=[BOOK_ROOM], audio={"input": {"transcription": TRANSCRIPTION}}
        )
        await session.speak("cmd_book_a_room")
        asked = await session.reply()

        [call] = asked.response.output
        assert (call.type, call.name, call.status) == ("function_call", "book_room", "completed")
        [arguments] = session.seen("response.function_call_arguments.done")
        assert (arguments.call_id, arguments.name) == (call.call_id, "book_room")
        assert json.loads(arguments.arguments) == json.loads(call.arguments) == {}

        await session.connection.conversation.item.create(
            item={
                "type": "function_call_output",
                "call_id": call.call_id,
                "output": "The old mill is yours.",
            }
        )
        await session.connection.response.create()
        told = await session.reply()
        assert told.transcript == "The old mill is yours."
        assert told.pcm


async def heard_of(session: JudgedSession, item_id: str, heard_ms: int) -> str:
    """What is kept of an item when the client says how much of it was heard."""
    await session.connection.conversation.item.truncate(
        item_id=item_id, content_index=0, audio_end_ms=heard_ms
    )
    truncated = await session.until("conversation.item.truncated")
    assert (truncated.item_id, truncated.audio_end_ms) == (item_id, heard_ms)
    await session.connection.conversation.item.retrieve(item_id=item_id)
    item = (await session.until("conversation.item.retrieved")).item
    kept: str = item.content[0].transcript
    return kept


def assert_whole_words(kept: str, told: str) -> None:
    assert told.startswith(kept)
    # Nothing is whole words too: the first one may have been cut.
    assert kept in ("", told) or not told[len(kept)].isalpha(), "a word that was not heard whole"


async def test_who_is_interrupted_while_it_sounds_has_said_only_what_was_heard(
    offline_server: ServerProcess, arrangement: Arrangement
) -> None:
    async with (
        arrangement.of(offline_server, hears=["yes"]) as server,
        judged(server) as session,
    ):
        story = await session.ask("Tell me a story.")
        await session.speak("laptop_yes")
        await session.until("input_audio_buffer.speech_started")
        kept = await heard_of(session, story.item_id, 2000)
        assert 10 < len(kept) < 60, kept
        assert_whole_words(kept, story.transcript)
        assert (await session.reply()).transcript == "Good. What would you like to do?"


async def test_who_is_interrupted_while_it_is_made_stops_at_once(
    offline_server: ServerProcess,
) -> None:
    async with judged(offline_server) as session:
        await session.type("Tell me a story.")
        await session.connection.response.create()
        await session.until("response.output_audio.delta")
        await session.speak("laptop_yes")
        story = await session.reply()
        done = session.events[-1]
        answer = await session.reply()
        assert answer.transcript == "Good. What would you like to do?"

        # A fast synthesiser may have been done with it.
        assert story.response.status in ("cancelled", "completed")
        if story.response.status == "cancelled":
            assert story.response.status_details.reason == "turn_detected"
        after = session.events[session.events.index(done) + 1 :]
        assert all(getattr(e, "response_id", "") != story.response.id for e in after)
        kept = await heard_of(session, story.item_id, len(story.pcm) // BYTES_PER_MS // 2)
        assert_whole_words(kept, story.transcript)
        assert len(kept) < len(story.transcript)


async def test_a_cancelled_response_ends_and_nothing_comes_after(
    offline_server: ServerProcess,
) -> None:
    async with judged(offline_server) as session:
        await session.type("Tell me a story.")
        await session.connection.response.create()
        await session.connection.response.cancel()
        done = (await session.until("response.done")).response
        assert (done.status, done.status_details.reason) == ("cancelled", "client_cancelled")
        answer = await session.ask("What is two plus two?")
        assert "four" in answer.transcript
        after = session.events[session.events.index(session.seen("response.done")[0]) + 1 :]
        assert all(getattr(e, "response_id", "") != done.id for e in after)


async def test_push_to_talk(offline_server: ServerProcess) -> None:
    async with judged(offline_server) as session:
        settings = await session.configure(audio=MANUAL)
        assert settings.audio.input.turn_detection is None
        await session.speak("cmd_two_people", silence_ms=300)
        await session.connection.input_audio_buffer.clear()
        await session.until("input_audio_buffer.cleared")

        await session.speak("laptop_yes", silence_ms=300)
        await session.connection.input_audio_buffer.commit()
        await session.connection.response.create()
        reply = await session.reply()

        [committed] = session.seen("input_audio_buffer.committed")
        [heard] = session.seen(TRANSCRIBED)
        assert (heard.item_id, heard.transcript) == (committed.item_id, "yes")
        assert reply.transcript == "Good. What would you like to do?"
        assert not session.seen("input_audio_buffer.speech_started")


async def test_a_transcription_session_only_listens(offline_server: ServerProcess) -> None:
    async with judged(offline_server, intent="transcription") as session:
        assert session.events[0].session.type == "transcription"
        settings: Any = {
            "type": "transcription",
            "audio": {"input": {"transcription": TRANSCRIPTION}},
        }
        await session.connection.session.update(session=settings)
        updated = (await session.until("session.updated")).session
        assert (updated.type, updated.audio.input.transcription.model) == (
            "transcription",
            "whisper-1",
        )
        await session.speak("cmd_two_people")
        heard = await session.until(TRANSCRIBED)
        assert spoken_words(heard.transcript) == ("two", "people")
        deltas = session.seen("conversation.item.input_audio_transcription.delta")
        assert "".join(e.delta for e in deltas) == heard.transcript
        assert not session.seen("response.created")


@pytest.mark.parametrize(
    ("event", "code", "param"),
    [
        ({"type": "no.such.event"}, "invalid_value", "type"),
        ({"type": "response.cancel"}, "response_cancel_not_active", None),
        (
            {"type": "conversation.item.delete", "item_id": "item_x"},
            "item_delete_invalid_item_id",
            "item_id",
        ),
        (
            {"type": "session.update", "session": {"type": "realtime", "audio": {"output": 1}}},
            "invalid_type",
            "session.audio.output",
        ),
    ],
    ids=lambda value: value["type"] if isinstance(value, dict) else "",
)
async def test_an_error_says_what_was_wrong_and_the_session_goes_on(
    offline_server: ServerProcess, event: Any, code: str, param: str | None
) -> None:
    event = {"event_id": "mine", **event}
    async with judged(offline_server) as session:
        await session.connection.send(event)
        error = await session.next()
        assert error.type == "error"
        assert error.error.type == "invalid_request_error"
        assert (error.error.code, error.error.param) == (code, param)
        assert error.error.event_id == "mine"
        assert error.error.message
        assert "sixty" in (await session.ask("What is six times ten?")).transcript
