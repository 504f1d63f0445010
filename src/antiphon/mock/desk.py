"""Which faults are armed, and when each strikes."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from antiphon.errors import AntiphonError
from antiphon.mock.fault import Fault, Place
from antiphon.mock.faults import FaultKind, kind_of

log = logging.getLogger(__name__)

MAX_ARMED = 1_000
MAX_STRUCK = 1_000
"""Kept of those that struck.  Overflow policy: the oldest goes."""

Via = Literal["websocket", "call"]


class TooManyFaults(AntiphonError):
    """As many are armed as may be."""


class Struck(Struct, frozen=True, kw_only=True):
    """A fault that struck."""

    name: str
    place: Place
    number: int
    """Of the connection, turn or response."""


class FaultDesk:
    """Takes faults, and gives each out when it is due."""

    def __init__(self, faults: Iterable[Fault | str] = ()) -> None:
        """Raises:
        UnknownFault: there is none of a name.
        """
        self._armed: list[Fault] = []
        self.struck: deque[Struck] = deque(maxlen=MAX_STRUCK)
        self._counts: dict[Place, int] = {}
        for fault in faults:
            self.arm(fault)

    @property
    def armed(self) -> tuple[Fault, ...]:
        """Those that are not spent."""
        return tuple(self._armed)

    def arm(self, fault: Fault | str) -> Fault:
        """``fault``: or its name alone, to strike the next time.

        Raises:
            UnknownFault: there is none of that name.
            TooManyFaults
        """
        fault = Fault(name=fault) if isinstance(fault, str) else fault
        kind_of(fault)
        if len(self._armed) >= MAX_ARMED:
            raise TooManyFaults(f"At most {MAX_ARMED} faults are armed at a time; clear them.")
        self._armed.append(fault)
        return fault

    def clear(self) -> None:
        """Disarm all; what has struck goes on."""
        self._armed.clear()

    def count(self, place: Place) -> int:
        """One more client connects, or asks for a secret: its number."""
        self._counts[place] = self._counts.get(place, 0) + 1
        return self._counts[place]

    def due(self, place: Place, number: int, via: Via) -> list[tuple[FaultKind, int]]:
        """Those that strike now, each with its ``ms``; they are a little more spent.

        One that refuses strikes alone: the others wait for a client that comes in.
        """
        found: list[tuple[FaultKind, int]] = []
        for fault in list(self._armed):
            kind = kind_of(fault)
            is_here = kind.place == place and kind.needs in (None, via)
            if not is_here or fault.at not in (None, number):
                continue
            if found and (kind.refusal or found[0][0].refusal):
                continue
            self._spend(fault)
            self.struck.append(Struck(name=fault.name, place=place, number=number))
            log.info("fault %s strikes %s %d", fault.name, place, number)
            found.append((kind, (kind.ms or 0) if fault.ms is None else fault.ms))
        return found

    def _spend(self, fault: Fault) -> None:
        if fault.times is None:
            return
        # By identity: two that are alike are two.
        at = next(i for i, armed in enumerate(self._armed) if armed is fault)
        if fault.times == 1:
            del self._armed[at]
        else:
            self._armed[at] = replace(fault, times=fault.times - 1)
