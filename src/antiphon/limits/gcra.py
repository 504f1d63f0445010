"""The generic cell rate algorithm (ITU-T I.371): a bucket that leaks, told by one number.

That number is the theoretical arrival time: when the bucket would be empty.  What comes is let
through while that lies no further ahead than the burst takes to leak.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final, NamedTuple

MAX_SUBJECTS: Final = 10_000


class Rate(NamedTuple):
    per_s: float
    burst: float
    """So many at once, after a rest."""


class Taken(NamedTuple):
    wait_s: float
    """0: it may pass; else how long until it might."""
    empty_at_s: float
    """The bucket's number if it passes (after that wait)."""


def take(rate: Rate, empty_at_s: float | None, now_s: float, cost: float = 1) -> Taken:
    """Args:
    rate: Above 0.
    empty_at_s: The bucket's number; None: it has rested.
    now_s: Must not go back.
    cost: What comes at once; more than the burst passes when the bucket is empty.
    """
    start_s = now_s if empty_at_s is None else max(now_s, empty_at_s)
    ahead_s = start_s - now_s + cost / rate.per_s
    allowed_s = max(rate.burst, cost) / rate.per_s
    # Sums of floats: what is due in this very nanosecond is due.
    wait_s = ahead_s - allowed_s
    return Taken(wait_s if wait_s > 1e-9 else 0.0, start_s + cost / rate.per_s)


class Buckets:
    """One bucket for each subject, all of one rate.

    Overflow policy: above ``max_subjects`` the one that was asked about longest ago is forgotten,
    which fills its bucket.
    """

    def __init__(self, *, max_subjects: int = MAX_SUBJECTS) -> None:
        self._max_subjects = max_subjects
        self._empty_at_s: OrderedDict[Hashable, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._empty_at_s)

    def wait_s(self, subject: Hashable, rate: Rate, now_s: float, cost: float = 1) -> float:
        """How long until it might pass; nothing is taken."""
        return take(rate, self._empty_at_s.get(subject), now_s, cost).wait_s

    def empty_in_s(self, subject: Hashable, now_s: float) -> float:
        """How long until it has rested."""
        return max(0.0, self._empty_at_s.get(subject, now_s) - now_s)

    def take(
        self, subject: Hashable, rate: Rate, now_s: float, cost: float = 1, *, owe: bool = False
    ) -> float:
        """Let it pass.

        Returns:
            0, or the seconds to wait: then nothing was taken, or, with ``owe``, it was, and who
            comes next waits longer.
        """
        taken = take(rate, self._empty_at_s.get(subject), now_s, cost)
        if owe or not taken.wait_s:
            self._empty_at_s[subject] = taken.empty_at_s
            self._empty_at_s.move_to_end(subject)
            if len(self._empty_at_s) > self._max_subjects:
                self._empty_at_s.popitem(last=False)
        return taken.wait_s
