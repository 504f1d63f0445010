"""Loudness, for the meters."""

from __future__ import annotations

import numpy as np

FLOOR_DB = -60.0
FALL_DB_PER_S = 40.0


def level_db(pcm: bytes) -> float:
    """The RMS level of 16-bit PCM in dB of full scale, from `FLOOR_DB` to 0."""
    samples = np.frombuffer(pcm, dtype="<i2").astype(np.float64)
    if not len(samples):
        return FLOOR_DB
    rms = float(np.sqrt((samples**2).mean())) / 32768
    return max(FLOOR_DB, 20 * float(np.log10(max(rms, 1e-9))))


class Meter:
    """Rises at once and falls slowly, as eyes like it."""

    def __init__(self) -> None:
        self._db = FLOOR_DB
        self._at_ms = 0.0

    def hear(self, pcm: bytes, now_ms: float) -> None:
        self._db = max(level_db(pcm), self.db(now_ms))
        self._at_ms = now_ms

    def db(self, now_ms: float) -> float:
        fallen_db = (now_ms - self._at_ms) / 1000 * FALL_DB_PER_S
        return max(FLOOR_DB, self._db - fallen_db)


_EIGHTHS = " ▏▎▍▌▋▊▉█"


def bar(db: float, width: int) -> str:
    """A level as a bar of exactly `width` columns."""
    eighths = round((db - FLOOR_DB) / -FLOOR_DB * width * 8)
    whole, rest = divmod(min(max(eighths, 0), width * 8), 8)
    return ("█" * whole + (_EIGHTHS[rest] if rest else "")).ljust(width)
