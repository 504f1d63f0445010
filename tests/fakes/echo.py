"""Sessions that answer every message with one event, for tests of transports and server."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Collection, Mapping
from typing import Literal

from antiphon.core.records import Past
from antiphon.engines.scripted import ScriptedEngine
from antiphon.errors import EngineUnavailable, ProtocolError
from antiphon.identity.principal import ANYONE, Principal
from antiphon.protocol.client import ClientEvent, InputAudioBufferAppend
from antiphon.protocol.server import (
    Error,
    ErrorDetail,
    InputAudioBufferCleared,
    ResponseOutputAudioDelta,
    ServerEvent,
    SessionCreated,
)
from antiphon.protocol.session import AnySession, Session, SessionPatch
from antiphon.runtime.connection import Connection
from antiphon.runtime.door import About, Retention, SessionDoor
from antiphon.runtime.hub import Hub, SessionKind
from antiphon.runtime.media import Playback
from antiphon.runtime.server_tools import ServerTools

_event_numbers = itertools.count(1)


def new_event_id() -> str:
    return f"event_{next(_event_numbers)}"


def audio_delta(audio: bytes, item_id: str = "item_1") -> ResponseOutputAudioDelta:
    return ResponseOutputAudioDelta(
        event_id=new_event_id(),
        response_id="resp_1",
        item_id=item_id,
        output_index=0,
        content_index=0,
        delta=audio,
    )


class EchoSession:
    """Audio comes back (large audio: only its length, as ``item_id``); the rest is "cleared"."""

    def __init__(
        self, session_id: str = "sess_echo", ended: Callable[[SessionDoor], None] | None = None
    ) -> None:
        self.about = About(
            session_id=session_id,
            engine_name="echo",
            transport="websocket",
            began_at=0,
            conversation_id="conv_echo",
        )
        self.keeps_a_seat = False
        self.connections: list[Connection] = []
        self.received: list[ClientEvent] = []
        self.attached = asyncio.Event()
        self.detached = asyncio.Event()
        self.detachments = 0
        self.goodbyes = 0
        self._tell_ended = ended

    @property
    def id(self) -> str:
        return self.about.session_id

    @property
    def settings(self) -> AnySession:
        return Session(id=self.id, model="echo", expires_at=0)

    @property
    def state(self) -> Literal["idle", "ended"]:
        return "idle" if self.connections else "ended"

    @property
    def connection_roles(self) -> Mapping[str, Literal["owner", "sideband"]]:
        return {connection.id: "owner" for connection in self.connections}

    def attach(
        self,
        connection: Connection,
        *,
        owns: bool = True,
        may_send: Collection[str] | None = None,
        after: str | None = None,
    ) -> None:
        self.connections.append(connection)
        connection.send(SessionCreated(event_id=new_event_id(), session=self.settings))
        self.attached.set()

    def resume(
        self,
        connection: Connection,
        *,
        token: str,
        may_send: Collection[str] | None = None,
        after: str | None = None,
        shows_items: bool = False,
        playback: Playback | None = None,
        played: int | None = None,
    ) -> None:
        raise AssertionError(f"nobody was given a token ({connection.id}, {after})")

    def detach(self, connection: Connection, *, for_good: bool = False) -> None:
        self.goodbyes += for_good
        self.connections.remove(connection)
        self.detachments += 1
        self.detached.set()
        if self._tell_ended is not None and not self.connections:
            self._tell_ended(self)

    def receive(self, connection: Connection, event: ClientEvent) -> None:
        self.received.append(event)
        connection.send(self.answer(event))

    def answer(self, event: ClientEvent) -> ServerEvent:
        if not isinstance(event, InputAudioBufferAppend):
            return InputAudioBufferCleared(event_id=new_event_id())
        if len(event.audio) > 100_000:
            return audio_delta(b"", item_id=str(len(event.audio)))
        return audio_delta(event.audio)

    def refuse(self, connection: Connection, error: ProtocolError) -> None:
        detail = ErrorDetail(
            code=error.code, message=error.message, param=error.param, event_id=error.event_id
        )
        connection.send(Error(event_id=new_event_id(), error=detail))

    def hear(self, pcm: bytes) -> None:
        raise AssertionError(f"on WebSocket, audio comes as events ({len(pcm)} bytes)")

    @property
    def awaits_silence(self) -> bool:
        raise AssertionError("on WebSocket, audio comes as events")

    def drained(self) -> None:
        raise AssertionError("on WebSocket, the client plays")

    def move(self, *, model: str | None = None, voice: str | None = None) -> None:
        raise AssertionError("there is one engine alone")

    def close(self, code: int, reason: str) -> None:
        for connection in list(self.connections):
            connection.close(code, reason)

    def warn(self, error: ProtocolError) -> None:
        for connection in list(self.connections):
            self.refuse(connection, error)

    def be_taken_over(self) -> None:
        raise AssertionError("there is one session, and nobody takes it over")

    async def ended(self) -> None:
        await self.detached.wait()


class EchoHub(Hub):
    def __init__(self) -> None:
        super().__init__(lambda _: ScriptedEngine())
        self.live: dict[str, EchoSession] = {}
        self.opened: list[tuple[SessionKind, str]] = []
        self.unavailable = False
        self._all_gone = asyncio.Event()

    @property
    def sessions(self) -> Collection[SessionDoor]:
        return self.live.values()

    def open(
        self,
        *,
        kind: SessionKind,
        model: str,
        patch: SessionPatch | None = None,
        playback: Playback | None = None,
        principal: Principal = ANYONE,
        past: Past | None = None,
        sideband_wait_ms: int = 0,
        retention: Retention | None = None,
        server_tools: ServerTools | None = None,
    ) -> SessionDoor:
        if self.unavailable:
            raise EngineUnavailable("echo", "out of breath", retry_after_s=2)
        self.opened.append((kind, model))
        session = EchoSession(f"sess_{len(self.opened)}", self._on_ended)
        self.live[session.id] = session
        self._all_gone.clear()
        return session

    def get(self, session_id: str) -> SessionDoor | None:
        return self.live.get(session_id)

    def _on_ended(self, session: SessionDoor) -> None:
        del self.live[session.id]
        if not self.live:
            self._all_gone.set()

    async def drain(self, grace_s: float) -> None:
        for session in self.live.values():
            for connection in session.connections:
                connection.close(1012, "The server restarts.")
        if self.live:
            try:
                await asyncio.wait_for(self._all_gone.wait(), grace_s)
            except TimeoutError:
                return

    async def aclose(self) -> None:
        await self.drain(0)
