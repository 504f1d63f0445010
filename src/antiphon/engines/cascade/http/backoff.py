"""How long to leave a server alone before it is asked again.  No clock."""

from __future__ import annotations

from collections.abc import Callable

FIRST_WAIT_S, WAIT_GROWTH = 0.3, 3.0
LONGEST_WAIT_S = 5.0
"""A user waits meanwhile: a server that wants to be left alone longer is a failure."""


class Backoff:
    """How long to leave a server alone that failed for the moment."""

    def __init__(self, retries: int, random: Callable[[], float]) -> None:
        """``random``: of [0, 1), so that many sessions do not come back at once."""
        self._left = retries
        self._random = random
        self._wait_s = FIRST_WAIT_S

    def next_s(self, retry_after_s: float | None) -> float | None:
        """Seconds to wait; None: give up."""
        wait_s = max(self._wait_s * (0.5 + self._random() / 2), retry_after_s or 0.0)
        if not self._left or wait_s > LONGEST_WAIT_S:
            return None
        self._left -= 1
        self._wait_s *= WAIT_GROWTH
        return wait_s
