"""An engine that costs next to nothing: it answers at once with speech that was made before.

What a benchmark measures with it is the server.  All that speak are paced by one clock of
5 ms.  The first piece of a reply comes with its `Generate`.  The transcript ahead of it is
three numbers, from which a client on the same machine knows how late things are: when the
pieces are due from (`time.monotonic`, ms); and where the user's audio was, in samples, and
at what time (`time.time_ns`), when the last turn began.
"""

from __future__ import annotations

import asyncio
import time
from array import array
from collections import deque
from collections.abc import AsyncIterator, Callable
from functools import partial
from math import ceil
from typing import Final

from antiphon.core.causes import (
    MEDIA_RATE_HZ,
    EngineFinished,
    EngineNews,
    EngineSaid,
    EngineSpoke,
    TranscriptEnded,
)
from antiphon.core.effects import (
    EngineCommand,
    Generate,
    Hear,
    StopGenerating,
    TurnBegan,
    TurnCommitted,
)
from antiphon.engines.engine import Abilities

TICK_MS: Final = 5


class Pacer:
    """One timer for all; it runs while anyone waits."""

    def __init__(self) -> None:
        self._due: dict[int, list[Callable[[], None]]] = {}
        self._next = 0
        self._runs = False

    @property
    def now(self) -> int:
        """In ticks."""
        return int(time.monotonic() * 1000) // TICK_MS

    def call_at(self, tick: int, callback: Callable[[], None]) -> None:
        self._due.setdefault(tick, []).append(callback)
        if not self._runs:
            self._runs = True
            self._next = self.now + 1
            self._arm()

    def _arm(self) -> None:
        # uvloop counts from the millisecond in which its round began: asked for less it comes
        # early, again and again, until the time has come.
        wait_ms = ceil(self._next * TICK_MS - time.monotonic() * 1000) + 1
        asyncio.get_running_loop().call_later(max(1, wait_ms) / 1000, self._tick)

    def _tick(self) -> None:
        last = self.now
        for tick in range(self._next, last + 1):
            for callback in self._due.pop(tick, ()):
                callback()
        self._next = max(self._next, last + 1)
        self._runs = bool(self._due)
        if self._runs:
            self._arm()


class ZeroSession:
    def __init__(self, engine: ZeroEngine) -> None:
        self._engine = engine
        self._news: deque[EngineNews] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._speaking: str | None = None
        self._pieces = 0
        self._ahead = 0
        self._due = 0
        self._closed = False
        self._heard_samples = self._heard_ns = 0
        self._turn_began = "0 0"

    def send(self, command: EngineCommand) -> None:
        if isinstance(command, Hear):
            self._heard_samples = command.at_sample + len(command.pcm) // 2
            self._heard_ns = time.time_ns()
        elif isinstance(command, Generate):
            self._begin(command.response_id)
        elif isinstance(command, TurnBegan):
            heard_samples = command.from_sample + len(command.pcm) // 2
            self._turn_began = f"{heard_samples} {time.time_ns()}"
        elif isinstance(command, TurnCommitted):
            self.tell(TranscriptEnded(command.item_id, "hello"))
        elif isinstance(command, StopGenerating):
            self._speaking = None

    def __aiter__(self) -> AsyncIterator[EngineNews]:
        return self

    async def __anext__(self) -> EngineNews:
        while not self._news:
            if self._closed:
                raise StopAsyncIteration
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return self._news.popleft()

    async def aclose(self) -> None:
        self._closed = True
        self._speaking = None
        self._wake()

    def _begin(self, response_id: str) -> None:
        self._speaking, self._pieces = response_id, 0
        self._due = self._engine.pacer.now
        self._ahead = self._engine.lead_pieces
        self._next_piece = partial(self._speak, response_id)
        self.tell(EngineSaid(response_id, f"{self._due * TICK_MS} {self._turn_began}"))
        self._next_piece()

    def _speak(self, response_id: str) -> None:
        if response_id != self._speaking:
            return  # It was stopped.
        if self._pieces == self._engine.reply_pieces:
            self._speaking = None
            self.tell(EngineFinished(response_id))
            return
        self._pieces += 1
        self.tell(EngineSpoke(response_id, self._engine.piece))
        if self._ahead:
            self._ahead -= 1
            self._next_piece()
            return
        self._due += self._engine.delta_ticks
        self._engine.pacer.call_at(self._due, self._next_piece)

    def tell(self, news: EngineNews) -> None:
        self._news.append(news)
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class ZeroEngine:
    """Serves any number of sessions.

    Args:
        delta_ms: how much speech comes in one piece.
        reply_ms: how long each reply is; 0: it has no end.
        lead_ms: how much of a reply, after its first piece, comes at once.
    """

    name = "zero"
    description = "Answers everything with the same tone, for benchmarks."
    abilities = Abilities()

    def __init__(self, *, delta_ms: int, reply_ms: int, lead_ms: int = 0) -> None:
        self.pacer = Pacer()
        self.opened: list[ZeroSession] = []
        self.delta_ticks = delta_ms // TICK_MS
        self.reply_pieces = reply_ms // delta_ms or -1
        self.lead_pieces = lead_ms // delta_ms
        samples = delta_ms * MEDIA_RATE_HZ // 1000
        self.piece = array("h", (i * 7919 % 6000 - 3000 for i in range(samples))).tobytes()

    async def start(self) -> None:
        pass

    def open(self, session_id: str) -> ZeroSession:  # noqa: ARG002
        session = ZeroSession(self)
        self.opened.append(session)
        return session

    async def aclose(self) -> None:
        pass
