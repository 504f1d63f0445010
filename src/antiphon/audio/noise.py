"""Taking steady noise out of a microphone: spectral gains, frame by frame.

The noise under each frequency is the minimum of its smoothed power over the last 1.2 to
1.5 s (R. Martin, "Noise power spectral density estimation based on optimal smoothing and
minimum statistics", 2001; here with a fixed smoothing and a fixed bias).  Gains are
Wiener's, with the decision-directed estimate of Ephraim and Malah (1984), which keeps
what is left of the noise from twittering.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

RATE_HZ: Final = 24_000

_FRAME, _HOP = 480, 240  # 20 ms, half overlapped
_BINS = _FRAME // 2 + 1

DELAY_SAMPLES: Final = _FRAME
"""20 ms: how much later than it came in a sample goes out."""

_SMOOTHING = np.float32(0.85)
# The minimum of the smoothed power of white noise lies this far under its mean.
_MINIMUM_BIAS = 2.3
_DECISION_DIRECTED = 0.96
_MINIMA, _FRAMES_PER_MINIMUM = 5, 30

# The power of a frame of digital silence, in place of 0, far below one quantum.
_TINY = np.float32(1e-3)

# Far under both floors.  From 0 the recursion would fall into denormal numbers, which
# processors are slow with.
_LEAST_PRIOR = np.float32(1e-3)

_WINDOW = np.sqrt(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_FRAME) / _FRAME)).astype(np.float32)

Kind = Literal["near_field", "far_field"]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class _Character:
    deepest_db: float
    """The most that any frequency is turned down, at strength 1."""
    overestimate: float
    """Noise is taken for this much stronger than it was measured (power)."""


_CHARACTERS: dict[Kind, _Character] = {
    "near_field": _Character(deepest_db=-12, overestimate=1.0),
    "far_field": _Character(deepest_db=-18, overestimate=1.5),
}


class NoiseReducer:
    """One microphone, 24 kHz.  The same in gives the same out, however it is cut.

    For its first 0.3 s it only listens: a voice that is there from the very first sample
    is not taken for noise.
    """

    def __init__(self, kind: Kind, strength: float = 1.0) -> None:
        """Choose how hard to try.

        Args:
            kind: ``near_field``, a headset: -12 dB at most; ``far_field``, a laptop or a
                room: -18 dB at most, and quicker to take something for noise.
            strength: 0 (nothing is turned down) to 1.

        Raises:
            ValueError: ``strength`` is not from 0 to 1.
        """
        if not 0 <= strength <= 1:
            raise ValueError(f"strength is {strength}; it goes from 0 to 1")
        character = _CHARACTERS[kind]
        self._floor = np.float32(10 ** (character.deepest_db * strength / 20))
        # The tracked power is scaled such that power / noise is (1 - dd) times the
        # a-posteriori signal-to-noise ratio: it saves two multiplications a frame.
        bias = _MINIMUM_BIAS * character.overestimate / (1 - _DECISION_DIRECTED)
        self._gather = np.float32((1 - _SMOOTHING) * bias)
        self._smoothed: Floats | None = None
        self._lowest = np.full(_BINS, np.inf, np.float32)  # of the minimum being looked for
        self._minima: list[Floats] = []
        self._past = np.full(_BINS, _TINY, np.float32)  # lowest of those found before
        self._frames_of_minimum = 0
        self._clean = np.zeros(_BINS, np.float32)
        self._input = bytes(2 * _HOP)  # before the first sample: silence
        self._overlap = np.zeros(_HOP, np.float32)
        self._output = bytes(2 * (DELAY_SAMPLES - _HOP))

    def process(self, pcm: bytes) -> bytes:
        """As many samples as came in, those of `DELAY_SAMPLES` ago.

        Raises:
            ValueError: ``pcm`` ends inside a sample.
        """
        data = self._input + pcm
        x = np.frombuffer(data, "<i2")
        count = (x.size - _FRAME) // _HOP + 1 if x.size >= _FRAME else 0
        if count:
            self._output += self._frames(x, count)
            data = data[2 * count * _HOP :]
        self._input = data
        out, self._output = self._output[: len(pcm)], self._output[len(pcm) :]
        return out

    def _frames(self, x: NDArray[np.int16], count: int) -> bytes:
        frames = np.ndarray((count, _FRAME), x.dtype, x, 0, (_HOP * 2, 2))  # overlapping views
        spectra = np.fft.rfft(frames * _WINDOW)
        power = (spectra.real**2 + spectra.imag**2).astype(np.float32, copy=False)
        power += _TINY
        gains = np.empty_like(power)
        for frame in range(count):
            self._gain(power[frame], gains[frame])
        spectra *= gains
        parts = np.fft.irfft(spectra).astype(np.float32, copy=False)
        parts *= _WINDOW
        out = parts[:, :_HOP]
        out[0] += self._overlap
        out[1:] += parts[:-1, _HOP:]
        self._overlap = parts[-1, _HOP:].copy()
        np.rint(out, out=out)
        return np.minimum(np.maximum(out, -32768), 32767).astype("<i2").tobytes()

    def _gain(self, power: Floats, gain: Floats) -> None:
        """Wiener gains for one frame.  Only operations that IEEE 754 defines to the bit."""
        gathered = power * self._gather
        if self._smoothed is None:
            self._smoothed = gathered / (1 - _SMOOTHING)
        smoothed = self._smoothed
        smoothed *= _SMOOTHING
        smoothed += gathered
        np.minimum(self._lowest, smoothed, out=self._lowest)
        ratio = power / np.minimum(self._lowest, self._past)  # (1 - dd) * SNR a posteriori
        prior = ratio - np.float32(1 - _DECISION_DIRECTED)
        np.maximum(prior, _LEAST_PRIOR, out=prior)
        prior += self._clean
        np.divide(prior, prior + 1, out=gain)
        ratio *= np.float32(_DECISION_DIRECTED / (1 - _DECISION_DIRECTED))
        ratio *= gain
        self._clean = np.multiply(ratio, gain, out=ratio)  # dd * SNR of what was let through
        np.maximum(gain, self._floor, out=gain)
        self._frames_of_minimum += 1
        if self._frames_of_minimum == _FRAMES_PER_MINIMUM:
            self._next_minimum()

    def _next_minimum(self) -> None:
        self._minima = [*self._minima[1 - _MINIMA :], self._lowest]
        self._past = np.minimum.reduce(self._minima)
        self._lowest = np.full(_BINS, np.inf, np.float32)
        self._frames_of_minimum = 0
