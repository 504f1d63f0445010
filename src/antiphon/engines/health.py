"""Whether something that failed is worth another try.  Pure: time is passed in."""

from __future__ import annotations

from collections.abc import Callable

FIRST_S = 15.0
LONGEST_S = 300.0
"""Each failure in a row doubles the time that it is left alone, from the one to the other."""
MAX_FAILURES = 16
"""That are counted."""


class Health:
    def __init__(self) -> None:
        self._failures = 0
        self._again_s = 0.0

    def failed(self, now_s: float) -> None:
        """Failures at one time, of many sessions, are one."""
        if self._failures and now_s < self._again_s:
            return
        self._failures = min(self._failures + 1, MAX_FAILURES)
        self._again_s = now_s + min(LONGEST_S, FIRST_S * 2 ** (self._failures - 1))

    def succeeded(self) -> None:
        self._failures = 0

    def is_well(self, now_s: float) -> bool:
        """It did not fail of late, or has been left alone for long enough."""
        return not self._failures or now_s >= self._again_s


class Healths:
    """By name; names are an operator's, so there are few.

    Args:
        now_s: A clock.
    """

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._by_name: dict[str, Health] = {}

    def failed(self, name: str) -> None:
        self._by_name.setdefault(name, Health()).failed(self._now_s())

    def succeeded(self, name: str) -> None:
        if (health := self._by_name.get(name)) is not None:
            health.succeeded()

    def is_well(self, name: str) -> bool:
        health = self._by_name.get(name)
        return health is None or health.is_well(self._now_s())
