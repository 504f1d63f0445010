"""Which microphones are at the other end of a telephone line: nothing above 4 kHz comes from them.

The network that was trained at 16 kHz misses short words of some such voices, whatever the format
in which they come; the one that was trained at 8 kHz misses others.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from antiphon.engines.vad.spectra import BIN_HZ

LOUD: Final = 0.008
"""RMS of a window; in a softer one the noise of 16 bits is as loud as what is looked for."""
_HIGH_BIN: Final = round(4_250 / BIN_HZ)
_FRAMES: Final = slice(1, 3)
"""Those within the window.  In the last its end is reflected: a bend, which is heard everywhere."""
_LOUD_POWER: Final = LOUD**2 * 128 * 2 * 96
"""Of all bins of both: those of 0 to 8 kHz have half of the power, and a Hann window has 96 of 256
samples' squares."""
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
        self._votes = [0] * slots
        self._is_sure = np.zeros(slots, bool)
        self._is_narrow = np.zeros(slots, bool)
        self._batches = 0

    def grow(self, slots: int) -> None:
        more = slots - len(self._votes)
        self._votes += [0] * more
        self._is_sure = np.pad(self._is_sure, (0, more))
        self._is_narrow = np.pad(self._is_narrow, (0, more))

    def reset(self, slot: int) -> None:
        self._vote(slot, 0)

    def of(self, slots: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Which of them are narrow, as far as they were looked at."""
        found: NDArray[np.bool_] = self._is_narrow[slots]
        return found

    def look(self, slots: NDArray[np.intp], spectra: NDArray[np.float32]) -> NDArray[np.intp]:
        """At windows, as of `Spectra`.  Returns the slots that it changed its mind about."""
        self._batches += 1
        is_due = (slots + self._batches) % _SELDOM == 0
        rows = np.flatnonzero(is_due | ~self._is_sure[slots])
        if not rows.size:
            return rows
        power = np.square(spectra[rows, _FRAMES]).sum(axis=1)
        whole = power.sum(axis=1)
        high = power[:, _HIGH_BIN:].sum(axis=1)
        before: dict[int, bool] = {}
        # They are few, and the same slot may be among them more than once.
        for slot, all_of_it, above in zip(
            slots[rows].tolist(), whole.tolist(), high.tolist(), strict=True
        ):
            if all_of_it >= _LOUD_POWER:
                before.setdefault(slot, self._votes[slot] > 0)
                tells = 1 if above < _SHARE_MAX**2 * all_of_it else -_AGAINST
                self._vote(slot, max(-SURE, min(SURE, self._votes[slot] + tells)))
        changed = [slot for slot, was in before.items() if was != self._is_narrow[slot]]
        return np.array(changed, np.intp)

    def _vote(self, slot: int, votes: int) -> None:
        self._votes[slot] = votes
        self._is_sure[slot] = abs(votes) >= SURE
        self._is_narrow[slot] = votes > 0
