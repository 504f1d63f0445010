"""LiveKit's plugin for the Realtime API, with nothing changed but the URL."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from antiphon.engines.cascade.stt.spoken_words import spoken_words
from tests.arrangements import Arrangement
from tests.clients.cut_line import cut_line
from tests.clients.judged import BYTES_PER_MS, STRICT, TIMEOUT_S
from tests.recordings import at_24khz
from tests.server_process import ServerProcess

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Its own imports are not ours to mend.
    from livekit import rtc
    from livekit.agents import llm, stt
    from livekit.agents.utils import http_context
    from livekit.plugins.openai import STT
    from livekit.plugins.openai.realtime import RealtimeModel

FRAME_BYTES = 20 * BYTES_PER_MS
TAIL_MS = 5000
"""Whatever is thought of the words, semantic_vad waits no longer."""


IN_THE_WORD_MS = 1250
"""In `speech("laptop_yes")`, where a single word is said from 900 to 1500 ms."""
SILENCE = bytes(TAIL_MS * BYTES_PER_MS)


def frames(pcm: bytes) -> list[rtc.AudioFrame]:
    pieces = [pcm[at : at + FRAME_BYTES] for at in range(0, len(pcm), FRAME_BYTES)]
    return [rtc.AudioFrame(piece, 24_000, 1, len(piece) // 2) for piece in pieces]


def speech(clip: str) -> bytes:
    """A person begins to speak."""
    return bytes(300 * BYTES_PER_MS) + at_24khz(clip)


class Watched:
    """A session of the plugin; what it calls an error fails, and so does an event that the
    official models refuse.
    """

    def __init__(self, session: Any) -> None:
        self.session = session
        self.seen: list[tuple[str, Any]] = []
        self._told: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        for name in (
            "input_speech_started",
            "input_speech_stopped",
            "input_audio_transcription_completed",
            "generation_created",
            "remote_item_added",
            "session_reconnected",
            "error",
        ):
            session.on(name, lambda event, name=name: self._tell(name, event))
        session.on("openai_server_event_received", self._judge)

    def _tell(self, name: str, event: Any) -> None:
        self.seen.append((name, event))
        self._told.put_nowait((name, event))

    def _judge(self, event: dict[str, Any]) -> None:
        STRICT.validate_python(event, strict=True)
        self._tell(event["type"], event)

    async def until(self, kind: str, holds: Callable[[Any], bool] = lambda _: True) -> Any:
        while True:
            try:
                name, event = await asyncio.wait_for(self._told.get(), TIMEOUT_S)
            except TimeoutError:
                seen = " ".join(name for name, _ in self.seen)
                raise AssertionError(f"no {kind} came; there were: {seen}") from None
            if name == "error":
                assert event.recoverable, event
                assert "connection closed" in str(event.error), event
            if name == kind and holds(event):
                return event

    def push(self, pcm: bytes) -> None:
        for frame in frames(pcm):
            self.session.push_audio(frame)

    def lines(self) -> list[tuple[str, str | None]]:
        """The conversation as the plugin mirrors it."""
        return [
            (i.role, i.text_content) for i in self.session.chat_ctx.items if i.type == "message"
        ]


class Said:
    """A reply, as the plugin gives it to its agent."""

    def __init__(self) -> None:
        self.message_id = ""
        self.text = ""
        self.audio_ms = 0.0
        self.calls: list[Any] = []


async def whole(generation: Any) -> Said:
    said = Said()
    async with asyncio.timeout(TIMEOUT_S):
        async for message in generation.message_stream:
            said.message_id = message.message_id
            async for text in message.text_stream:
                said.text += text
            async for frame in message.audio_stream:
                said.audio_ms += frame.duration * 1000
        async for call in generation.function_stream:
            said.calls.append(call)
    return said


@asynccontextmanager
async def running(url: str) -> AsyncIterator[Watched]:
    model = RealtimeModel(base_url=f"{url}/v1", api_key="any")
    watched = Watched(model.session())
    try:
        await watched.until("session.updated")
        yield watched
    finally:
        await watched.session.aclose()
        await model.aclose()


async def test_a_reply_is_asked_for_and_told_from_others_by_its_metadata(
    offline_server: ServerProcess, arrangement: Arrangement
) -> None:
    async with arrangement.of(offline_server) as server, running(server.url) as watched:
        generation = await watched.session.generate_reply(instructions="Say exactly: Good evening.")
        assert generation.user_initiated
        said = await whole(generation)
        assert said.text == "Good evening."
        assert said.audio_ms > 300
        assert watched.lines() == [("assistant", "Good evening.")]


async def test_the_history_follows_what_the_agent_makes_of_it(
    offline_server: ServerProcess,
) -> None:
    async with running(offline_server.url) as watched:
        session = watched.session
        context = llm.ChatContext.empty()
        context.add_message(role="user", content="second", id="item_second")
        await session.update_chat_ctx(context)
        # Before all others: the plugin says "root".
        context.items.insert(0, llm.ChatMessage(role="user", content=["first"], id="item_first"))
        context.add_message(role="assistant", content="third", id="item_third")
        await session.update_chat_ctx(context)
        assert watched.lines() == [("user", "first"), ("user", "second"), ("assistant", "third")]
        # One goes, one changes (it is deleted and made again), the last stays.
        del context.items[1]
        context.items[0] = llm.ChatMessage(role="user", content=["changed"], id="item_first")
        await session.update_chat_ctx(context)
        assert watched.lines() == [("user", "changed"), ("assistant", "third")]
        root = [event for name, event in watched.seen if name == "conversation.item.added"][1]
        assert (root["item"]["id"], root["previous_item_id"]) == ("item_first", None)


@llm.function_tool
async def book_room() -> str:
    """Book a meeting room."""
    return "The old mill is yours."


async def test_a_spoken_order_calls_a_function(
    offline_server: ServerProcess, arrangement: Arrangement
) -> None:
    async with (
        arrangement.of(offline_server, hears=["book a room"]) as server,
        running(server.url) as watched,
    ):
        session = watched.session
        await session.update_tools([book_room])
        await watched.until("session.updated")
        watched.push(speech("cmd_book_a_room") + SILENCE)
        await watched.until("input_speech_started")
        stopped = await watched.until("input_speech_stopped")
        assert stopped.user_transcription_enabled
        generation = await watched.until("generation_created")
        assert not generation.user_initiated
        [call] = (await whole(generation)).calls
        assert (call.name, call.arguments) == ("book_room", "{}")

        context = session.chat_ctx.copy()
        context.items.append(
            llm.FunctionCallOutput(
                call_id=call.call_id, output="The old mill is yours.", is_error=False
            )
        )
        await session.update_chat_ctx(context)
        told = await whole(await session.generate_reply())
        assert told.text == "The old mill is yours."
        kinds = [item.type for item in session.chat_ctx.items]
        assert kinds == ["message", "function_call", "function_call_output", "message"]
        assert watched.lines()[0][1] in ("book a room", "book room")


async def test_who_is_interrupted_keeps_what_was_heard(
    offline_server: ServerProcess, arrangement: Arrangement
) -> None:
    async with (
        arrangement.of(offline_server, hears=["yes"]) as server,
        running(server.url) as watched,
    ):
        session = watched.session
        context = llm.ChatContext.empty()
        context.add_message(role="user", content="Tell me a story.")
        await session.update_chat_ctx(context)
        story = await whole(await session.generate_reply())
        assert story.audio_ms > 4000
        # In the middle of the word: the turn cannot be over before it is interrupted.
        word = speech("laptop_yes")
        watched.push(word[: IN_THE_WORD_MS * BYTES_PER_MS])
        await watched.until("input_speech_started")
        session.interrupt()
        session.truncate(
            message_id=story.message_id, modalities=["audio", "text"], audio_end_ms=2000
        )
        truncated = await watched.until("conversation.item.truncated")
        assert (truncated["item_id"], truncated["audio_end_ms"]) == (story.message_id, 2000)
        watched.push(word[IN_THE_WORD_MS * BYTES_PER_MS :] + SILENCE)
        answer = await whole(await watched.until("generation_created"))
        assert answer.text == "Good. What would you like to do?"
        session.send_event({"type": "conversation.item.retrieve", "item_id": story.message_id})
        kept = (await watched.until("conversation.item.retrieved"))["item"]["content"][0]
        assert story.text.startswith(kept["transcript"])
        assert 10 < len(kept["transcript"]) < 60


async def test_a_reply_that_is_interrupted_while_it_is_asked_for_is_cancelled(
    offline_server: ServerProcess,
) -> None:
    async with running(offline_server.url) as watched:
        watched.session.generate_reply(instructions="Say exactly: Never mind.").cancel()
        done = await watched.until("response.done")
        assert done["response"]["status"] in ("cancelled", "completed")
        again = await whole(await watched.session.generate_reply(instructions="Say exactly: Yes."))
        assert again.text == "Yes."


async def test_a_lost_connection_is_made_again_with_its_history(
    offline_server: ServerProcess,
) -> None:
    async with (
        cut_line(offline_server.port) as line,
        running(f"http://127.0.0.1:{line.port}") as watched,
    ):
        session = watched.session
        context = llm.ChatContext.empty()
        context.add_message(role="user", content="What is six times ten?", id="item_question")
        await session.update_chat_ctx(context)
        await session.update_tools([book_room])
        answer = await whole(await session.generate_reply())
        assert answer.text == "Six times ten is sixty."

        line.cut()
        await watched.until("session_reconnected")
        replayed = await watched.until("conversation.item.added")
        assert replayed["item"]["id"] == "item_question"
        await watched.until("conversation.item.added")
        assert watched.lines() == [
            ("user", "What is six times ten?"),
            ("assistant", "Six times ten is sixty."),
        ]
        watched.push(speech("cmd_book_a_room") + SILENCE)
        [call] = (await whole(await watched.until("generation_created"))).calls
        assert call.name == "book_room"


async def test_its_recogniser_transcribes(offline_server: ServerProcess) -> None:
    async with http_context.open():
        recognizer = STT(
            base_url=f"{offline_server.url}/v1",
            api_key="any",
            model="gpt-4o-transcribe",
            use_realtime=True,
        )
        stream = recognizer.stream()
        for frame in frames(speech("cmd_book_a_room") + SILENCE):
            stream.push_frame(frame)
        kinds = []
        async with asyncio.timeout(TIMEOUT_S):
            async for event in stream:
                kinds.append(event.type)
                if event.type is stt.SpeechEventType.FINAL_TRANSCRIPT:
                    break
        text = " ".join(spoken_words(event.alternatives[0].text))
        assert text in ("book a room", "book room")
        assert kinds.index(stt.SpeechEventType.START_OF_SPEECH) < kinds.index(
            stt.SpeechEventType.FINAL_TRANSCRIPT
        )
        await stream.aclose()
        await recognizer.aclose()
