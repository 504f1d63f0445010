"""What time it is, and one clock for the outgoing audio of all calls of a process.

A timer per call costs ten times as much as its work.  Calls join one of a few buckets,
which take turns within each 20 ms, so that not all packets leave at once.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

log = logging.getLogger(__name__)

SLOT_S: Final = 0.02
PHASES: Final = 4
EARLY_S: Final = 0.001
"""uvloop rounds timers to a millisecond: what is due so soon is done, or it would spin."""
MAX_CATCH_UP_SLOTS: Final = 5
"""After a stall this much is sent in a burst; the rest of the stall stays a pause."""


class Clock(NamedTuple):
    monotonic_s: Callable[[], float]
    wall_s: Callable[[], float]
    """Since 1970: what RTCP reports say."""


SYSTEM_CLOCK: Final = Clock(time.monotonic, time.time)


class Ticking(Protocol):
    def tick(self, slot: int) -> None:
        """Called every 20 ms; ``slot`` counts them.  It never goes back, but may skip."""
        ...


class Schedule:
    """Which steps (of `PHASES` to a slot) are due.  Pure."""

    def __init__(self, now_s: float) -> None:
        self._start_s = now_s
        self._step = 0
        """The next one."""

    @property
    def next_s(self) -> float:
        return self._start_s + self._step * (SLOT_S / PHASES)

    def due(self, now_s: float) -> range:
        """The steps to carry out now: step // PHASES is the slot, step % PHASES the phase."""
        last = int((now_s + EARLY_S - self._start_s) / (SLOT_S / PHASES))
        first = max(self._step, last + 1 - MAX_CATCH_UP_SLOTS * PHASES)
        self._step = max(self._step, last + 1)
        return range(first, last + 1)


class PacingClock:
    """Runs while it has members; belongs to one event loop."""

    def __init__(self) -> None:
        self._phases: list[set[Ticking]] = [set() for _ in range(PHASES)]
        self._schedule: Schedule | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_running(self) -> bool:
        return self._timer is not None

    def join(self, member: Ticking) -> None:
        min(self._phases, key=len).add(member)
        if self._timer is None:
            loop = asyncio.get_running_loop()
            # Slots go on counting from the last time, so that they never go back.
            if self._schedule is None:
                self._schedule = Schedule(loop.time())
            self._timer = loop.call_soon(self._run)  # type: ignore[assignment]

    def leave(self, member: Ticking) -> None:
        for phase in self._phases:
            phase.discard(member)
        if self._timer is not None and not any(self._phases):
            self._timer.cancel()
            self._timer = None

    def _run(self) -> None:
        loop = asyncio.get_running_loop()
        assert self._schedule is not None
        for step in self._schedule.due(loop.time()):
            slot, phase = divmod(step, PHASES)
            for member in tuple(self._phases[phase]):
                try:
                    member.tick(slot)
                except Exception:
                    # A bug of one call must not silence the others.
                    log.exception("a call failed on its tick; it is paced no more")
                    self.leave(member)
        if any(self._phases):
            self._timer = loop.call_at(self._schedule.next_s, self._run)
        else:
            self._timer = None
