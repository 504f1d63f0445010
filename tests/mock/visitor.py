"""A bare client of a mock: it reads what comes, and believes nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import ClientWebSocketResponse, WSMsgType

from antiphon.mock import Mock
from antiphon.testing.conformance.sound import CHUNK_MS, SILENCE, VOICE

Event = dict[str, Any]


@dataclass
class Visitor:
    socket: ClientWebSocketResponse
    messages: list[str] = field(default_factory=list)
    came_ms: list[int] = field(default_factory=list)
    """When each message came, by the loop's clock."""
    close_code: int | None = None

    async def read(self) -> None:
        async for message in self.socket:
            if message.type is WSMsgType.TEXT:
                self.messages.append(message.data)
                self.came_ms.append(round(asyncio.get_running_loop().time() * 1000))
        self.close_code = self.socket.close_code

    @property
    def events(self) -> list[Event]:
        """Those messages that are any."""
        found = []
        for message in self.messages:
            try:
                event = json.loads(message)
            except ValueError:
                continue
            if isinstance(event, dict):
                found.append(event)
        return found

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.events]

    def of_type(self, type_: str) -> list[Event]:
        return [event for event in self.events if event["type"] == type_]

    def ms_of(self, type_: str) -> int:
        """When the first of a type came."""
        for message, at_ms in zip(self.messages, self.came_ms, strict=True):
            if f'"type":"{type_}"' in message:
                return at_ms
        raise AssertionError(f"no {type_} came")

    async def send(self, type_: str, **fields: Any) -> None:
        await self.socket.send_str(json.dumps({"type": type_, **fields}))

    async def types_text(self, text: str) -> None:
        content = [{"type": "input_text", "text": text}]
        item = {"type": "message", "role": "user", "content": content}
        await self.send("conversation.item.create", item=item)
        await self.send("response.create")

    async def speaks(self, ms: int) -> None:
        await self._microphone(VOICE, ms)

    async def is_quiet(self, ms: int) -> None:
        await self._microphone(SILENCE, ms)

    async def _microphone(self, chunk: str, ms: int) -> None:
        for _ in range(ms // CHUNK_MS):
            await asyncio.sleep(CHUNK_MS / 1000)
            await self.socket.send_str(chunk)


@asynccontextmanager
async def visiting(mock: Mock, path: str = "/v1/realtime?model=any") -> AsyncIterator[Visitor]:
    async with mock.client() as http, http.ws_connect(path, max_msg_size=0) as socket:
        visitor = Visitor(socket)
        reading = asyncio.create_task(visitor.read())
        try:
            yield visitor
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
