"""Changing the sample rate, with little delay and without a trace of how audio was cut.

A windowed-sinc filter in polyphase form: one matrix turns each block of ``down`` input
samples (and their neighbours) into ``up`` output samples.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

HALF_WIDTH = 16
"""How far the filter reaches to each side, in samples of the lower rate: its delay."""

# Stop band -66 dB.  The transition band is then 2 kHz wide where the lower rate is
# 16 kHz; its middle lies at 15/16 of the Nyquist frequency: 6.5 kHz pass, 8.5 kHz do not.
_KAISER_BETA = 6.2
_ROLLOFF = 15 / 16

# Integer coefficients in float64: each product and each sum is an exact integer below
# 2**53, so that neither the order of additions in BLAS nor the cutting changes a bit.
_SCALE = 2.0**20

_LARGEST_RATIO = 1024


@dataclass(frozen=True)
class Polyphase:
    """``outputs[b*up + j] = sum(inputs[b*down + first + k] * matrix[k, j])``, unit gain."""

    up: int
    down: int
    reach: int
    """Inputs needed after the one where an output lies (and before it)."""
    first: int
    matrix: NDArray[np.float64]
    """Shape ``(down + 2 * reach, up)``, integers, `_SCALE` times the gain."""


@lru_cache(maxsize=32)
def _polyphase(up: int, down: int) -> Polyphase:
    """``up`` outputs for ``down`` inputs; they need not be coprime."""
    wide = max(1.0, down / up)
    reach = math.ceil(HALF_WIDTH * wide)
    positions = np.arange(up) * down / up
    first, last = -reach, down - 1 + reach
    distance = (positions[np.newaxis, :] - np.arange(first, last + 1)[:, np.newaxis]) / wide
    inside = np.abs(distance) < HALF_WIDTH
    window = np.i0(_KAISER_BETA * np.sqrt(np.where(inside, 1 - (distance / HALF_WIDTH) ** 2, 0)))
    taps = np.where(inside, np.sinc(distance * _ROLLOFF) * window, 0)
    # Every phase passes a constant unchanged; what rounding left goes to the largest tap.
    whole = np.rint(taps * (_SCALE / taps.sum(axis=0)))
    whole[whole.argmax(axis=0), np.arange(up)] += _SCALE - whole.sum(axis=0)
    return Polyphase(up, down, reach, first, whole)


def _ratio(from_hz: int, to_hz: int) -> tuple[int, int]:
    if from_hz < 1 or to_hz < 1:
        raise ValueError(f"cannot resample from {from_hz} Hz to {to_hz} Hz")
    common = math.gcd(from_hz, to_hz)
    up, down = to_hz // common, from_hz // common
    if max(up, down) > _LARGEST_RATIO:
        raise ValueError(
            f"{from_hz} Hz to {to_hz} Hz is a ratio of {up}:{down};"
            f" terms over {_LARGEST_RATIO} are not supported"
        )
    return up, down


class Resampler:
    """A stream of 16-bit mono PCM at another rate.

    Output sample n lies exactly at the time of n / ``to_hz``; it is given out as soon as
    `HALF_WIDTH` samples of the lower rate (2 ms at 8 kHz, 1 ms at 16 kHz, 0.7 ms at
    24 kHz) after it are known.  All that comes out is the same however the input is cut.
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        """Raises ValueError for rates without a small common ratio."""
        up, down = _ratio(from_hz, to_hz)
        self._same = up == down
        # A few small blocks make one product of a better shape for BLAS.
        blocks = max(1, 16 // max(up, down))
        self._poly = _polyphase(up * blocks, down * blocks)
        self._restart()

    def _restart(self) -> None:
        # Counted from the block that the next output belongs to, so that no number grows
        # with the length of the stream.
        self._kept = bytes(-self._poly.first * 2)  # silence before the stream
        self._phase = 0

    def process(self, pcm: bytes) -> bytes:
        """Take more input, any number of whole samples; return what can be said by now.

        Raises:
            ValueError: ``pcm`` ends inside a sample.
        """
        if self._same:
            return bytes(pcm)
        kept = np.frombuffer(self._kept + pcm, "<i2")
        known = kept.size + self._poly.first  # inputs from the start of the block on
        ready = ((known - 1 - self._poly.reach) * self._poly.up) // self._poly.down + 1
        return self._take(kept, max(ready, 0))

    def flush(self) -> bytes:
        """The end of the stream; the next `process` begins a new one.

        In all, ``ceil(inputs * to_hz / from_hz)`` samples were given out.
        """
        if self._same:
            return b""
        poly = self._poly
        kept = np.frombuffer(self._kept, "<i2")
        known = kept.size + poly.first
        tail = self._take(kept, max(-(-known * poly.up // poly.down), 0))
        self._restart()
        return tail

    def _take(self, kept: NDArray[np.int16], ready: int) -> bytes:
        """Outputs ``_phase`` to ``ready``, counted from the start of the block."""
        poly = self._poly
        if ready <= self._phase:
            self._kept = kept.tobytes()
            return b""
        blocks = -(-ready // poly.up)
        width = poly.matrix.shape[0]
        inputs = np.zeros((blocks - 1) * poly.down + width)
        usable = min(kept.size, inputs.size)
        inputs[:usable] = kept[:usable]
        windows = np.ndarray((blocks, width), inputs.dtype, inputs, 0, (poly.down * 8, 8))
        # Overlapping rows are not what BLAS takes: without the copy, matmul is a slow loop.
        outputs = np.ascontiguousarray(windows) @ poly.matrix
        outputs *= 1 / _SCALE
        np.rint(outputs, out=outputs)
        np.maximum(outputs, -32768, out=outputs)
        np.minimum(outputs, 32767, out=outputs)
        said = outputs.reshape(-1)[self._phase : ready].astype("<i2").tobytes()
        done = ready // poly.up
        self._phase = ready - done * poly.up
        self._kept = kept[done * poly.down :].tobytes()
        return said
