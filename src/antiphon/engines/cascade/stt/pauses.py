"""Where in a turn somebody speaks, from its loudness alone.

Good enough to begin with recognition early: a pause that was none costs some work, one
that is missed some time.  Whether a turn is over is for others to say.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from antiphon.engines.cascade.stt.log_mel import Frames

_MEMORY_FRAMES = 800
_LEAST_FRAMES = 10
_LEAST_RANGE_DB = 8.0
"""Less between quiet and loud: nobody speaks, or nobody can tell."""
_LOUD, _LOUD_MIN_DB = 0.6, 6.0
"""Speech is so far up from the quietest tenth to the loudest twentieth, and at least..."""

Levels = NDArray[np.float32]


class Pauses:
    def __init__(self) -> None:
        self._levels: Levels = np.zeros(0, np.float32)
        self._begin = 0
        """How many of them were forgotten, and are kept to compare with."""
        self.can_tell = False
        self.speech_begin = self.speech_end = 0
        """The first loud frame, and the one after the last; both 0: none was."""

    @property
    def quiet_frames(self) -> int:
        """Since somebody spoke; 0 where nobody did."""
        return len(self._levels) - self._begin - self.speech_end if self.speech_end else 0

    def hear(self, frames: Frames) -> None:
        # The mean of the bands in dB: a hum, loud in two of them, hardly moves it.
        new = (10 * frames.mean(axis=1)).astype(np.float32)
        self._levels = np.concatenate((self._levels, new))
        recent = self._levels[-_MEMORY_FRAMES:]
        if len(recent) < _LEAST_FRAMES:
            return
        quiet, loud = _percentiles(recent, 10, 95)
        self.can_tell = bool(loud - quiet >= _LEAST_RANGE_DB)
        if self.can_tell:
            threshold = quiet + max(_LOUD_MIN_DB, _LOUD * (loud - quiet))
            found = np.flatnonzero(self._levels[self._begin :] > threshold)
            self.speech_begin = int(found[0]) if len(found) else 0
            self.speech_end = int(found[-1]) + 1 if len(found) else 0

    def forget(self, frames: int) -> None:
        """The first ``frames`` are not wanted any more."""
        self._begin += frames
        old = max(0, min(self._begin, len(self._levels) - _MEMORY_FRAMES))
        self._levels, self._begin = self._levels[old:], self._begin - old
        self.speech_begin = max(0, self.speech_begin - frames)
        self.speech_end = max(0, self.speech_end - frames)

    def quietest(self, begin: int, end: int) -> int:
        """Where to cut between two frames, if somewhere."""
        levels = self._levels[self._begin :][begin:end]
        return begin + int(np.convolve(levels, np.ones(30) / 30, "valid").argmin()) + 15


def _percentiles(levels: Levels, *percents: int) -> list[float]:
    """As numpy's own, which costs more for so few."""
    last = len(levels) - 1
    below = [last * percent // 100 for percent in percents]
    ranked = np.partition(levels, sorted({i for at in below for i in (at, min(at + 1, last))}))
    return [
        float(ranked[at] + (ranked[min(at + 1, last)] - ranked[at]) * (last * percent / 100 - at))
        for at, percent in zip(below, percents, strict=True)
    ]
