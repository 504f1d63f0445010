"""An event loop whose clock jumps: when all tasks wait, it is already the next deadline.

For code that uses sockets or threads it is of no use: nothing outside keeps its time.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Jumps(selectors.SelectSelector):
    """Waits for nobody: the time it should have slept is added to the clock."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready:
            return ready
        if timeout is None:
            raise RuntimeError("all tasks wait, and no deadline will ever wake one of them")
        self.now_s += timeout
        return []


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """`asyncio.Runner(loop_factory=VirtualTimeLoop)`, or `run_in_virtual_time`."""

    def __init__(self) -> None:
        self._jumps = _Jumps()
        super().__init__(self._jumps)

    def time(self) -> float:
        return self._jumps.now_s


def run_in_virtual_time(main: Coroutine[Any, Any, T]) -> T:
    """As `asyncio.run`; an hour of sleep takes no time at all."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)
