"""Conversion between the sample rates of engines and 24 kHz, inside worker processes."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_HALF_WIDTH = 16
"""Zero crossings of the kernel on each side."""
_KAISER_BETA = 8.0


class Resampler:
    """A streaming, linear-phase rational resampler for 16-bit mono PCM.

    Output sample ``k`` lies at the time of input sample ``k * from_hz / to_hz``: there
    is no delay in what comes out, only in when.  How the input is cut into pieces makes
    no difference.  After n samples and `flush`, ``ceil(n * to_hz / from_hz)`` came out.
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        shared = math.gcd(from_hz, to_hz)
        self._up, self._down = to_hz // shared, from_hz // shared
        cutoff = min(1.0, to_hz / from_hz) * 0.95
        self._reach = math.ceil(_HALF_WIDTH / min(1.0, to_hz / from_hz))
        # Row p weighs input samples i - reach + 1 .. i + reach for an output at i + p/up.
        phase = np.arange(self._up)[:, None] / self._up
        offset = np.arange(-self._reach + 1, self._reach + 1)[None, :] - phase
        window = np.i0(_KAISER_BETA * np.sqrt(np.clip(1 - (offset / self._reach) ** 2, 0, 1)))
        kernel = np.sinc(offset * cutoff) * window
        self._kernel = (kernel / kernel.sum(axis=1, keepdims=True)).astype(np.float32)
        self._input = np.zeros(self._reach - 1, np.float32)
        self._input_begin = -(self._reach - 1)  # Index in the stream of _input[0].
        self._taken = 0  # Input samples so far.
        self._made = 0  # Output samples so far.
        self._odd = b""

    def process(self, pcm: bytes) -> bytes:
        """More input; returns what is now determined."""
        pcm = self._odd + pcm if self._odd else pcm
        whole = len(pcm) & ~1
        self._odd = pcm[whole:]
        samples = np.frombuffer(pcm, "<i2", whole // 2).astype(np.float32)
        self._input = np.concatenate((self._input, samples))
        self._taken += len(samples)
        # Output k needs input up to floor(k * down / up) + reach.
        last_centre = self._taken - 1 - self._reach
        return self._make_until(((last_centre + 1) * self._up - 1) // self._down + 1)

    def flush(self) -> bytes:
        """The end of the stream; the resampler is spent."""
        self._input = np.concatenate((self._input, np.zeros(self._reach + 1, np.float32)))
        return self._make_until(-(-self._taken * self._up // self._down))

    def _make_until(self, end: int) -> bytes:
        if end <= self._made:
            return b""
        position = np.arange(self._made, end, dtype=np.int64) * self._down
        centre, phase = position // self._up, position % self._up
        windows: NDArray[np.float32] = np.lib.stride_tricks.sliding_window_view(
            self._input, 2 * self._reach
        )[centre - self._reach + 1 - self._input_begin]
        made = np.einsum("ij,ij->i", windows, self._kernel[phase])
        self._made = end
        keep = end * self._down // self._up - self._reach + 1
        self._input = self._input[keep - self._input_begin :]
        self._input_begin = keep
        return bytes(np.clip(np.rint(made), -32768, 32767).astype("<i2").tobytes())
