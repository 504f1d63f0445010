"""The smallest engine and connection that a session can live with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from antiphon.core.causes import EngineFinished, EngineNews, EngineWrote
from antiphon.core.effects import EngineCommand, Generate
from antiphon.engines.engine import Abilities
from antiphon.protocol.codec import encode_server_event
from antiphon.protocol.server import ServerEvent


class Line:
    """A connection that keeps what it is sent."""

    def __init__(self, name: str) -> None:
        self.id = name
        self.queued_bytes = 0
        self.closed: tuple[int, str] | None = None
        self._events: list[Any] = []

    def send(self, event: ServerEvent) -> None:
        if self.closed is None:
            self._events.append(msgspec.json.decode(encode_server_event(event)))

    def close(self, code: int, reason: str) -> None:
        if self.closed is None:
            self.closed = (code, reason)

    async def flushed(self) -> None: ...

    def take(self) -> list[Any]:
        taken, self._events = self._events, []
        return taken

    def types(self) -> list[str]:
        return [event["type"] for event in self.take()]


class EchoEngine:
    """Answers every request with the same word."""

    name = "echo"
    description = "Answers every request with the same word."
    abilities = Abilities(speaks=False)

    async def start(self) -> None: ...

    def open(self, session_id: str) -> EchoSession:
        return EchoSession()

    async def aclose(self) -> None: ...


class EchoSession:
    def __init__(self) -> None:
        self._news: asyncio.Queue[EngineNews | None] = asyncio.Queue()

    def send(self, command: EngineCommand) -> None:
        if isinstance(command, Generate):
            self._news.put_nowait(EngineWrote(command.response_id, "Yes."))
            self._news.put_nowait(EngineFinished(command.response_id))

    async def __aiter__(self) -> AsyncIterator[EngineNews]:
        while (news := await self._news.get()) is not None:
            yield news

    async def aclose(self) -> None:
        self._news.put_nowait(None)
