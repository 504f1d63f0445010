"""A line to any server of the Realtime API."""

from __future__ import annotations

import asyncio
import contextlib
from functools import lru_cache

from antiphon.bench.line import LineFailed, Listener
from antiphon.protocol.client import InputAudioBufferAppend, SessionUpdate
from antiphon.protocol.server import (
    Error,
    ResponseCreated,
    ResponseDone,
    ResponseOutputAudioDelta,
    ServerEvent,
    SessionCreated,
    SessionUpdated,
    SpeechStarted,
)
from antiphon.protocol.session import (
    AudioInputPatch,
    AudioOutputPatch,
    AudioPatch,
    PcmFormat,
    SessionPatch,
    TurnDetectionPatch,
)
from antiphon.upstream import wire
from antiphon.upstream.connection import CannotConnect, Closed, Connection, Connector

SESSION_TIMEOUT_S = 15


class RealtimeLine:
    """By whichever `Connector`."""

    expects_answers = True

    def __init__(self, connect: Connector, *, silence_ms: int, is_live: bool = False) -> None:
        self.is_live = is_live
        self._connect = connect
        self._silence_ms = silence_ms
        self._connection: Connection | None = None
        self._reading: asyncio.Task[None] | None = None
        self._created = asyncio.Event()
        self._updated = asyncio.Event()
        self._refused: LineFailed | None = None

    async def open(self, listener: Listener) -> None:
        try:
            self._connection = await self._connect()
        except CannotConnect as error:
            raise LineFailed(_kind(error), str(error)) from error
        self._reading = asyncio.create_task(self._read(self._connection, listener))
        await self._wait(self._created, "session.created")

    async def begin(self) -> None:
        assert self._connection is not None, "it is open"
        update = SessionUpdate(session=_session(self._silence_ms, is_live=self.is_live))
        await self._connection.send(wire.write(update))
        await self._wait(self._updated, "session.updated")

    async def send(self, pcm: bytes) -> None:
        assert self._connection is not None, "it is open"
        await self._connection.send(_append(pcm))

    async def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reading
        if self._connection is not None:
            await self._connection.close()

    async def _wait(self, event: asyncio.Event, name: str) -> None:
        try:
            async with asyncio.timeout(SESSION_TIMEOUT_S):
                await event.wait()
        except TimeoutError:
            raise LineFailed("no_session", f"no {name} came within {SESSION_TIMEOUT_S} s") from None
        if self._refused is not None:
            raise self._refused

    async def _read(self, connection: Connection, listener: Listener) -> None:
        while True:
            message = await connection.receive()
            if isinstance(message, Closed):
                self._refuse(f"closed_{message.code}", message.reason or "the connection ended")
                listener.closed(f"closed_{message.code}", message.reason)
                return
            self._take(wire.read(message), listener)

    def _take(self, event: ServerEvent | wire.Foreign, listener: Listener) -> None:
        match event:
            case ResponseOutputAudioDelta():
                if not self.is_live:
                    listener.sound(event.delta, event.response_id)
            case SpeechStarted():
                listener.stop()
            case ResponseCreated():
                listener.answering(is_answering=True)
            case ResponseDone():
                listener.answering(is_answering=False)
                if event.response.status in ("failed", "incomplete"):
                    listener.failed(f"response_{event.response.status}")
            case SessionCreated():
                self._created.set()
            case SessionUpdated():
                self._updated.set()
            case Error():
                kind = f"error_{event.error.code or event.error.type}"
                if not self._updated.is_set():
                    self._refuse(kind, event.error.message)
                else:
                    listener.failed(kind, event.error.message)
            case wire.Foreign(problem=str() as problem):
                listener.failed("unreadable", problem)
            case _:
                pass

    def _refuse(self, kind: str, detail: str) -> None:
        if not (self._created.is_set() and self._updated.is_set()):
            self._refused = LineFailed(kind, detail)
            self._created.set()
            self._updated.set()


def _session(silence_ms: int, *, is_live: bool) -> SessionPatch:
    """Turns by silence alone, so that the window is known; over WebRTC the codec is agreed."""
    detection = TurnDetectionPatch(
        type="server_vad",
        silence_duration_ms=silence_ms,
        create_response=True,
        interrupt_response=True,
    )
    if is_live:
        return SessionPatch(
            type="realtime", audio=AudioPatch(input=AudioInputPatch(turn_detection=detection))
        )
    return SessionPatch(
        type="realtime",
        audio=AudioPatch(
            input=AudioInputPatch(format=PcmFormat(), turn_detection=detection),
            output=AudioOutputPatch(format=PcmFormat()),
        ),
    )


def _kind(error: CannotConnect) -> str:
    if error.trouble is not None:
        return f"connect_{error.trouble}"
    if error.is_refused:
        return "connect_refused"
    return "connect_busy" if error.retry_after_s else "connect_failed"


@lru_cache(maxsize=4_096)
def _append(pcm: bytes) -> str:
    """All callers say the same few recordings."""
    return wire.write(InputAudioBufferAppend(audio=pcm))
