"""Acknowledged is durable: events wait here until the journal has what they tell of."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import Counter, deque
from collections.abc import Collection
from typing import NamedTuple

from antiphon.core.causes import Ms
from antiphon.core.records import Change, Record
from antiphon.journal.journal import Fate, Ticket
from antiphon.protocol import server
from antiphon.protocol.server import ServerEvent
from antiphon.runtime.attendance import Attendance
from antiphon.runtime.connection import Connection
from antiphon.runtime.resumption import Resumption
from antiphon.runtime.seat import Seat
from antiphon.runtime.session_log import SessionLog

log = logging.getLogger(__name__)

HOLD_MS: Ms = 2_000
MAX_HELD = 10_000
"""Overflow policy: with more events than these held, all of them go out, as after `HOLD_MS`."""

_ACKNOWLEDGES = (
    server.ConversationItemDone,
    server.ConversationItemTruncated,
    server.ConversationItemDeleted,
    server.TranscriptionCompleted,
    server.ResponseDone,
)
_DELTAS = (
    server.ResponseOutputAudioDelta,
    server.ResponseOutputAudioTranscriptDelta,
    server.ResponseOutputTextDelta,
    server.ResponseFunctionCallArgumentsDelta,
)
NOT_KEPT = (
    "The server cannot write down this conversation now. It goes on, but what is said may be "
    "missing when it is resumed."
)


class _Held(NamedTuple):
    event: ServerEvent
    to: list[Seat]
    """Of those who were there when it happened."""
    is_shared: bool
    ticket: Ticket | None
    """What must be durable first; None: nothing more than for those before it."""
    until_s: float


class Outbox(Attendance):
    """The connections of a session that is kept.

    An event that acknowledges what was said (an item is done, a response is done, …) leaves when
    its record is durable, and what follows leaves after it.  Deltas alone go past it, unless the
    beginning of their own item is among what waits.

    Where the record is not durable in time, or lost, the events go out all the same, and one
    `error` says so (once in a session).  Nothing waits again until the journal has caught up.
    """

    def __init__(
        self,
        session_log: SessionLog,
        resumption: Resumption | None = None,
        *,
        hold_ms: Ms = HOLD_MS,
    ) -> None:
        super().__init__(resumption)
        self._log = session_log
        self._hold_s = hold_ms / 1000
        self._loop = asyncio.get_running_loop()
        self._queue: deque[_Held] = deque()
        """The first of them waits for its ticket."""
        self._items: Counter[str] = Counter()
        """How many of the events that wait are about an item."""
        self._latest: Ticket | None = None
        """Of the last record; with it all those before it are durable."""
        self._timer: asyncio.TimerHandle | None = None
        self._gave_up = False
        self._told = False
        self._close_with: tuple[int, str] | None = None
        self._emptied = asyncio.Event()
        self._emptied.set()

    # --- As the session asks -------------------------------------------------

    def join(
        self,
        connection: Connection,
        may_send: Collection[str] | None,
        *,
        owns: bool = True,
        after: str | None = None,
    ) -> bool:
        is_told_all = super().join(connection, may_send, owns=owns, after=after)
        if after is not None:  # It wants to be told what others still wait for, too.
            seat = self._seats[connection.id]
            for held in self._queue:
                if held.is_shared:
                    held.to.append(seat)
        self._log.joined(connection.id, owns=owns)
        return is_told_all

    def take_seat(
        self,
        connection: Connection,
        may_send: Collection[str] | None,
        *,
        token: str,
        after: str | None,
    ) -> tuple[Connection | None, bool]:
        former, is_told_all = super().take_seat(connection, may_send, token=token, after=after)
        if former is not None:
            self._log.left(former.id)
        self._log.joined(connection.id, owns=True)
        return former, is_told_all

    def leave(self, connection: Connection, *, for_good: bool = False) -> bool:
        was_there = super().leave(connection, for_good=for_good)
        if was_there:
            self._log.left(connection.id)
        return was_there

    def record(self, record: Record) -> None:
        ticket = self._log.record(record)
        if ticket is not None:
            self._latest = ticket

    def as_kept(self, change: Change) -> Change:
        return self._log.as_kept(change)

    def send(self, event: ServerEvent) -> None:
        if self._queue:
            if isinstance(event, _DELTAS) and event.item_id not in self._items:
                super().send(event)
            else:
                self._hold(event, list(self.seats))
        elif isinstance(event, _ACKNOWLEDGES) and self._awaited() is not None:
            self._hold(event, list(self.seats))
        else:
            super().send(event)

    def send_to(self, connection_id: str, event: ServerEvent) -> None:
        if self._queue:
            seat = self._seats.get(connection_id)
            self._hold(event, [] if seat is None else [seat], shared=False)
        else:
            super().send_to(connection_id, event)

    def close(self, code: int, reason: str) -> None:
        self._log.closed()
        if self._queue:
            self._close_with = code, reason
        else:
            super().close(code, reason)

    async def emptied(self) -> None:
        await self._emptied.wait()

    # --- Waiting -------------------------------------------------------------

    def _awaited(self) -> Ticket | None:
        """What an acknowledgement must wait for."""
        ticket = self._latest
        if ticket is None or self._gave_up:
            return None
        if ticket.fate is Fate.LOST:
            self._tell_trouble()
        return ticket if ticket.waits else None

    def _hold(self, event: ServerEvent, to: list[Seat], *, shared: bool = True) -> None:
        ticket = self._awaited() if isinstance(event, _ACKNOWLEDGES) else None
        self._queue.append(_Held(event, to, shared, ticket, self._loop.time() + self._hold_s))
        self._items[_item_id(event)] += 1
        if len(self._queue) == 1:
            self._emptied.clear()
            self._watch()
        elif len(self._queue) > MAX_HELD:
            self._give_up()

    def _watch(self) -> None:
        """The first waits for its ticket, but not for ever."""
        first = self._queue[0]
        assert first.ticket is not None, "what waits for nothing has left"
        self._stop_timer()
        self._timer = self._loop.call_at(first.until_s, self._give_up)
        first.ticket.then(self._release)

    def _release(self, _: Ticket | None = None) -> None:
        """Let go of all that need not wait any more."""
        while self._queue:
            first = self._queue[0]
            if first.ticket is not None and not self._gave_up:
                if first.ticket.waits:
                    self._watch()
                    return
                if first.ticket.fate is Fate.LOST:
                    self._tell_trouble()
            self._queue.popleft()
            self._let_go(first)
        self._stop_timer()
        self._emptied.set()
        if self._close_with is not None:
            super().close(*self._close_with)

    def _let_go(self, held: _Held) -> None:
        item_id = _item_id(held.event)
        self._items[item_id] -= 1
        if not self._items[item_id]:
            del self._items[item_id]
        seats = self.seats
        for seat in held.to:
            if seat in seats:
                seat.send(held.event, shared=held.is_shared)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # --- Trouble -------------------------------------------------------------

    def _give_up(self) -> None:
        self._gave_up = True
        self._tell_trouble()
        self._release()
        self._await_recovery()

    def _await_recovery(self, _: Ticket | None = None) -> None:
        if self._latest is not None and self._latest.waits:
            self._latest.then(self._await_recovery)
        else:
            self._gave_up = False

    def _tell_trouble(self) -> None:
        if self._told:
            return
        self._told = True
        log.error("session %s: goes on without waiting for the journal", self._log.session_id)
        detail = server.ErrorDetail(
            type="server_error", code="journal_unavailable", message=NOT_KEPT
        )
        super().send(server.Error(event_id=f"event_{secrets.token_hex(10)}", error=detail))


def _item_id(event: ServerEvent) -> str:
    """Of the item that an event is about; "": of none."""
    item_id = getattr(event, "item_id", None) or getattr(getattr(event, "item", None), "id", "")
    return item_id if isinstance(item_id, str) else ""
