"""How late this process is: what callers hear of its load, whatever its CPUs say."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Final

from aiohttp import web

TICK_S: Final = 0.02
"""Sound leaves in frames of this length (`transports.rtp.clock`)."""
WINDOW_TICKS: Final = 250
"""Five seconds."""
MIN_TICKS: Final = 100
"""Fewer say nothing yet."""
QUANTILE: Final = 0.99


class Lateness:
    """A clock like the one that paces the sound of calls, which only looks at how late it is."""

    def __init__(self) -> None:
        self._late_ms: deque[float] = deque(maxlen=WINDOW_TICKS)

    def note(self, late_ms: float) -> None:
        """Of one tick; one that stood for several, since all of them were late, counts once."""
        self._late_ms.append(max(0.0, late_ms))

    @property
    def p99_ms(self) -> float:
        """Of the last seconds; 0: there were too few."""
        if len(self._late_ms) < MIN_TICKS:
            return 0.0
        return sorted(self._late_ms)[int(len(self._late_ms) * QUANTILE)]

    async def running(self, _: web.Application) -> AsyncIterator[None]:
        ticking = asyncio.create_task(self._tick(), name="lateness")
        yield
        ticking.cancel()
        await asyncio.gather(ticking, return_exceptions=True)

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while True:
            due_s = max(due_s + TICK_S, loop.time())
            await asyncio.sleep(due_s - loop.time())
            self.note((loop.time() - due_s) * 1000)
