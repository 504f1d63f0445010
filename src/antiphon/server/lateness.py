"""How late this process is, and how much of its time it is busy: what callers hear of its load."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Final

from aiohttp import web

from antiphon.server.background import in_background

TICK_S: Final = 0.005
"""Four times in the length of a frame, as often as sound may leave (`transports.rtp.clock`)."""
TICKS_PER_SECOND: Final = 200
WINDOW_TICKS: Final = 5 * TICKS_PER_SECOND
MIN_TICKS: Final = 2 * TICKS_PER_SECOND
"""Fewer say nothing yet."""
FRESH_S: Final = 3
"""The worst of so many seconds decides who comes in: the last alone may have been a good one."""
QUANTILE: Final = 0.99


class Lateness:
    """A clock like the one that paces the sound of calls, which only looks at how late it is.

    Late is what was due at a tick and has been sent by its end: a timer that comes in time says
    little while a hundred others come with it.

    Args:
        busy_s: How long the thread of the loop has run so far.
    """

    def __init__(self, busy_s: Callable[[], float] = time.thread_time) -> None:
        self._busy_s = busy_s
        self._late_ms: deque[float] = deque(maxlen=WINDOW_TICKS)
        self._second: list[float] = []
        self._fresh_ms: deque[float] = deque(maxlen=FRESH_S)
        """p99 of each of the last seconds."""
        self.busy_share = 0.0
        """Of the last second."""

    def note(self, late_ms: float) -> None:
        """Of one tick; one that stood for several, since all of them were late, counts once."""
        late_ms = max(0.0, late_ms)
        self._late_ms.append(late_ms)
        self._second.append(late_ms)

    def end_second(self, busy_share: float) -> None:
        """What was noted since the last one is a second's."""
        self.busy_share = busy_share
        if self._second:
            self._fresh_ms.append(_p99(self._second))
            self._second = []

    @property
    def p99_ms(self) -> float:
        """Of the last five seconds; 0: there were too few."""
        return _p99(self._late_ms) if len(self._late_ms) >= MIN_TICKS else 0.0

    @property
    def fresh_ms(self) -> float:
        """p99 of the worst of the last three seconds."""
        return max(self._fresh_ms, default=0.0)

    async def running(self, _: web.Application) -> AsyncIterator[None]:
        async with in_background(lateness=self._tick()):
            yield

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        due_s = began_s = loop.time()
        busy_s = self._busy_s()
        while True:
            due_s = max(due_s + TICK_S, loop.time())
            await asyncio.sleep(due_s - loop.time())
            # What was due together with this has been done when the loop comes round again.
            await asyncio.sleep(0)
            now_s = loop.time()
            self.note((now_s - due_s) * 1000)
            if now_s - began_s >= 1:
                now_busy_s = self._busy_s()
                self.end_second((now_busy_s - busy_s) / (now_s - began_s))
                began_s, busy_s = now_s, now_busy_s


def _p99(late_ms: deque[float] | list[float]) -> float:
    return sorted(late_ms)[int(len(late_ms) * QUANTILE)]
