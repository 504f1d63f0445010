"""The two directions of sound on one clock: 20 ms of the user in, 20 ms of the agent out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from antiphon.talk.playback import Playback
from antiphon.talk.script import TICK_MS

BACKLOG = 10_000 // TICK_MS
"""Exchanges that wait for the event loop: 10 s.  Full: the oldest are dropped."""

Exchange = Callable[[bytes], bytes]


@dataclass(frozen=True)
class Exchanged:
    """The same stretch of time of both sides, 24 kHz 16-bit mono."""

    user: bytes
    agent: bytes


class AudioLine:
    """Where sound device and event loop meet; a device calls `exchange` on its own thread."""

    def __init__(self, playback: Playback) -> None:
        self._playback = playback
        self._exchanged: deque[Exchanged] = deque(maxlen=BACKLOG)

    def exchange(self, user: bytes) -> bytes:
        agent = self._playback.pull(len(user) // 2)
        self._exchanged.append(Exchanged(user, agent))
        return agent

    def drain(self) -> list[Exchanged]:
        drained = []
        while self._exchanged:
            drained.append(self._exchanged.popleft())
        return drained


class AudioDevice(Protocol):
    """Microphone and speakers.

    Attributes:
        output_latency_ms: From `exchange` to the ear.
    """

    output_latency_ms: float

    def start(self, exchange: Exchange) -> None: ...
    def stop(self) -> None: ...
