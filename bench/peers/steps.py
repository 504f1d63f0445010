"""How many sessions to try next.  Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

LATE_MS = 20
"""A core is full when one piece of speech in a hundred comes later than this."""
CALLERS_LATE_MS = 10
FULL = 0.85
"""The part of a core at which a guess is made."""
CLOSE = 1.2
MOST_SESSIONS = 400
MOST_GROWTH = 10


@dataclass(frozen=True)
class Step:
    """What was found with so many sessions."""

    sessions: int
    connected: int
    core: float
    lateness_p99_ms: float | None
    callers_late_p99_ms: float | None

    @property
    def is_in_time(self) -> bool:
        late = self.lateness_p99_ms
        return late is not None and late <= LATE_MS and self.connected == self.sessions

    @property
    def callers_were_late(self) -> bool:
        return (self.callers_late_p99_ms or 0.0) > CALLERS_LATE_MS


def next_sessions(steps: Sequence[Step], first: int) -> int | None:
    """From what a session costs where nothing was late, else between the two; None: known."""
    if not steps:
        return first
    fits = max((step for step in steps if step.is_in_time), key=_sessions, default=None)
    late = [step for step in steps if not step.is_in_time]
    if any(step.callers_were_late for step in steps):
        return None  # More of them would tell nothing of the server.
    if late:
        least = min(map(_sessions, late))
        wanted = max(1, least // 2) if fits is None else round(sqrt(fits.sessions * least))
        near = 0 if fits is None else fits.sessions * CLOSE
        return None if least <= near or wanted in map(_sessions, steps) else wanted
    assert fits is not None, "what is not late is in time"
    guess = fits.sessions * FULL / max(fits.core, 0.001)
    most = min(MOST_SESSIONS, fits.sessions * MOST_GROWTH)
    wanted = min(most, max(round(guess), round(fits.sessions * CLOSE) + 1))
    return wanted if wanted > fits.sessions else None


def _sessions(step: Step) -> int:
    return step.sessions
