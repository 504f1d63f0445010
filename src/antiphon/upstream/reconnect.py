"""When to come back to a server that went away, and after how long."""

from __future__ import annotations

from collections.abc import Callable

LOST = frozenset({1001, 1005, 1006, 1011, 1012, 1013})
"""Close codes of a server that may be back: leaving, no code, torn, failed, restarting, busy."""

FIRST_MS = 250
LONGEST_MS = 15_000
ATTEMPTS = 10


class Backoff:
    """Exponential backoff with full jitter on the upper half.

    Args:
        random: Draws from 0..1; passed in, so that a test knows the delays.
    """

    def __init__(self, random: Callable[[], float], *, attempts: int = ATTEMPTS) -> None:
        self._random = random
        self._attempts = attempts
        self.attempt = 0

    def next_delay_ms(self, at_least_ms: float = 0) -> float | None:
        """How long to wait before the next attempt; None when it is time to give up."""
        if self.attempt >= self._attempts:
            return None
        ceiling_ms = min(LONGEST_MS, FIRST_MS << self.attempt)
        self.attempt += 1
        return max(at_least_ms, ceiling_ms * (0.5 + 0.5 * self._random()))

    def reset(self) -> None:
        self.attempt = 0
