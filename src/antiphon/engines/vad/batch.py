"""Windows of many streams that go through the networks together."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


class Batch(NamedTuple):
    """A row for each window; the windows of one stream lie beside one another, in order."""

    slots: NDArray[np.intp]
    """Of the streams: shape ``(n,)``; all different, but for what ``follows`` says."""
    follows: NDArray[np.bool_] | None = None
    """Which rows continue the stream of the row before; None: none does."""
    sounding: NDArray[np.intp] | None = None
    """The rows that have a spectrum.  The others are digital silence after silence, which is the
    same each time.  None: all have one.
    """

    def heard(self) -> Batch:
        """The rows that have a spectrum."""
        if self.sounding is None:
            return self
        slots = self.slots[self.sounding]
        follows = np.empty(len(slots), bool)
        follows[:1] = False
        np.equal(slots[1:], slots[:-1], out=follows[1:])
        return Batch(slots, follows if follows.any() else None)

    def part(self, chosen: NDArray[np.bool_], spectra: Floats) -> tuple[Batch, Floats]:
        """All windows of some streams, with their spectra out of ``spectra``.

        Args:
            chosen: Of each row, whether it is taken.
            spectra: Of the rows that have one.
        """
        follows = None if self.follows is None else self.follows[chosen]
        if self.sounding is None:
            return Batch(self.slots[chosen], follows), spectra[chosen]
        with_sound = chosen[self.sounding]
        places = np.cumsum(chosen) - 1
        sounding = places[self.sounding[with_sound]]
        return Batch(self.slots[chosen], follows, sounding), spectra[with_sound]
