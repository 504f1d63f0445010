"""Turns by loudness, while no upstream is there to find them.

Whoever speaks to an upstream that refuses us is to be told so.  Coarse, and good enough for that:
whatever is loud is a turn.
"""

from __future__ import annotations

from collections.abc import Callable

from antiphon.core.causes import MEDIA_RATE_HZ
from antiphon.engines.vad.energy import EnergyDetector

ONSET_WINDOWS = 2
"""A click is no word."""
QUIET_SAMPLES = MEDIA_RATE_HZ // 2
"""So long a silence ends a turn."""
LONGEST_SAMPLES = 15 * MEDIA_RATE_HZ
"""Noise that never ends is no reason to say nothing."""


class LoudTurns:
    """Args:
    found, ended: Told the position of a turn's beginning and of its end.
    """

    def __init__(self, found: Callable[[int], None], ended: Callable[[int], None]) -> None:
        self._found = found
        self._ended = ended
        self._stream = EnergyDetector().open(self._on_window)
        self._loud_windows = 0
        self._began: int | None = None
        self._loud_until = 0

    def hear(self, pcm: bytes, at_sample: int) -> None:
        self._stream.feed(pcm, at_sample)

    def _on_window(self, at_sample: int, probability: float) -> None:
        if probability:
            self._loud_windows += 1
            self._loud_until = at_sample
        else:
            self._loud_windows = 0
        if self._began is None:
            if self._loud_windows == ONSET_WINDOWS:
                self._began = at_sample
                self._found(at_sample)
        elif (
            at_sample - self._loud_until >= QUIET_SAMPLES
            or at_sample - self._began >= LONGEST_SAMPLES
        ):
            self._began = None
            self._ended(at_sample)
