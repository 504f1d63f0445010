"""How many new sessions a server takes in a while: measured lateness decides.  Pure.

A session shows what it costs some seconds after it came: when it has been answered.  So those who
have just come count as what the others cost, until they have been measured themselves.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

SETTLED_AFTER_S: Final = 5.0
"""By then a session is in what is measured."""
FEW_SESSIONS: Final = 4
"""So few make no machine late: something else on it does, and turning people away does not help."""
AT_ONCE: Final = 50
"""So many may come while next to nothing is known of what they cost; later as many as are there."""
STOP_SHARE: Final = 0.5
"""Of the lateness that live sessions must not have: there nobody comes in any more."""
BUSY_SHARE: Final = 0.8
"""Of the loop's time that is filled quickly.  Beyond it sessions come one by one: each may be
the one too many.
"""


class Load(NamedTuple):
    """As it was measured last."""

    late_ms: float = 0.0
    """p99."""
    busy_share: float = 0.0
    """Of the time of the loop."""


class Intake:
    """Args:
    max_lateness_ms: Of those who are live, p99; 0: they are let in however late it is.
    load: What was measured last.
    now_s: Must not go back.
    """

    def __init__(
        self, max_lateness_ms: float, *, load: Callable[[], Load], now_s: Callable[[], float]
    ) -> None:
        self._stop_ms = max_lateness_ms * STOP_SHARE
        self._load = load
        self._now_s = now_s
        self._came_s: deque[float] = deque()
        """Of those who have not settled."""

    def came(self) -> None:
        """One is let in."""
        if self._stop_ms:
            self._came_s.append(self._now_s())

    def turned_away(self) -> None:
        """The last that came was refused after all."""
        if self._came_s:
            self._came_s.pop()

    def wait_s(self, live: int) -> float:
        """How long one more has to wait; 0: it may come.

        Args:
            live: How many sessions there are, those that are being opened among them.
        """
        if not self._stop_ms:
            return 0.0
        now_s = self._now_s()
        while self._came_s and self._came_s[0] + SETTLED_AFTER_S <= now_s:
            self._came_s.popleft()
        if live < FEW_SESSIONS:
            return 0.0
        if len(self._came_s) < room(self._load(), live, len(self._came_s), self._stop_ms):
            return 0.0
        if not self._came_s:
            return SETTLED_AFTER_S
        return self._came_s[0] + SETTLED_AFTER_S - now_s


def room(load: Load, live: int, unsettled: int, stop_ms: float) -> int:
    """How many may be unsettled at a time: the fewer, the later it is.  0: none, or it is late."""
    if load.late_ms >= stop_ms:
        return 0
    most = float(max(AT_ONCE, live - unsettled))
    if load.busy_share > 0 and live:
        # Those who have not settled are in it in part, and count once more: rather too few.
        cost = load.busy_share / live
        if late_with(load, cost) >= stop_ms:
            return 0
        most = min(most, (BUSY_SHARE - load.busy_share) / cost)
    return max(1, int(most * (1 - load.late_ms / stop_ms)))


def late_with(load: Load, cost: float) -> float:
    """How late it would be with one more, who costs so much: what waits for a busy loop grows as
    its busy time to its free time.
    """
    busy, then = load.busy_share, load.busy_share + cost
    if then >= 1:
        return math.inf
    return load.late_ms * (then / (1 - then)) / (busy / (1 - busy))
