"""A restaurant's phone: a voice agent of the Agents SDK, and what an app needs around it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from agents import function_tool
from agents.realtime import (
    RealtimeAgent,
    RealtimeItem,
    RealtimeModelSendRawMessage,
    RealtimePlaybackTracker,
    RealtimeRunner,
    RealtimeSession,
)

URL = "wss://api.openai.com/v1/realtime?model=gpt-realtime"
BYTES_PER_S = 48_000
MAX_RETRIES = 1


@function_tool
def book_table(guests: int, time: str) -> str:
    """Book a table."""
    return f"Booked: a table for {guests} at {time}."


agent = RealtimeAgent(
    name="Restaurant",
    instructions="You answer the phone of a restaurant, and book tables.",
    tools=[book_table],
)


class Call:
    """One guest on the phone.

    Attributes:
        lines: the conversation as the guest knows it; what they interrupted ends where they did.
        said: the agent's answers, whole.
        failures: codes of what went wrong.
    """

    def __init__(self, session: RealtimeSession, tracker: RealtimePlaybackTracker) -> None:
        self.session = session
        self.lines: list[str] = []
        self.said: list[str] = []
        self.failures: list[str] = []
        self._tracker = tracker
        self._sound: asyncio.Queue[Any] = asyncio.Queue()
        self._retries = 0

    async def follow(self) -> None:
        async for event in self.session:
            if event.type == "audio":
                self._sound.put_nowait(event)
            elif event.type == "audio_interrupted":
                while not self._sound.empty():
                    self._sound.get_nowait()
            elif event.type == "history_updated":
                self.lines = [line for item in event.history if (line := text_of(item))]
            elif event.type == "raw_model_event" and event.data.type == "raw_server_event":
                await self._on_server_event(event.data.data)

    async def play(self) -> None:
        """To the guest.  A real phone would get `audio.data`; here only its time passes."""
        while True:
            sound = await self._sound.get()
            await asyncio.sleep(len(sound.audio.data) / BYTES_PER_S)
            self._tracker.on_play_bytes(sound.item_id, sound.content_index, sound.audio.data)

    async def _on_server_event(self, event: Any) -> None:
        if event["type"] == "response.output_audio_transcript.done":
            self.said.append(event["transcript"])
        elif event["type"] == "response.done" and event["response"]["status"] == "failed":
            # The SDK only says that the turn has ended.
            self.failures.append(event["response"]["status_details"]["error"]["code"])
            if self._retries < MAX_RETRIES:
                self._retries += 1
                again = RealtimeModelSendRawMessage(message={"type": "response.create"})
                await self.session.model.send_event(again)


def text_of(item: RealtimeItem) -> str:
    if item.type != "message":
        return ""
    texts = [
        getattr(part, "text", None) or getattr(part, "transcript", None) or ""
        for part in item.content
    ]
    return " ".join(texts)


@asynccontextmanager
async def answering(url: str = URL) -> AsyncIterator[Call]:
    tracker = RealtimePlaybackTracker()
    session = await RealtimeRunner(agent).run(
        model_config={
            "url": url,
            "api_key": os.environ.get("OPENAI_API_KEY", "any"),
            "playback_tracker": tracker,
        }
    )
    async with session:
        call = Call(session, tracker)
        tasks = [asyncio.create_task(call.follow()), asyncio.create_task(call.play())]
        try:
            yield call
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
