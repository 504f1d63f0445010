"""Virtual time over real sockets: time moves on only when nothing is in flight."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from aiohttp.test_utils import TestServer

from antiphon.talk.app import Exit, Talk
from antiphon.talk.conversation import Conversation
from antiphon.talk.line import AudioDevice
from antiphon.talk.notices import Notice
from antiphon.talk.playback import Playback
from antiphon.talk.screen import Status
from antiphon.talk.script import Script
from antiphon.talk.settings import Settings
from antiphon.talk.wav import Recorder
from antiphon.upstream.connection import Closed, Connection
from antiphon.upstream.quality import Quality
from antiphon.upstream.reconnect import Backoff
from antiphon.upstream.websocket import WebSocketConnector
from tests.fakes.realtime_server import FakeServer

QUIET_ROUNDS = 6
N = TypeVar("N")


class CountingConnection:
    """A connection that knows how many messages crossed it."""

    def __init__(self, inner: Connection) -> None:
        self._inner = inner
        self.sent = 0
        self.received = 0
        self.is_over = False

    @property
    def quality(self) -> Quality | None:
        return self._inner.quality

    async def send(self, message: str) -> None:
        self.sent += 1
        await self._inner.send(message)

    async def receive(self) -> str | Closed:
        message = await self._inner.receive()
        if isinstance(message, Closed):
            self.is_over = True
        else:
            self.received += 1
        return message

    async def close(self) -> None:
        self.is_over = True
        await self._inner.close()


@dataclass
class World:
    """A clock that moves when the fake server and the client have heard each other out."""

    server: FakeServer
    url: str
    _now_ms: float = 0
    _sleepers: list[tuple[float, int, asyncio.Future[None]]] = field(default_factory=list)
    _slept: int = 0
    _connecting: bool = False
    _connection: CountingConnection | None = None
    key: str | None = None
    on_connected: Callable[[], object] = lambda: None
    _calls: list[tuple[float, Callable[[], object]]] = field(default_factory=list)

    def at(self, at_ms: float, call: Callable[[], object]) -> None:
        """Something a person does at that time."""
        self._calls.append((at_ms, call))

    def now_ms(self) -> float:
        return self._now_ms

    async def sleep_until(self, at_ms: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._slept += 1
        heapq.heappush(self._sleepers, (at_ms, self._slept, future))
        await future

    async def connect(self) -> CountingConnection:
        self._connecting = True
        try:
            inner = await WebSocketConnector(self.url, self.key)()
        finally:
            self._connecting = False
        self._connection = CountingConnection(inner)
        self.on_connected()
        return self._connection

    async def run(self, talk: Talk) -> tuple[Exit, str | None]:
        """Let the client run to its end."""
        async with asyncio.timeout(30):
            task = asyncio.create_task(talk.run())
            while not task.done():
                await self._settle(task)
                while self._sleepers and self._sleepers[0][2].done():
                    heapq.heappop(self._sleepers)
                if self._sleepers and not task.done():
                    at_ms, _, future = heapq.heappop(self._sleepers)
                    self._now_ms = max(self._now_ms, at_ms)
                    future.set_result(None)
                    for call in [c for t, c in self._calls if t <= self._now_ms]:
                        call()
                    self._calls = [(t, c) for t, c in self._calls if t > self._now_ms]
            return task.result()

    async def _settle(self, task: asyncio.Task[Any]) -> None:
        """Until nothing has been in flight for some turns of the loop."""
        quiet = 0
        while quiet < QUIET_ROUNDS and not task.done():
            await asyncio.sleep(0)
            quiet = quiet + 1 if self._is_quiet() else 0

    def _is_quiet(self) -> bool:
        if self._connecting:
            return False
        ours = self._connection
        if ours is None or ours.is_over:
            return True
        theirs = self.server.links[-1]
        return not theirs.closing and ours.sent == theirs.received and ours.received == theirs.sent


class NoticeView:
    """Keeps what was shown."""

    def __init__(self) -> None:
        self.notices: list[tuple[float, Notice]] = []
        self.states: list[str] = []

    def show(self, notice: Notice, now_ms: float, /) -> None:
        self.notices.append((now_ms, notice))

    def draw(self, status: Status, _now_ms: float, /) -> None:
        if not self.states or self.states[-1] != status.state:
            self.states.append(status.state)

    def close(self) -> None:
        pass

    def of(self, kind: type[N]) -> list[N]:
        return [notice for _, notice in self.notices if isinstance(notice, kind)]


@asynccontextmanager
async def world_of(server: FakeServer) -> AsyncIterator[World]:
    async with TestServer(server.app()) as running:
        yield World(server, f"ws://127.0.0.1:{running.port}/v1/realtime?model=fake")


def make_talk(
    world: World,
    view: NoticeView,
    *,
    settings: Settings | None = None,
    script: Script | None = None,
    device: AudioDevice | None = None,
    save: Path | None = None,
    save_both: Path | None = None,
    reconnects: bool = True,
    may_ask: bool = False,
) -> Talk:
    settings = settings or Settings()
    playback = Playback()
    return Talk(
        conversation=Conversation(
            settings,
            playback,
            may_ask=may_ask,
            output_latency_ms=device.output_latency_ms if device else 0,
        ),
        playback=playback,
        connect=world.connect,
        view=view,
        recorder=Recorder(save, save_both),
        clock=world,
        turns=settings.turns,
        script=script,
        device=device,
        backoff=Backoff(lambda: 1.0, attempts=3) if reconnects else None,
    )
