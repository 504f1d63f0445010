"""A session through the official SDK, where the official models judge every event."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from msgspec import Struct
from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

from tests.arrangements import Serves
from tests.recordings import at_24khz

TIMEOUT_S = 60
"""For one event: a busy machine is no failure."""
BYTES_PER_MS = 48
APPEND_BYTES = 100 * BYTES_PER_MS
STRICT: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)


class Reply(Struct):
    response: Any
    """Of its `response.done`."""
    transcript: str
    pcm: bytes
    item_id: str


class JudgedSession:
    """Sends with the SDK, receives with the SDK; no event escapes the judge."""

    def __init__(self, connection: AsyncRealtimeConnection) -> None:
        self.connection = connection
        self.events: list[Any] = []

    async def next(self) -> Any:
        async with asyncio.timeout(TIMEOUT_S):
            data = await self.connection.recv_bytes()
        STRICT.validate_python(json.loads(data), strict=True)
        event = self.connection.parse_event(data)
        self.events.append(event)
        return event

    async def until(self, kind: str, **fields: Any) -> Any:
        """The next event of this type with these fields; any other `error` fails."""
        while True:
            event = await self.next()
            if event.type == kind and all(getattr(event, k) == v for k, v in fields.items()):
                return event
            assert event.type != "error", event

    def seen(self, kind: str) -> list[Any]:
        return [event for event in self.events if event.type == kind]

    async def configure(self, **session: Any) -> Any:
        settings: Any = {"type": "realtime", **session}
        await self.connection.session.update(session=settings)
        return (await self.until("session.updated")).session

    async def append(self, pcm: bytes) -> None:
        for at in range(0, len(pcm), APPEND_BYTES):
            piece = base64.b64encode(pcm[at : at + APPEND_BYTES]).decode()
            await self.connection.input_audio_buffer.append(audio=piece)

    async def speak(self, clip: str, *, silence_ms: int = 1000) -> None:
        """A person speaks, and then is silent; faster than real time."""
        lead = bytes(300 * BYTES_PER_MS)
        await self.append(lead + at_24khz(clip) + bytes(silence_ms * BYTES_PER_MS))

    async def type(self, text: str) -> None:
        await self.connection.conversation.item.create(
            item={
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": text}],
            }
        )

    async def reply(self) -> Reply:
        """The answer that comes next, whole."""
        done = (await self.until("response.done")).response
        audio = [
            base64.b64decode(event.delta)
            for event in self.seen("response.output_audio.delta")
            if event.response_id == done.id
        ]
        said = [
            event.transcript
            for event in self.seen("response.output_audio_transcript.done")
            if event.response_id == done.id
        ]
        item_id = done.output[0].id if done.output else ""
        return Reply(done, " ".join(said), b"".join(audio), item_id)

    async def ask(self, text: str) -> Reply:
        await self.type(text)
        await self.connection.response.create()
        return await self.reply()


def sdk(server: Serves) -> AsyncOpenAI:
    return AsyncOpenAI(
        base_url=f"{server.url}/v1", websocket_base_url=f"{server.websocket_url}/v1", api_key="any"
    )


@asynccontextmanager
async def judged(
    server: Serves, *, call_id: str | None = None, **query: Any
) -> AsyncIterator[JudgedSession]:
    """A session with the server, or one that is live joined by its id; ``session.created``
    has come.
    """
    client = sdk(server)
    options: dict[str, Any] = {"extra_query": query} if query else {"model": "gpt-realtime"}
    if call_id is not None:
        options = {"call_id": call_id}
    async with client, client.realtime.connect(**options) as connection:
        session = JudgedSession(connection)
        assert (await session.next()).type == "session.created"
        yield session
