"""The official Agents SDK, with nothing changed but the URL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from agents import GuardrailFunctionOutput, OutputGuardrail, function_tool
from agents.realtime import (
    RealtimeAgent,
    RealtimePlaybackTracker,
    RealtimeRunConfig,
    RealtimeRunner,
    RealtimeSession,
    realtime_handoff,
)

from tests.arrangements import Arrangement, Serves
from tests.clients.judged import BYTES_PER_MS, STRICT, TIMEOUT_S
from tests.recordings import at_24khz
from tests.server_process import ServerProcess


class Watched:
    """A session of the SDK; an `error` event fails, and so does one that the models refuse."""

    def __init__(self, session: RealtimeSession) -> None:
        self.session = session
        self.history: list[Any] = []
        self._stream = aiter(session)

    async def until(self, kind: str, holds: Callable[[Any], bool] = lambda _: True) -> Any:
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                event: Any = await anext(self._stream)
                assert event.type != "error", event.error
                if event.type == "raw_model_event" and event.data.type == "raw_server_event":
                    STRICT.validate_python(event.data.data, strict=True)
                if event.type == "history_updated":
                    self.history = event.history
                if event.type == kind and holds(event):
                    return event

    async def said(self, text: str) -> None:
        """Until the assistant has said ``text`` and nothing else."""
        await self.until("history_updated", lambda _: text in said_by("assistant", self.history))

    async def answered(self, text: str) -> None:
        """`said`, and the turn is over."""
        await self.said(text)
        await self.until("raw_model_event", lambda e: e.data.type == "turn_ended")

    async def speak(self, clip: str) -> None:
        silence = bytes(2000 * BYTES_PER_MS)
        pcm = silence[: 300 * BYTES_PER_MS] + at_24khz(clip) + silence
        for at in range(0, len(pcm), 4800):
            await self.session.send_audio(pcm[at : at + 4800])


def said_by(role: str, history: list[Any]) -> list[str | None]:
    return [
        part.transcript if part.type in ("audio", "input_audio") else part.text
        for item in history
        if item.type == "message" and item.role == role
        for part in item.content
    ]


@asynccontextmanager
async def running(
    server: Serves,
    agent: RealtimeAgent[Any],
    *,
    config: RealtimeRunConfig | None = None,
    tracker: RealtimePlaybackTracker | None = None,
) -> AsyncIterator[Watched]:
    runner = RealtimeRunner(agent, config=config)
    session = await runner.run(
        model_config={
            "url": f"{server.websocket_url}/v1/realtime?model=gpt-realtime",
            "api_key": "any",
            **({"playback_tracker": tracker} if tracker else {}),
        }
    )
    async with session:
        yield Watched(session)


async def test_a_typed_turn(offline_server: ServerProcess) -> None:
    async with running(offline_server, RealtimeAgent(name="desk")) as watched:
        await watched.session.send_message("What is six times ten?")
        await watched.until("audio")
        await watched.answered("Six times ten is sixty.")


async def test_a_spoken_order_runs_a_tool_and_its_result_is_told(
    offline_server: ServerProcess, arrangement: Arrangement
) -> None:
    @function_tool
    def book_room() -> str:
        """Book a meeting room."""
        return "The old mill is yours."

    agent = RealtimeAgent(name="desk", tools=[book_room])
    async with (
        arrangement.of(offline_server, hears=["book a room"]) as server,
        running(server, agent) as watched,
    ):
        await watched.speak("cmd_book_a_room")
        ended = await watched.until("tool_end")
        assert (ended.tool.name, ended.output) == ("book_room", "The old mill is yours.")
        await watched.answered("The old mill is yours.")
        assert said_by("user", watched.history)[0] in ("book a room", "book room")


async def test_a_handoff(offline_server: ServerProcess) -> None:
    billing = RealtimeAgent(name="Billing", instructions="Say exactly: This is billing.")
    desk = RealtimeAgent(name="Desk", handoffs=[realtime_handoff(billing)])
    async with running(offline_server, desk) as watched:
        await watched.session.send_message("Let me talk to billing, please.")
        handoff = await watched.until("handoff")
        assert (handoff.from_agent.name, handoff.to_agent.name) == ("Desk", "Billing")
        await watched.answered("This is billing.")


async def test_who_is_interrupted_keeps_in_the_history_what_was_heard(
    offline_server: ServerProcess, arrangement: Arrangement
) -> None:
    tracker = RealtimePlaybackTracker()
    async with (
        arrangement.of(offline_server, hears=["yes"]) as server,
        running(server, RealtimeAgent(name="desk"), tracker=tracker) as watched,
    ):
        await watched.session.send_message("Tell me a story.")
        audio = await watched.until("audio")
        await watched.until("raw_model_event", lambda e: e.data.type == "turn_ended")
        [told] = said_by("assistant", watched.history)
        tracker.on_play_ms(audio.item_id, audio.content_index, 2000)
        await watched.speak("laptop_yes")
        interrupted = await watched.until("audio_interrupted")
        assert interrupted.item_id == audio.item_id
        await watched.said("Good. What would you like to do?")
        assert told
        kept = said_by("assistant", watched.history)[0]
        assert kept
        assert told.startswith(kept)
        assert 10 < len(kept) < 60
        assert not told[len(kept)].isalpha(), "a word that was not heard whole"


async def test_a_guardrail_stops_what_is_said(offline_server: ServerProcess) -> None:
    def no_ships(_context: Any, _agent: Any, output: str) -> GuardrailFunctionOutput:
        return GuardrailFunctionOutput(output_info=None, tripwire_triggered="ships" in output)

    agent = RealtimeAgent(
        name="desk", output_guardrails=[OutputGuardrail(no_ships, name="no ships")]
    )
    config: RealtimeRunConfig = {"guardrails_settings": {"debounce_text_length": 20}}
    async with running(offline_server, agent, config=config) as watched:
        await watched.session.send_message("Tell me a story.")
        tripped = await watched.until("guardrail_tripped")
        assert "ships" in tripped.message
        await watched.until("raw_model_event", lambda e: e.data.type == "turn_ended")
        await watched.until("raw_model_event", lambda e: e.data.type == "turn_ended")
