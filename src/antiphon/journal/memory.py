"""A journal that is gone with its process: for tests, and for those who build on it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from antiphon.journal.entries import (
    APART,
    AnyEntry,
    Closed,
    JournalError,
    LogEntry,
    Metered,
    Opened,
    Piece,
    decode,
    encode,
)
from antiphon.journal.expiry import Expiry
from antiphon.journal.journal import Fate, JournalLoad, Kept, Note, Page, Ticket, Wanted
from antiphon.journal.line_table import Erased, LinesPage, LinesWanted, TotalsPage, new_alias
from antiphon.metering.bill import NOTHING, Dimension, bill_by
from antiphon.metering.lines import Line

MAX_LINES = 100_000
"""Overflow policy: of what was used, the oldest is forgotten."""


class MemoryJournal:
    """Attributes:
    delay_s: How long the next entry takes to be durable, as a number or what gives one.
    fails: Entries are lost, once their delay is over.
    """

    place = "memory"

    def __init__(self, *, delay_s: float | Callable[[], float] = 0.0, fails: bool = False) -> None:
        self.delay_s = delay_s
        self.fails = fails
        self._logs: dict[str, list[bytes]] = {}
        self._kept: dict[str, Kept] = {}
        self._notes: dict[str, Note] = {}
        self._pending: deque[tuple[str, AnyEntry, Ticket]] = deque()
        self._lines: deque[tuple[int, Line]] = deque(maxlen=MAX_LINES)
        self._next_line = 1
        self._last_due_s = 0.0

    @property
    def load(self) -> JournalLoad:
        return JournalLoad()

    @property
    def trouble(self) -> str | None:
        return "It was told to fail." if self.fails else None

    async def start(self) -> None: ...

    def append(self, conversation_id: str, entry: AnyEntry) -> Ticket:
        ticket = Ticket()
        self._pending.append((conversation_id, entry, ticket))
        delay_s = self.delay_s if isinstance(self.delay_s, float | int) else self.delay_s()
        if not delay_s and len(self._pending) == 1:
            self._write_one()
        else:
            loop = asyncio.get_running_loop()
            self._last_due_s = max(self._last_due_s, loop.time() + delay_s)
            loop.call_at(self._last_due_s, self._write_one)
        return ticket

    def durable(self, conversation_id: str) -> list[LogEntry]:
        """What `read` would give after a crash now."""
        found = [decode(data) for data in self._logs.get(conversation_id, ())]
        return [entry for entry in found if not isinstance(entry, APART)]

    @property
    def durable_lines(self) -> list[Line]:
        """What `lines` would give then."""
        return [line for _, line in self._lines]

    async def read(self, conversation_id: str) -> Sequence[LogEntry]:
        await self._written()
        return self.durable(conversation_id)

    async def read_apart(self, conversation_id: str, kind: type[Piece]) -> Sequence[Piece]:
        await self._written()
        found = [decode(data) for data in self._logs.get(conversation_id, ())]
        return [entry for entry in found if isinstance(entry, kind)]

    async def listed(self, wanted: Wanted, *, after: str | None, limit: int) -> Page:
        await self._written()
        newest_first = list(reversed(self._kept.values()))
        if after is not None:
            places = [at for at, kept in enumerate(newest_first, 1) if kept.id == after]
            newest_first = newest_first[places[0] :] if places else []
        found = [kept for kept in newest_first if kept in wanted]
        return Page(tuple(found[:limit]), has_more=len(found) > limit)

    async def erase(self, conversation_id: str) -> bool:
        await self._written()
        self._disown(Erased(conversation_id=conversation_id, alias=new_alias()))
        self._kept.pop(conversation_id, None)
        return self._logs.pop(conversation_id, None) is not None

    async def sweep(self, expiry: Expiry) -> int:
        kept_ones = self._kept.values()
        old = [kept.id for kept in kept_ones if expiry.covers(kept.tenant, kept.changed_at_s)]
        for conversation_id in old:
            del self._kept[conversation_id]
            self._logs.pop(conversation_id, None)
        return len(old)

    async def read_note(self, user: str) -> Note | None:
        self._check()
        return self._notes.get(user)

    async def write_note(self, user: str, data: bytes, *, over: int, now_s: float) -> bool:
        del now_s
        self._check()
        before = self._notes.get(user)
        if (0 if before is None else before.version) != over:
            return False
        self._notes[user] = Note(data, over + 1)
        return True

    async def erase_note(self, user: str) -> bool:
        self._check()
        return self._notes.pop(user, None) is not None

    async def lines(self, wanted: LinesWanted, *, after: int = 0, limit: int) -> LinesPage:
        await self._written()
        found = [(at, line) for at, line in self._lines if at > after and line in wanted]
        cursor = found[limit - 1][0] if len(found) > limit else None
        return LinesPage(tuple(line for _, line in found[:limit]), cursor)

    async def totals(
        self,
        wanted: LinesWanted,
        by: Sequence[Dimension],
        *,
        after: Sequence[str] | None = None,
        limit: int,
    ) -> TotalsPage:
        await self._written()
        totals = bill_by((line for _, line in self._lines if line in wanted), *by)
        if not by:
            totals = totals or {(): NOTHING}
        found = [(of, total) for of, total in totals.items() if after is None or of > tuple(after)]
        return TotalsPage(tuple(found[:limit]), has_more=len(found) > limit)

    async def disown_lines(self, tenant: str, user: str) -> int:
        await self._written()
        return self._disown(Erased(tenant=tenant, user=user, alias=new_alias()))

    async def sweep_lines(self, before_day: str) -> int:
        await self._written()
        before = len(self._lines)
        kept = [(at, line) for at, line in self._lines if line.day >= before_day]
        self._lines = deque(kept, maxlen=MAX_LINES)
        return before - len(kept)

    async def aclose(self) -> None:
        await self._written()

    def _disown(self, erased: Erased) -> int:
        count = 0
        for index, (number, line) in enumerate(self._lines):
            if line in erased:
                self._lines[index] = (number, erased.without_names(line, number))
                count += 1
        return count

    def _check(self) -> None:
        if self.fails:
            raise JournalError(f"{self.place}: it was told to fail.")

    async def _written(self) -> None:
        """Until all that has been appended is settled."""
        loop = asyncio.get_running_loop()
        if self._pending:
            await asyncio.sleep(max(0.0, self._last_due_s - loop.time()))
            await asyncio.sleep(0)  # Those that were due at the same moment.

    def _write_one(self) -> None:
        conversation_id, entry, ticket = self._pending.popleft()
        if not self.fails:
            self._write(conversation_id, entry)
        ticket.settle(Fate.LOST if self.fails else Fate.DURABLE)

    def _write(self, conversation_id: str, entry: AnyEntry) -> None:
        if isinstance(entry, Metered):
            self._lines.append((self._next_line, entry.line))
            self._next_line += 1
            return
        kept = self._kept.get(conversation_id)
        if isinstance(entry, Opened):
            self._kept[conversation_id] = Kept(
                id=conversation_id,
                model=entry.model,
                engine=entry.engine,
                transport=entry.transport,
                end_user_id=entry.end_user_id or (kept.end_user_id if kept else None),
                tenant=entry.tenant if kept is None else kept.tenant,
                began_at_s=entry.at_s if kept is None else kept.began_at_s,
                changed_at_s=entry.at_s,
            )
        elif kept is None:
            return  # It was erased.
        elif isinstance(entry, Closed):
            self._kept[conversation_id] = replace(kept, changed_at_s=entry.at_s)
        self._logs.setdefault(conversation_id, []).append(encode(entry))
