"""What a caller hears, and when: all figures come from the sound itself.  Pure.

Over WebSocket sound comes faster than it is heard: a piece is heard when it has come and all
before it is over.  Over WebRTC (``is_live``) it is heard as it comes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from antiphon.bench.recording import BYTES_PER_MS

AUDIBLE = 200
"""Of 32,768: -44 dB.  Codecs make less than that of silence."""
PAUSE_MS = 200
"""A shorter pause is part of what is said."""


@dataclass
class Stretch:
    """Audible without a pause."""

    start_ms: float
    end_ms: float


@dataclass(frozen=True)
class _Piece:
    at_ms: float
    """When it came."""
    media_ms: float
    """Of the sound before it on its timeline."""
    is_audible: bool


@dataclass
class Ear:
    """One caller's."""

    is_live: bool
    stretches: list[Stretch] = field(default_factory=list)
    _played_to_ms: float = float("-inf")
    _timeline: list[_Piece] = field(default_factory=list)
    _media_ms: float = 0.0
    _reply: str = ""
    _stopped: str | None = None
    _lateness_ms: list[float] = field(default_factory=list)

    def sound(self, pcm: bytes, at_ms: float, reply: str = "") -> None:
        """``reply``: what it is part of, where that is told."""
        pcm = pcm[: len(pcm) // 2 * 2]
        if not pcm or (reply and reply == self._stopped):
            return
        if reply != self._reply:
            self.mark()
            self._reply = reply
        loud = np.flatnonzero(np.abs(np.frombuffer(pcm, "<i2").astype(np.int32)) >= AUDIBLE)
        length_ms = len(pcm) / BYTES_PER_MS
        self._timeline.append(_Piece(at_ms, self._media_ms, bool(loud.size)))
        self._media_ms += length_ms
        start_ms = at_ms if self.is_live else max(at_ms, self._played_to_ms)
        self._played_to_ms = start_ms + length_ms
        if loud.size:
            self._audible(
                start_ms + 2 * int(loud[0]) / BYTES_PER_MS,
                start_ms + 2 * (int(loud[-1]) + 1) / BYTES_PER_MS,
            )

    def stop(self, at_ms: float) -> None:
        """The server says that the caller speaks: what was still to be played is dropped."""
        if self.is_live:
            return  # There it is the server that stops.
        self._stopped = self._reply or None
        self._played_to_ms = min(self._played_to_ms, at_ms)
        while self.stretches and self.stretches[-1].start_ms >= at_ms:
            self.stretches.pop()
        if self.stretches:
            self.stretches[-1].end_ms = min(self.stretches[-1].end_ms, at_ms)

    def mark(self) -> None:
        """What comes from here on has a timeline of its own."""
        self._lateness_ms += self._late()
        self._timeline, self._media_ms = [], 0.0

    def sounds_at(self, at_ms: float) -> bool:
        return any(s.start_ms <= at_ms < s.end_ms for s in reversed(self.stretches))

    def audible_until_ms(self) -> float:
        return self.stretches[-1].end_ms if self.stretches else float("-inf")

    def first_after(self, at_ms: float) -> float | None:
        """When something new is heard first."""
        return next((s.start_ms for s in self.stretches if s.start_ms >= at_ms), None)

    def end_of_what_began_before(self, at_ms: float) -> float | None:
        before = [s.end_ms for s in self.stretches if s.start_ms < at_ms]
        return before[-1] if before else None

    def forget_before(self, at_ms: float) -> None:
        self.stretches = [s for s in self.stretches if s.end_ms >= at_ms]

    def take_lateness_ms(self) -> list[float]:
        """Of each piece of speech, since the last time."""
        self.mark()
        taken, self._lateness_ms = self._lateness_ms, []
        return taken

    def _audible(self, start_ms: float, end_ms: float) -> None:
        if self.stretches and start_ms - self.stretches[-1].end_ms < PAUSE_MS:
            self.stretches[-1].end_ms = max(self.stretches[-1].end_ms, end_ms)
        else:
            self.stretches.append(Stretch(start_ms, end_ms))

    def _late(self) -> list[float]:
        """Against the first piece of the timeline; live, against the earliest."""
        audible = [at for at, piece in enumerate(self._timeline) if piece.is_audible]
        if not audible:
            return []
        pieces = self._timeline[audible[0] : audible[-1] + 1]
        behind = [piece.at_ms - piece.media_ms for piece in pieces]
        origin = min(behind) if self.is_live else behind[0]
        return [max(0.0, value - origin) for value in behind]
