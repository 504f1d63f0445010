"""Sessions whose clients are reached over faulty lines."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from random import Random
from typing import Any, cast

from antiphon.engines.engine import VoiceDetector
from antiphon.errors import ProtocolError
from antiphon.mock.desk import FaultDesk
from antiphon.mock.engine import MockEngine
from antiphon.mock.kinds import FaultKind
from antiphon.mock.line import CANCEL_ID, FaultyLine, Wire
from antiphon.mock.script import MockScript
from antiphon.protocol.client import ClientEvent, ResponseCancel
from antiphon.runtime.connection import Connection
from antiphon.runtime.door import SessionDoor
from antiphon.runtime.hub import Hub, SessionRules
from antiphon.runtime.media import Playback

SILENCE = b"\0"

struck_at_connect: ContextVar[Iterable[tuple[FaultKind, int]]] = ContextVar(
    "struck_at_connect", default=()
)
"""The faults of the connection that is being opened, with their ``ms``."""


class MockHub(Hub):
    """Ids come from the script's seed; ``unix_s`` tells the time that is in events."""

    def __init__(
        self,
        script: MockScript,
        desk: FaultDesk,
        *,
        detector: VoiceDetector,
        rules: SessionRules | None = None,
        unix_s: Callable[[], float],
    ) -> None:
        engine = MockEngine(script)
        super().__init__(
            lambda _: engine,
            detector=detector,
            rules=rules,
            choice=Random(script.seed).choice,
            unix_s=unix_s,
        )
        self._script = script
        self._desk = desk
        self._opened = itertools.count(1)

    def open(self, *, playback: Playback | None = None, **options: Any) -> SessionDoor:
        """As `Hub.open`."""
        mute = None if playback is None else MutablePlayback(playback)
        session = super().open(playback=mute, **options)
        random = Random(f"{self._script.seed}:line:{next(self._opened)}")
        door = FaultyDoor(
            session,
            self._desk,
            struck=struck_at_connect.get(),
            random=random,
            jitter_ms=self._script.speed.jitter_ms,
            mute=mute,
        )
        return cast("SessionDoor", door)


class FaultyDoor:
    """A `SessionDoor` whose owners are attached by a `FaultyLine`; sidebands come as they are."""

    def __init__(
        self,
        session: SessionDoor,
        desk: FaultDesk,
        *,
        struck: Iterable[tuple[FaultKind, int]],
        random: Random,
        jitter_ms: int,
        mute: MutablePlayback | None,
    ) -> None:
        self._session = session
        self._desk = desk
        self._struck = struck
        self._random = random
        self._jitter_ms = jitter_ms
        self._mute = mute
        self._lines: dict[str, FaultyLine] = {}
        self._deaf_until_s = 0.0

    # --- For connections -----------------------------------------------------

    def attach(self, connection: Connection, *, owns: bool = True, **how: Any) -> None:
        if owns:
            line = self._lines[connection.id] = FaultyLine(
                cast("Wire", connection),
                self._desk,
                self,
                "websocket" if self._mute is None else "call",
                struck=self._struck,
                random=self._random,
                jitter_ms=self._jitter_ms,
            )
            connection = line
        self._session.attach(connection, owns=owns, **how)

    def detach(self, connection: Connection, **how: Any) -> None:
        line = self._lines.pop(connection.id, None)
        if line is not None:
            line.gone()
        self._session.detach(connection, **how)

    def receive(self, connection: Connection, event: ClientEvent) -> None:
        line = self._lines.get(connection.id)
        if line is None or not line.intercepts(event):
            self._session.receive(connection, event)

    def __getattr__(self, name: str) -> Any:
        """All else is the session's."""
        return getattr(self._session, name)

    # --- For lines -----------------------------------------------------------

    def refuse(self, connection: Connection, error: ProtocolError) -> None:
        self._session.refuse(connection, error)

    def stop_response(self, response_id: str) -> None:
        for line in self._lines.values():
            cancel = ResponseCancel(event_id=CANCEL_ID, response_id=response_id)
            self._session.receive(line, cancel)

    def silence(self, duration_s: float) -> None:
        self._deaf_until_s = asyncio.get_running_loop().time() + duration_s
        if self._mute is not None:
            self._mute.muted_until_s = self._deaf_until_s

    # --- For transports that own playout -------------------------------------

    def hear(self, pcm: bytes) -> None:
        lost = asyncio.get_running_loop().time() < self._deaf_until_s
        self._session.hear(SILENCE * len(pcm) if lost else pcm)


class MutablePlayback:
    """A `Playback` whose sound can be lost on its way: the time that it takes is not."""

    def __init__(self, inner: Playback) -> None:
        self._inner = inner
        self.muted_until_s = 0.0

    @property
    def played_samples(self) -> int:
        return self._inner.played_samples

    def recently_played(self) -> bytes:
        return self._inner.recently_played()

    def played_by(self, rtp_timestamp: int) -> int:
        return self._inner.played_by(rtp_timestamp)

    def play(self, pcm: bytes) -> None:
        lost = asyncio.get_running_loop().time() < self.muted_until_s
        self._inner.play(SILENCE * len(pcm) if lost else pcm)

    def duck(self, on: bool, *, holds: bool = False) -> None:
        self._inner.duck(on, holds=holds)

    def clear(self) -> None:
        self._inner.clear()
