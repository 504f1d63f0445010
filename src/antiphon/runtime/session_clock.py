"""A session's time, and the one alarm that its conversation asks for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from antiphon.core.causes import Ms


class SessionClock:
    """Driver time: whole milliseconds since it was made."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._opened_at = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._wakes_ms: Ms | None = None

    @property
    def now_ms(self) -> Ms:
        return int((self._loop.time() - self._opened_at) * 1000)

    def wake(self, at_ms: Ms | None, callback: Callable[[], None]) -> None:
        """Call back once that time has come, instead of what was asked for before; None: never."""
        if at_ms == self._wakes_ms:
            return
        self.stop()
        self._wakes_ms = at_ms
        if at_ms is not None:
            # A millisecond late, so that the clock in whole milliseconds has passed the deadline.
            at = self._opened_at + (at_ms + 1) / 1000
            self._timer = self._loop.call_at(at, self._on_timer, callback)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._wakes_ms = None

    def _on_timer(self, callback: Callable[[], None]) -> None:
        self._timer = self._wakes_ms = None
        callback()
