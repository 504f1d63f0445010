"""Whether the microphone hears what was just played.

Whoever plays knows what an echo must sound like: a quieter, later copy of it.  A person who
speaks is no copy, and louder than an echo that matters.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

RATE_HZ: Final = 24_000
DECIMATION: Final = 8
"""To 3 kHz, where most of a voice's energy is: a fraction of the work."""
HEARD_S: Final = 0.25
"""So much of the microphone is compared: some syllables, so that no two voices match."""
PLAYED_S: Final = 1.25
"""So much of what was played: an echo may be late by the difference."""
COPY_SHARE: Final = 0.4
"""Of the microphone's energy: explained by a copy, it is an echo."""
SURE_SHARE: Final = 0.7
"""From such a one the way is learned that sound takes from loudspeaker to microphone."""
COPY_GAIN_MAX: Final = 0.4
"""An echo as loud as that is not told from a person who says the same (-8 dB)."""
LEARNING: Final = 0.2
FORGETTING: Final = 0.95
"""For each time that a voice is no echo: perhaps the user has put on a headset."""

HEARD_SAMPLES: Final = round(HEARD_S * RATE_HZ / DECIMATION)
PLAYED_SAMPLES: Final = round(PLAYED_S * RATE_HZ / DECIMATION)
_FFT_SIZE: Final = 4096

_MEAN: Final = np.full(DECIMATION, 1 / DECIMATION, np.float32)

Samples = NDArray[np.float32]


class Match(NamedTuple):
    """The stretch of what was played that is most like what was heard."""

    share: float
    """Of the energy heard that a copy of the stretch explains, 0 to 1."""
    gain: float
    """Of that copy."""
    rms: float
    """Of what the copy leaves unexplained."""
    loudest_rms: float
    """Of any stretch as long."""


class Echo:
    """One microphone, 24 kHz, in the room of one loudspeaker.  See bench/echo.py."""

    def __init__(self) -> None:
        self._heard: deque[bytes] = deque()
        self._heard_bytes = 0
        self._gain = 0.0
        """From loudspeaker to microphone, as far as it is known."""

    def hear(self, pcm: bytes) -> None:
        """What the microphone hears; the last quarter of a second is kept."""
        self._heard.append(pcm)
        self._heard_bytes += len(pcm)
        needed = 2 * DECIMATION * HEARD_SAMPLES
        while self._heard_bytes - len(self._heard[0]) >= needed:
            self._heard_bytes -= len(self._heard.popleft())

    def is_of(self, played: bytes) -> bool:
        """Whether what was heard last is an echo of ``played``, which ends now."""
        found = match(coarse(b"".join(self._heard), HEARD_SAMPLES), coarse(played, PLAYED_SAMPLES))
        if found.share >= COPY_SHARE and found.gain <= COPY_GAIN_MAX:
            if found.share >= SURE_SHARE:
                self._gain += LEARNING * (found.gain - self._gain) if self._gain else found.gain
            return True
        # Reverberation, and a network that jumps, blur an echo; but make it no louder.
        if found.rms < self._gain * found.loudest_rms:
            return True
        self._gain *= FORGETTING
        return False


def match(heard: Samples, played: Samples) -> Match:
    """Find ``heard`` in ``played``, which is longer; both at the same rate."""
    energy = float(heard @ heard)
    spectrum = np.fft.rfft(played, _FFT_SIZE) * np.conj(np.fft.rfft(heard, _FFT_SIZE))
    lags = len(played) - len(heard) + 1
    products = np.fft.irfft(spectrum, _FFT_SIZE)[:lags]
    squares = np.concatenate(([0.0], np.cumsum(played.astype(np.float64) ** 2)))
    energies = squares[len(heard) :] - squares[: -len(heard)]
    shares = np.zeros(lags)
    np.divide(products**2, energies * energy, out=shares, where=energies * energy > 1.0)
    best = int(np.argmax(shares))
    share = min(1.0, float(shares[best]))
    return Match(
        share,
        abs(float(products[best])) / float(energies[best]) if share else 0.0,
        float(np.sqrt(energy * (1 - share) / len(heard))),
        float(np.sqrt(max(0.0, float(energies.max())) / len(heard))),
    )


def coarse(pcm: bytes, count: int) -> Samples:
    """The last ``count`` samples at 3 kHz; silence before what there is."""
    whole = 2 * DECIMATION * count
    samples = np.frombuffer(pcm[-whole:].rjust(whole, b"\0"), "<i2").astype(np.float32)
    thinned: Samples = samples.reshape(-1, DECIMATION) @ _MEAN  # A third of mean()'s time.
    return thinned
