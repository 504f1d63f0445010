"""What is played, and what of it has been heard.

On a WebSocket the client owns playback: only it knows how much of a reply was
heard, so when the user interrupts, only it can say where the reply was cut
(`conversation.item.truncate`).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from threading import Lock

import numpy as np

RATE_HZ = 24_000
BYTES_PER_MS = RATE_HZ * 2 // 1000
LIMIT_MS = 10 * 60 * 1000
"""Servers generate faster than anyone listens, so a whole long reply must fit."""
CUSHION_MS = 60
"""Playback starts when so much is there: the network's jitter makes no holes."""


DUCKED_GAIN = 0.2
"""As over WebRTC, where the server does it."""


@dataclass(frozen=True)
class Cut:
    """One item, cut short.

    Attributes:
        heard_ms: Where to truncate it, rounded down.
        received_ms: How much of it the server had sent.
        is_complete: That was all of it.
    """

    item_id: str
    content_index: int
    heard_ms: int
    received_ms: int
    is_complete: bool = False


@dataclass
class _Track:
    item_id: str
    content_index: int
    received_bytes: int = 0
    heard_bytes: int = 0
    ended: bool = False


class Playback:
    """A bounded buffer of replies in playing order, 24 kHz 16-bit mono.

    Full (10 min): what comes in is dropped and counted in `dropped_ms`.
    The device's own thread may pull while the event loop does all else.
    """

    def __init__(self, *, limit_ms: int = LIMIT_MS, cushion_ms: int = CUSHION_MS) -> None:
        self._limit_bytes = limit_ms * BYTES_PER_MS
        self._cushion_bytes = cushion_ms * BYTES_PER_MS
        self._chunks: deque[tuple[_Track, memoryview]] = deque()
        self._tracks: dict[tuple[str, int], _Track] = {}
        self._cut: set[str] = set()
        self._pending_bytes = 0
        self._flowing = False
        self._current: _Track | None = None
        self._dropped_bytes = 0
        self._ducked = False
        self._lock = Lock()
        self.gaps = 0
        """How often the sound ran out in the middle of a reply."""

    @property
    def pending_ms(self) -> int:
        return self._pending_bytes // BYTES_PER_MS

    @property
    def dropped_ms(self) -> int:
        return self._dropped_bytes // BYTES_PER_MS

    def put(self, item_id: str, content_index: int, pcm: bytes) -> None:
        """Queue more of an item; of one that was cut, nothing plays any more."""
        with self._lock:
            if item_id in self._cut or not pcm:
                return
            track = self._track(item_id, content_index)
            if self._pending_bytes + len(pcm) > self._limit_bytes:
                self._dropped_bytes += len(pcm)
                return
            track.received_bytes += len(pcm)
            self._chunks.append((track, memoryview(pcm)))
            self._pending_bytes += len(pcm)

    def end(self, item_id: str, content_index: int = 0) -> None:
        """No more of this part will come."""
        with self._lock:
            if (track := self._tracks.get((item_id, content_index))) is not None:
                track.ended = True

    def end_all(self) -> None:
        """Nothing more will come of anything: the connection is gone."""
        with self._lock:
            for track in self._tracks.values():
                track.ended = True

    def pull(self, sample_count: int) -> bytes:
        """The next `sample_count` samples; silence where there is nothing to play."""
        wanted = sample_count * 2
        with self._lock:
            if not self._flowing and not self._may_start():
                return bytes(wanted)
            self._flowing = True
            out = bytearray()
            while self._chunks and len(out) < wanted:
                track, chunk = self._chunks.popleft()
                taken = chunk[: wanted - len(out)]
                out += taken
                track.heard_bytes += len(taken)
                self._current = track
                if len(taken) < len(chunk):
                    self._chunks.appendleft((track, chunk[len(taken) :]))
            self._pending_bytes -= len(out)
            if len(out) < wanted:
                self._flowing = False
                self.gaps += self._current is not None and not self._current.ended
            sound = bytes(out.ljust(wanted, b"\0"))
            return softly(sound) if self._ducked else sound

    def duck(self, on: bool) -> None:
        """Play more softly from now on, or as loud as it came."""
        self._ducked = on

    def stop(self) -> list[Cut]:
        """Drop all that is not played yet; what was cut, in playing order.

        What has been pulled counts as heard: it is on its way to the ear.
        """
        with self._lock:
            cuts = [
                Cut(
                    track.item_id,
                    track.content_index,
                    track.heard_bytes // BYTES_PER_MS,
                    track.received_bytes // BYTES_PER_MS,
                    track.ended,
                )
                for track in self._tracks.values()
                if not (track.ended and track.heard_bytes == track.received_bytes)
            ]
            self._cut |= {cut.item_id for cut in cuts}
            self._chunks.clear()
            self._tracks.clear()
            self._current = None
            self._pending_bytes = 0
            self._flowing = False
            return cuts

    def has_begun(self, item_id: str) -> bool:
        """Some of this item has been heard."""
        return any(t.heard_bytes > 0 for t in self._tracks.values() if t.item_id == item_id)

    def progress(self, item_id: str) -> Cut:
        """How this item would be cut now."""
        tracks = [track for track in self._tracks.values() if track.item_id == item_id]
        heard = sum(track.heard_bytes for track in tracks)
        received = sum(track.received_bytes for track in tracks)
        is_complete = bool(tracks) and all(track.ended for track in tracks)
        return Cut(item_id, 0, heard // BYTES_PER_MS, received // BYTES_PER_MS, is_complete)

    def take_finished(self) -> list[str]:
        """Items that have been heard to their end since the last call; they are forgotten."""
        with self._lock:
            finished = {
                key: track
                for key, track in self._tracks.items()
                if track.ended and track.heard_bytes == track.received_bytes
            }
            for key in finished:
                del self._tracks[key]
            unfinished = {track.item_id for track in self._tracks.values()}
            names = dict.fromkeys(track.item_id for track in finished.values())
            return [name for name in names if name not in unfinished]

    def _track(self, item_id: str, content_index: int) -> _Track:
        key = (item_id, content_index)
        if key not in self._tracks:
            self._tracks[key] = _Track(item_id, content_index)
        return self._tracks[key]

    def _may_start(self) -> bool:
        if not self._chunks:
            return False
        return self._pending_bytes >= self._cushion_bytes or self._chunks[-1][0].ended


def softly(pcm: bytes) -> bytes:
    return (np.frombuffer(pcm, "<i2") * np.float32(DUCKED_GAIN)).astype("<i2").tobytes()
