"""Levels and lengths of 16-bit mono PCM."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

BYTES_PER_SAMPLE: Final = 2

FLOOR_DBFS: Final = -100.0
"""The level of digital silence: below the smallest step of 16 bits (-90.3 dBFS)."""


def samples(pcm: bytes | bytearray | memoryview) -> NDArray[np.int16]:
    """A view of the samples, without a copy; read-only where ``pcm`` is.

    Raises:
        ValueError: ``pcm`` ends inside a sample.
    """
    return np.frombuffer(pcm, dtype="<i2")


def duration_ms(pcm: bytes, rate_hz: int) -> float:
    return len(pcm) * 1000 / (BYTES_PER_SAMPLE * rate_hz)


def silence(duration_ms: float, rate_hz: int) -> bytes:
    """Digital silence, rounded to whole samples."""
    return bytes(BYTES_PER_SAMPLE * round(duration_ms * rate_hz / 1000))


def to_float(pcm: bytes) -> NDArray[np.float32]:
    """Samples as -1 to just under 1."""
    return samples(pcm).astype(np.float32) * np.float32(1 / 32768)


def from_float(signal: NDArray[np.floating]) -> bytes:
    """The inverse of `to_float`; what lies beyond full scale is clipped."""
    scaled = np.rint(np.asarray(signal, dtype=np.float64) * 32768)
    return np.clip(scaled, -32768, 32767).astype("<i2").tobytes()


def rms_dbfs(pcm: bytes) -> float:
    """Root mean square against full scale: a full-scale sine has -3 dBFS.

    Nothing at all, like digital silence, has `FLOOR_DBFS`.
    """
    x = samples(pcm)
    if not x.size:
        return FLOOR_DBFS
    # vdot would wrap around in 16 bits; single precision is enough for a level.
    f = x.astype(np.float32)
    mean_square = float(np.dot(f, f)) / (x.size * 32768.0**2)
    return max(FLOOR_DBFS, 10 * math.log10(mean_square)) if mean_square else FLOOR_DBFS


def peak_dbfs(pcm: bytes) -> float:
    """The largest sample against full scale (32768)."""
    x = samples(pcm)
    peak = max(int(x.max()), -int(x.min())) if x.size else 0
    return 20 * math.log10(peak / 32768) if peak else FLOOR_DBFS
