"""The clock of the shell."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Milliseconds from any origin, which never run backwards."""

    def now_ms(self) -> float: ...
    async def sleep_until(self, at_ms: float) -> None: ...


class MonotonicClock:
    """Real time since it was made."""

    def __init__(self) -> None:
        self._origin_s = time.monotonic()

    def now_ms(self) -> float:
        return (time.monotonic() - self._origin_s) * 1000

    async def sleep_until(self, at_ms: float) -> None:
        await asyncio.sleep(max(0.0, at_ms - self.now_ms()) / 1000)
