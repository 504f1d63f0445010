"""Sessions that answer every message with one event, for tests of transports and server."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Collection

from antiphon.errors import EngineUnavailable, ProtocolError
from antiphon.protocol.client import ClientEvent, InputAudioBufferAppend
from antiphon.protocol.server import (
    Error,
    ErrorDetail,
    InputAudioBufferCleared,
    ResponseOutputAudioDelta,
    ServerEvent,
    SessionCreated,
)
from antiphon.protocol.session import Session, SessionPatch
from antiphon.runtime.connection import Connection
from antiphon.runtime.hub import Hub, SessionKind, SessionRules
from antiphon.runtime.media import Playback
from antiphon.runtime.session import LiveSession

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


class EchoSession(LiveSession):
    """Audio comes back (large audio: only its length, as ``item_id``); the rest is "cleared"."""

    def __init__(
        self, session_id: str = "sess_echo", ended: Callable[[LiveSession], None] | None = None
    ) -> None:
        self.id = session_id
        self.connections: list[Connection] = []
        self.received: list[ClientEvent] = []
        self.attached = asyncio.Event()
        self.detached = asyncio.Event()
        self.detachments = 0
        self._tell_ended = ended

    def attach(
        self,
        connection: Connection,
        *,
        owns: bool = True,
        may_send: Collection[str] | None = None,
    ) -> None:
        self.connections.append(connection)
        session = Session(id=self.id, model="echo", expires_at=0)
        connection.send(SessionCreated(event_id=new_event_id(), session=session))
        self.attached.set()

    def detach(self, connection: Connection) -> None:
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


class EchoHub(Hub):
    def __init__(self) -> None:
        self.rules = SessionRules()
        self.live: dict[str, EchoSession] = {}
        self.opened: list[tuple[SessionKind, str]] = []
        self.unavailable = False
        self._all_gone = asyncio.Event()

    @property
    def sessions(self) -> Collection[LiveSession]:
        return self.live.values()

    def open(
        self,
        *,
        kind: SessionKind,
        model: str,
        patch: SessionPatch | None = None,
        playback: Playback | None = None,
        end_user_id: str | None = None,
    ) -> LiveSession:
        if self.unavailable:
            raise EngineUnavailable("echo", "out of breath", retry_after_s=2)
        self.opened.append((kind, model))
        session = EchoSession(f"sess_{len(self.opened)}", self._on_ended)
        self.live[session.id] = session
        self._all_gone.clear()
        return session

    def get(self, session_id: str) -> LiveSession | None:
        return self.live.get(session_id)

    def _on_ended(self, session: LiveSession) -> None:
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
