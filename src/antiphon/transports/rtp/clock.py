"""What time it is, and one clock for the media of all calls of a process.

Packets are filed away as they come.  Each round takes in what has come by then, of all calls, one
kind of work at a time: open and order, decode, hear, score.  Packet by packet, each kind of work
would find the caches full of what the others need (docs/reference/benchmarks.md, "By rounds").

What goes out goes by the same clock: a timer per call costs ten times as much as its work.  Calls
join one of two halves, which take turns within each 20 ms, so that not all packets leave at once.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol

from antiphon.transports.rtp.incoming import Found, give_out

log = logging.getLogger(__name__)

SLOT_S: Final = 0.02
PHASES: Final = 2
"""A round is 10 ms: so long, at most, a packet waits to be heard."""
FEW: Final = 8
"""With so many calls there is nothing to gain: packets are heard as they come."""
MAX_FILED: Final = 1024
"""Overflow policy: with so many packets filed they are taken in at once."""
EARLY_S: Final = 0.001
"""uvloop rounds timers to a millisecond: what is due so soon is done, or it would spin."""
MAX_CATCH_UP_SLOTS: Final = 5
"""After a stall this much is sent in a burst; the rest of the stall stays a pause."""


Opened = Callable[[bytes], bytes | None]
"""A packet in the clear; None: it was refused."""


class Clock(NamedTuple):
    monotonic_s: Callable[[], float]
    wall_s: Callable[[], float]
    """Since 1970: what RTCP reports say."""


SYSTEM_CLOCK: Final = Clock(time.monotonic, time.time)


class Member(Protocol):
    """A call's media."""

    def send_due(self, slot: int) -> None:
        """Called every 20 ms; ``slot`` counts them.  It never goes back, but may skip."""
        ...

    def take_in(self, packet: bytes, now_s: float, found: Found) -> None:
        """A packet that came at ``now_s``; what can be heard by it goes to ``found``."""
        ...

    def fill(self, now_s: float, found: Found, *, all_silence: bool = False) -> None:
        """What time alone brings; ``all_silence``: also what nobody waits for."""
        ...

    def encode_ahead(self) -> None:
        """Work for when all that is due has left."""
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


class MediaClock:
    """Runs while it has members; belongs to one event loop.

    Args:
        scores: Called when all that has come by now is heard, and nothing more comes for a while.
    """

    def __init__(
        self, scores: Callable[[], None] = lambda: None, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._scores = scores
        self._clock = clock
        self._phases: list[set[Member]] = [set() for _ in range(PHASES)]
        self._schedule: Schedule | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._filed: list[tuple[Member, bytes, float, Opened | None]] = []
        self._soon: asyncio.Handle | None = None

    @property
    def is_running(self) -> bool:
        return self._timer is not None

    def join(self, member: Member) -> None:
        min(self._phases, key=len).add(member)
        if self._timer is None:
            loop = asyncio.get_running_loop()
            # Slots go on counting from the last time, so that they never go back.
            if self._schedule is None:
                self._schedule = Schedule(loop.time())
            self._timer = loop.call_soon(self._run)  # type: ignore[assignment]

    def leave(self, member: Member) -> None:
        for phase in self._phases:
            phase.discard(member)
        if self._timer is not None and not any(self._phases):
            self._timer.cancel()
            self._timer = None

    def file(self, member: Member, packet: bytes, opened: Opened | None = None) -> None:
        """A packet has come; ``opened`` makes it clear in its round, if it is not."""
        filed = self._filed
        filed.append((member, packet, self._clock.monotonic_s(), opened))
        if len(filed) >= MAX_FILED:
            self.catch_up()
        elif len(filed) == 1 and sum(map(len, self._phases)) <= FEW:
            self._soon = asyncio.get_running_loop().call_soon(self.catch_up)

    def catch_up(self, member: Member | None = None) -> None:
        """Let all that has come be heard, and of one member its silence until now: what follows
        must not overtake it.
        """
        if self._filed or member is not None:
            self._take_in(() if member is None else (member,), all_silence=True)

    # --- A round -------------------------------------------------------------

    def _run(self) -> None:
        loop = asyncio.get_running_loop()
        assert self._schedule is not None
        ticked: list[Member] = []
        for step in self._schedule.due(loop.time()):
            slot, phase = divmod(step, PHASES)
            for member in tuple(self._phases[phase]):
                try:
                    member.send_due(slot)
                    ticked.append(member)
                except Exception:
                    self._on_bug(member)
        self._take_in(ticked)
        try:
            self._scores()
        except Exception:
            log.exception("voice detection failed in a round")
        for member in ticked:
            try:
                member.encode_ahead()
            except Exception:
                self._on_bug(member)
        if any(self._phases):
            self._timer = loop.call_at(self._schedule.next_s, self._run)
        else:
            self._timer = None

    def _take_in(self, ticked: Sequence[Member], *, all_silence: bool = False) -> None:
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
        filed, self._filed = self._filed, []
        found: Found = []
        for member, packet, now_s, opened in filed:
            try:
                clear = packet if opened is None else opened(packet)
                if clear is not None:
                    member.take_in(clear, now_s, found)
            except Exception:
                self._on_bug(member)
        now_s = self._clock.monotonic_s()
        for member in ticked:
            try:
                member.fill(now_s, found, all_silence=all_silence)
            except Exception:
                self._on_bug(member)
        give_out(found)

    def _on_bug(self, member: Member) -> None:
        """A bug of one call must not silence the others."""
        log.exception("a call failed in its round; it is paced no more")
        self.leave(member)
