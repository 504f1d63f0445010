"""Lines without a network: the core alone, and a whole session in this process.

Both live in virtual time, with the script's own engine behind them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

import msgspec

from antiphon.core.causes import MessageRefused
from antiphon.core.effects import (
    Close,
    Configure,
    Effect,
    Generate,
    Hear,
    InputDropped,
    SendTo,
    StopGenerating,
    TurnBegan,
    TurnCommitted,
)
from antiphon.engines.engine import Engine
from antiphon.engines.scripted import Player, ScriptedEngine
from antiphon.engines.vad.energy import EnergyDetector
from antiphon.errors import ProtocolError
from antiphon.protocol.codec import encode_server_event
from antiphon.protocol.dialects import ga
from antiphon.protocol.server import ErrorDetail, ServerEvent
from antiphon.protocol.session import TranscriptionSession
from antiphon.runtime.hub import Hub, SessionRules
from antiphon.testing.conformance.runner import Event
from antiphon.testing.conformance.script import Script
from antiphon.testing.conformance.sound import CHUNK_MS, SILENCE, VOICE
from antiphon.testing.memory_connection import MemoryConnection
from antiphon.testing.virtual_call import CLIENT, VirtualCall, session

VIRTUAL = "virtual"
LIVE = "live"
WEBRTC = "webrtc"

EngineEffect = (
    Configure | Hear | TurnBegan | TurnCommitted | InputDropped | Generate | StopGenerating
)


def _closed(code: int, reason: str) -> Event:
    return {"type": "(closed)", "code": code, "reason": reason}


class VirtualLine:
    """The conversation alone, driven by hand.  Knows both kinds of playout."""

    def __init__(self, script: Script) -> None:
        head = script.head
        kind = head.kind
        settings = (
            TranscriptionSession(id="sess_virtual", expires_at=3600)
            if kind == "transcription"
            else session()
        )
        self.call = VirtualCall(
            settings,
            playout=head.playout,
            session_max_ms=head.session_max_ms,
            context_tokens=head.context_tokens,
            engine_speaks=head.engine_speaks,
        )
        self._player = Player(head.engine)
        self._events: deque[Event] = deque()
        self._carry_out(self.call.opening)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass

    async def send(self, message: str) -> None:
        try:
            event = ga.decode(message)
        except ProtocolError as error:
            detail = ErrorDetail(
                code=error.code, message=error.message, param=error.param, event_id=error.event_id
            )
            self.call.give(MessageRefused(CLIENT, detail))
        else:
            self.call.client(event)
        self._carry_out(self.call.take())

    async def receive(self, *, expected: bool) -> Event | None:  # noqa: ARG002 -- We are sure.
        self._let_engine_work()
        return self._events.popleft() if self._events else None

    async def user_speaks(self, ms: int) -> None:
        for _ in range(ms // CHUNK_MS):
            self._let_engine_work()
            self.call.user_speaks(CHUNK_MS)

    async def user_is_quiet(self, ms: int) -> None:
        for _ in range(ms // CHUNK_MS):
            self._let_engine_work()
            self.call.user_is_quiet(CHUNK_MS)

    async def wait(self, ms: int) -> None:
        end_ms = self.call.now_ms + ms
        self._let_engine_work()
        while (at_ms := self._player.next_ms) is not None and at_ms <= end_ms:
            self.call.wait(at_ms - self.call.now_ms)
            self._let_engine_work()
        self.call.wait(end_ms - self.call.now_ms)

    def _let_engine_work(self) -> None:
        self._carry_out(self.call.take())
        while (news := self._player.next(self.call.now_ms)) is not None:
            self.call.give(news)
            self._carry_out(self.call.take())

    def _carry_out(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case SendTo():
                    self._deliver(effect.event)
                case Close():
                    self._events.append(_closed(effect.code, effect.reason))
                case _ if isinstance(effect, EngineEffect):
                    self._player.take(effect)
                case _ if isinstance(effect, ServerEvent):
                    self._deliver(effect)

    def _deliver(self, event: ServerEvent) -> None:
        self._events.append(msgspec.json.decode(encode_server_event(event)))


class LiveLine:
    """A whole session: hub, runtime, engine and voice detector; only the network is missing.

    To be used inside `run_in_virtual_time`.  ``around`` makes another engine of the script's.
    """

    def __init__(
        self, script: Script, *, around: Callable[[Engine], Engine] = lambda engine: engine
    ) -> None:
        head = script.head
        self._kind = head.kind
        engine = around(ScriptedEngine(head.engine, speaks=head.engine_speaks))
        self._hub = Hub(
            lambda _: engine,
            detector=EnergyDetector(),
            rules=SessionRules(
                session_max_ms=head.session_max_ms, context_tokens=head.context_tokens
            ),
        )
        self._connection = MemoryConnection()
        self._told_closed = False

    async def __aenter__(self) -> Self:
        self._session = self._hub.open(kind=self._kind, model="test")
        self._session.attach(self._connection)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._session.detach(self._connection)
        await self._hub.aclose()

    async def send(self, message: str) -> None:
        try:
            event = ga.decode(message)
        except ProtocolError as error:
            self._session.refuse(self._connection, error)
        else:
            self._session.receive(self._connection, event)

    async def receive(self, *, expected: bool) -> Event | None:  # noqa: ARG002 -- We are sure.
        data = self._connection.take()
        if data is None:
            await self._settled()
            data = self._connection.take()
        if data is not None:
            event: Event = msgspec.json.decode(data)
            return event
        if self._connection.closed is not None and not self._told_closed:
            self._told_closed = True
            return _closed(*self._connection.closed)
        return None

    async def user_speaks(self, ms: int) -> None:
        await self._microphone(VOICE, ms)

    async def user_is_quiet(self, ms: int) -> None:
        await self._microphone(SILENCE, ms)

    async def wait(self, ms: int) -> None:
        await asyncio.sleep(ms / 1000)

    async def _microphone(self, chunk: str, ms: int) -> None:
        for _ in range(ms // CHUNK_MS):
            await asyncio.sleep(CHUNK_MS / 1000)
            await self.send(chunk)

    async def _settled(self) -> None:
        # In virtual time even the shortest sleep ends only when all others wait.
        await asyncio.sleep(1e-6)
