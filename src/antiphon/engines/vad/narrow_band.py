"""Which microphones are at the other end of a telephone line: nothing above 4 kHz comes from them.

The network that was trained at 16 kHz misses short words of some such voices, whatever the format
in which they come; the one that was trained at 8 kHz misses others.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

LOUD: Final = 0.008
"""RMS of a window; in a softer one the noise of 16 bits is as loud as what is looked for."""
_HIGH_BIN: Final = 136
"""Of 512 samples at 16 kHz: 4.25 kHz."""
_SHARE_MAX: Final = 0.0015
"""So little lies above, of the whole.  In recordings of microphones one window of twenty has less
than 0.003."""
_AGAINST: Final = 3
"""What tells of a wide band counts so many times what tells of none: a hum has nothing there."""
SURE: Final = 12
_SELDOM: Final = 8
"""Of whom that is sure, one window of so many is looked at."""


class NarrowBand:
    """By slot; nobody's band is narrow before something loud was heard."""

    def __init__(self, slots: int) -> None:
        self._votes = np.zeros(slots, np.int16)
        self._heard = np.zeros(slots, np.int64)
        """Batches with something of a slot."""

    def grow(self, slots: int) -> None:
        self._votes = np.pad(self._votes, (0, slots - len(self._votes)))
        self._heard = np.pad(self._heard, (0, slots - len(self._heard)))

    def reset(self, slot: int) -> None:
        self._votes[slot] = self._heard[slot] = 0

    def of(self, slots: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Which of them are narrow, as far as they were looked at."""
        return self._votes[slots] > 0

    def look(self, slots: NDArray[np.intp], windows: NDArray[np.float32]) -> NDArray[np.intp]:
        """At windows of 16 kHz.  Returns the slots that it changed its mind about."""
        self._heard[slots] += 1
        is_sure = np.abs(self._votes[slots]) >= SURE
        rows = np.flatnonzero(~is_sure | (self._heard[slots] % _SELDOM == 0))
        if not rows.size:
            return rows
        power = np.einsum("ij,ij->i", windows[rows], windows[rows]) / windows.shape[1]
        rows = rows[np.flatnonzero(power >= LOUD**2)]
        if not rows.size:
            return rows
        spectrum = np.abs(np.fft.rfft(windows[rows] * _HANN)) ** 2
        share = spectrum[:, _HIGH_BIN:].sum(axis=1) / spectrum.sum(axis=1)
        votes = np.where(share < _SHARE_MAX**2, 1, -_AGAINST)
        looked_at = slots[rows]
        before = self._votes[looked_at] > 0
        np.add.at(self._votes, looked_at, votes)
        np.clip(self._votes, -SURE, SURE, out=self._votes)
        changed: NDArray[np.intp] = np.unique(looked_at[before != (self._votes[looked_at] > 0)])
        return changed


_HANN: Final = np.hanning(512).astype(np.float32)
