"""What an engine's session has to tell, in order, bounded."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Protocol

from antiphon.core.causes import (
    EngineCalled,
    EngineFailed,
    EngineFinished,
    EngineSaid,
    EngineSpoke,
    EngineThought,
    EngineWrote,
    PartFailed,
)
from antiphon.engines.engine import GivesWay, SessionNews

MAX_WAITING = 64
"""Pieces of an answer.  Overflow policy: whoever makes the answer waits."""


AnswerNews = (
    EngineThought
    | EngineSaid
    | EngineSpoke
    | EngineWrote
    | EngineCalled
    | PartFailed
    | GivesWay
    | EngineFinished
    | EngineFailed
)


class AnswerSink(Protocol):
    """Where an answer goes as it is made."""

    async def answer(self, news: AnswerNews) -> None:
        """Waits where there is no room."""
        ...


class NewsQueue:
    """Answers wait for room; what was heard (a few words a second) never waits."""

    def __init__(self) -> None:
        self._news: deque[SessionNews] = deque()
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._closed = False

    def tell(self, news: SessionNews) -> None:
        if not self._closed:
            self._news.append(news)
            self._changed.set()

    async def answer(self, news: AnswerNews) -> None:
        while len(self._news) >= MAX_WAITING and not self._closed:
            self._room.clear()
            await self._room.wait()
        self.tell(news)

    def forget(self, response_id: str) -> None:
        """A response was stopped: what is waiting of it is news no more."""
        self._news = deque(n for n in self._news if getattr(n, "response_id", None) != response_id)
        self._room.set()

    def close(self) -> None:
        self._closed = True
        self._news.clear()
        self._changed.set()
        self._room.set()

    async def __aiter__(self) -> AsyncIterator[SessionNews]:
        while True:
            while not self._news:
                if self._closed:
                    return
                self._changed.clear()
                await self._changed.wait()
            news = self._news.popleft()
            if len(self._news) < MAX_WAITING:
                self._room.set()
            yield news
