"""Conversion between the sample rates of engines and 24 kHz, inside worker processes."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_HALF_WIDTH = 16
"""Zero crossings of the kernel on each side."""
_KAISER_BETA = 8.0
_BLOCK_SAMPLES = 96
"""At least so many input samples in one row of the matrix product."""


class Resampler:
    """A streaming, linear-phase rational resampler for 16-bit mono PCM.

    Output sample ``k`` lies at the time of input sample ``k * from_hz / to_hz``: there
    is no delay in what comes out, only in when (a block, 7 ms at most, and the kernel).
    How the input is cut into pieces makes no difference.  After n samples and `flush`,
    ``ceil(n * to_hz / from_hz)`` came out.
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        self._matrix, self._down, self._up, self._reach = _block_matrix(from_hz, to_hz)
        # What the next block needs of the past; before the stream there was silence.
        self._input = np.zeros(self._reach, np.float32)
        self._taken = 0  # Input samples so far.
        self._made = 0  # Output samples so far.
        self._odd = b""

    def process(self, pcm: bytes) -> bytes:
        """More input; returns what is now determined."""
        pcm = self._odd + pcm if self._odd else pcm
        whole = len(pcm) & ~1
        self._odd = pcm[whole:]
        samples = np.frombuffer(pcm, "<i2", whole // 2).astype(np.float32)
        self._taken += len(samples)
        self._input = np.concatenate((self._input, samples))
        return self._make()

    def flush(self) -> bytes:
        """The end of the stream; the resampler is spent."""
        rest = -(-self._taken * self._up // self._down) - self._made
        silence = np.zeros(2 * self._reach + self._down, np.float32)
        self._input = np.concatenate((self._input, silence))
        return self._make()[: 2 * rest]

    def _make(self) -> bytes:
        width = self._down + 2 * self._reach
        blocks = (len(self._input) - width) // self._down + 1
        if blocks <= 0:
            return b""
        rows = np.lib.stride_tricks.sliding_window_view(self._input, width)[:: self._down]
        made = (rows[:blocks] @ self._matrix).reshape(-1)
        self._input = self._input[blocks * self._down :]
        self._made += len(made)
        return bytes(np.clip(np.rint(made), -32768, 32767).astype("<i2").tobytes())


@lru_cache
def _block_matrix(from_hz: int, to_hz: int) -> tuple[NDArray[np.float32], int, int, int]:
    """(matrix, inputs a block, outputs a block, reach).

    A block of output is a row of input, from ``reach`` before the block to ``reach``
    after it, times the matrix.
    """
    shared = math.gcd(from_hz, to_hz)
    times = max(1, _BLOCK_SAMPLES // (from_hz // shared))
    down, up = from_hz // shared * times, to_hz // shared * times
    band = min(1.0, to_hz / from_hz)
    reach = math.ceil(_HALF_WIDTH / band)
    # How far each input of the row is from each output, in input samples.
    apart = np.arange(-reach, down + reach)[:, None] - np.arange(up)[None, :] * down / up
    window = np.i0(_KAISER_BETA * np.sqrt(np.clip(1 - (apart / reach) ** 2, 0, 1)))
    kernel = np.sinc(apart * band * 0.95) * np.where(np.abs(apart) < reach, window, 0)
    return (kernel / kernel.sum(axis=0)).astype(np.float32), down, up, reach
