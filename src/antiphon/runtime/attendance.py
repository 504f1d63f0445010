"""The connections of a session, what each may send, and who may come back."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator
from typing import NamedTuple

from msgspec import UNSET
from msgspec.structs import replace

from antiphon.core.records import Change, Record
from antiphon.errors import ProtocolError
from antiphon.protocol.client import ClientEvent
from antiphon.protocol.server import ServerEvent, SessionCreated
from antiphon.runtime.connection import Connection
from antiphon.runtime.resumption import Resumption
from antiphon.runtime.seat import FROM_THE_BEGINNING, Backlog, Seat

HIGH_WATER_BYTES = 1024 * 1024
"""More unread than this, and the session takes no more news of its engine for a while: the
engine's own bounded queue makes it wait.  (A reader that never reads closes its connection.)"""


class _Arrival(NamedTuple):
    """One who has come, until it is welcome."""

    seat: Seat
    owns: bool
    used_token: str | None
    is_back: bool
    missed: list[ServerEvent] | None
    """None: what it missed is gone."""


class Attendance:
    """Where nothing is kept, events go straight to the connections.

    Args:
        resumption: What comers are told about coming back; None: nobody can.
    """

    def __init__(self, resumption: Resumption | None = None) -> None:
        self._resumption = resumption
        self._seats: dict[str, Seat] = {}
        """By the ids of the connections that sit there."""
        self._away: Seat | None = None
        """Kept for the owner of the session, who has left it."""
        self._arrivals: dict[str, _Arrival] = {}
        self._is_back = asyncio.Event()

    def __contains__(self, connection: Connection) -> bool:
        return connection.id in self._seats

    def __iter__(self) -> Iterator[str]:
        """Ids of the connections, in the order in which they came."""
        return iter(self._seats)

    @property
    def seats(self) -> tuple[Seat, ...]:
        """Those of all who are here, and of an owner who may come back."""
        away = () if self._away is None else (self._away,)
        return *self._seats.values(), *away

    # --- Coming and going ----------------------------------------------------

    def join(
        self,
        connection: Connection,
        may_send: Collection[str] | None,
        *,
        owns: bool = True,
        after: str | None = None,
    ) -> bool:
        """``after``: the last event that it knows of; it is told what came since.

        Returns:
            Whether it can be told all of that.
        """
        missed: list[ServerEvent] | None = []
        if after is not None:
            backlog = self._backlog
            missed = None if backlog is None else backlog.after(after, shared_only=True)
        keeps = owns and self._resumption is not None and self._resumption.keeps_seats
        seat = Seat(connection, may_send, backlog=Backlog() if keeps else None)
        self._seats[connection.id] = seat
        arrival = _Arrival(seat, owns, None, is_back=False, missed=missed)
        self._arrivals[connection.id] = arrival
        return missed is not None

    def take_seat(
        self,
        connection: Connection,
        may_send: Collection[str] | None,
        *,
        token: str,
        after: str | None,
    ) -> tuple[Connection | None, bool]:
        """The session's owner is back, by another connection.

        Returns:
            The connection that it had, where nobody has noticed yet that it is gone; whether the
            new one can be told all that it missed.
        """
        former, seat = self._kept_seat()
        if former is not None:
            del self._seats[former.id]
            self._arrivals.pop(former.id, None)
        assert seat.backlog is not None, "the seat is kept"
        missed = seat.backlog.after(FROM_THE_BEGINNING if after is None else after)
        self._away = None
        self._is_back.set()
        seat.take(connection, may_send)
        self._seats[connection.id] = seat
        self._arrivals[connection.id] = _Arrival(seat, True, token, is_back=True, missed=missed)
        return former, missed is not None

    @property
    def keeps_a_seat(self) -> bool:
        """One who was here can come back."""
        return self._backlog is not None

    def welcome(self, connection_id: str, created: SessionCreated) -> None:
        """Tell a comer of the session, and then what it missed; it hears all from here on."""
        arrival = self._arrivals.pop(connection_id, None)
        if arrival is None:
            return
        answering = created.session.antiphon
        resume = None
        if self._resumption is not None and answering is not UNSET:
            resume = self._resumption.told(
                owns=arrival.owns,
                used=arrival.used_token,
                is_back=arrival.is_back,
                gap=arrival.missed is None,
            )
        if resume is not None and answering is not UNSET:
            answering = replace(answering, resume=resume)
            created = replace(created, session=replace(created.session, antiphon=answering))
        arrival.seat.welcome(created, arrival.missed or ())

    def leave(self, connection: Connection, *, for_good: bool = False) -> bool:
        """Its seat is kept, where one may come back to it, unless it left for good.

        Returns:
            Whether it was there.
        """
        self._arrivals.pop(connection.id, None)
        seat = self._seats.pop(connection.id, None)
        if seat is None:
            return False
        if seat.backlog is not None and not for_good and self._backlog is None:
            seat.leave()
            self._away = seat
            self._is_back.clear()
        return True

    def check(self, connection: Connection, event: ClientEvent) -> None:
        """Raises:
        ProtocolError: the connection may not send that.
        """
        seat = self._seats[connection.id]
        if self._resumption is not None and seat.backlog is not None:
            self._resumption.heard_from()
        may_send = seat.may_send
        kind = str(event.__struct_config__.tag)
        if may_send is None or kind in may_send:
            return
        listed = ", ".join(f"'{name}'" for name in sorted(may_send)) or "nothing"
        message = f"This connection may not send '{kind}'. It may send: {listed}."
        raise ProtocolError("event_not_allowed", message, param="type", event_id=event.event_id)

    # --- Events --------------------------------------------------------------

    def record(self, record: Record) -> None:
        """Something changed that lasts; the events that tell of it follow."""

    def as_kept(self, change: Change) -> Change:
        """What of it may be written down."""
        return change

    def send(self, event: ServerEvent) -> None:
        for seat in self._seats.values():
            seat.send(event)
        if self._away is not None:
            self._away.send(event)

    def send_to(self, connection_id: str, event: ServerEvent) -> None:
        """One that has left meanwhile is not told."""
        if (seat := self._seats.get(connection_id)) is not None:
            seat.send(event, shared=False)

    def close(self, code: int, reason: str) -> None:
        for seat in list(self._seats.values()):
            if seat.connection is not None:
                seat.connection.close(code, reason)

    async def emptied(self) -> None:
        """Wait until nothing is held back any more."""

    async def caught_up(self) -> None:
        """Wait until nobody is so far behind that more would only pile up."""
        for seat in self.seats:
            connection = seat.connection
            if connection is None:
                if seat.unsent_audio_bytes > HIGH_WATER_BYTES:
                    await self._is_back.wait()
            elif connection.queued_bytes > HIGH_WATER_BYTES:
                await connection.flushed()

    @property
    def _backlog(self) -> Backlog | None:
        """What the session's owner was sent."""
        for seat in self.seats:
            if seat.backlog is not None:
                return seat.backlog
        return None

    def _kept_seat(self) -> tuple[Connection | None, Seat]:
        for seat in self.seats:
            if seat.backlog is not None:
                return seat.connection, seat
        raise AssertionError("keeps_a_seat was asked")
