"""How many sessions one address may begin in a minute."""

from __future__ import annotations

from collections import OrderedDict

MAX_ADDRESSES = 10_000
"""Remembered; above, the one that has been quiet longest is forgotten."""


class SessionRate:
    """A bucket for each address: full at first, one minute to fill."""

    def __init__(self, per_minute: int) -> None:
        """Args: per_minute: 0 sets no limit."""
        self._per_minute = per_minute
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, address: str, now_s: float) -> float:
        """Begin one session.

        Returns:
            0, or the seconds to wait: then none was taken.
        """
        if not self._per_minute:
            return 0
        per_s = self._per_minute / 60
        left, then_s = self._buckets.pop(address, (float(self._per_minute), now_s))
        left = min(self._per_minute, left + (now_s - then_s) * per_s)
        wait_s = max(0.0, (1 - left) / per_s)
        self._buckets[address] = (left if wait_s else left - 1, now_s)
        if len(self._buckets) > MAX_ADDRESSES:
            self._buckets.popitem(last=False)
        return wait_s
