"""The journal in PostgreSQL, written by one task with one transaction for all that has come.

The server says that a commit is durable when it is (`synchronous_commit`).  The keys stand in a
table of the same database: see docs/guides/retention.md for what that means for erasure.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import asyncpg

from antiphon.journal import line_table, postgres_notes, postgres_tables
from antiphon.journal.backlog import (
    ASKING_TIMEOUT_S,
    MAX_BATCH,
    MAX_QUEUED_BYTES,
    RETRY_S,
    SLOW_S,
    Append,
    Backlog,
)
from antiphon.journal.entries import AnyEntry, JournalError, LogEntry, Piece, decode
from antiphon.journal.expiry import Expiry, expired
from antiphon.journal.journal import Fate, JournalLoad, Kept, Note, Page, Ticket, Wanted
from antiphon.journal.line_table import Erased, LinesPage, LinesWanted, TotalsPage, new_alias
from antiphon.journal.postgres_batch import BatchTransaction
from antiphon.journal.postgres_tables import LINES
from antiphon.journal.seal import SOUND_PLACES, Seal
from antiphon.metering.bill import Dimension

if TYPE_CHECKING:
    from antiphon.journal.postgres_tables import Connection

log = logging.getLogger(__name__)

MAX_CONNECTIONS: Final = 4
TIMEOUT_S: Final = 10.0
"""For a connection, and for each statement."""
UNREACHABLE = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)
"""What a database that is away, restarts or refuses raises."""


class PostgresJournal:
    """Args:
    url: `postgresql://user:password@host:port/database`, as libpq takes it.
    max_queued_bytes: See `MAX_QUEUED_BYTES`.
    """

    def __init__(self, url: str, *, max_queued_bytes: int = MAX_QUEUED_BYTES) -> None:
        self.place = _without_password(url)
        self._url = url
        self._backlog = Backlog(self.place, max_queued_bytes, lambda: self.trouble)
        self._queue: deque[Append | asyncio.Future[None]] = deque()
        """Entries to write, and marks: those who wait for what is before them."""
        self._came = asyncio.Event()
        self._closing = asyncio.Event()
        self._writing: asyncio.Task[None] | None = None
        self._transaction = BatchTransaction()
        self._problem: str | None = None
        self._commits_since_s: float | None = None

    @property
    def load(self) -> JournalLoad:
        return self._backlog.load

    @property
    def trouble(self) -> str | None:
        since_s = self._commits_since_s
        if self._problem is None and since_s is not None:
            slow = asyncio.get_running_loop().time() - since_s > SLOW_S
            return "the database is slow" if slow else None
        return self._problem

    async def start(self) -> None:
        try:
            self._pool = await asyncpg.create_pool(
                self._url,
                min_size=1,
                max_size=MAX_CONNECTIONS,
                timeout=TIMEOUT_S,
                command_timeout=TIMEOUT_S,
                server_settings={"application_name": "antiphon", "synchronous_commit": "on"},
            )
        except (*UNREACHABLE, ValueError) as error:
            raise JournalError(
                f"{self.place}: the journal's database cannot be reached ({_reason(error)}). "
                'Correct url in [journal], or set retention = "none".'
            ) from None
        try:
            await self._prepare()
        except BaseException:
            await self._pool.close()
            raise
        self._writing = asyncio.create_task(self._write(), name="journal")

    def append(self, conversation_id: str, entry: AnyEntry) -> Ticket:
        may_wait = self._writing is not None and not self._closing.is_set()
        append = self._backlog.take(conversation_id, entry, may_wait=may_wait)
        if append.ticket.waits:
            self._queue.append(append)
            self._came.set()
        return append.ticket

    async def read(self, conversation_id: str) -> Sequence[LogEntry]:
        return await self._read(conversation_id, f"place < {SOUND_PLACES}")

    async def read_apart(self, conversation_id: str, kind: type[Piece]) -> Sequence[Piece]:
        entries = await self._read(conversation_id, f"place > {SOUND_PLACES}")
        return [entry for entry in entries if isinstance(entry, kind)]

    async def listed(self, wanted: Wanted, *, after: str | None, limit: int) -> Page:
        filters = {
            "tenant = $": wanted.tenant,
            "end_user_id = $": wanted.end_user_id,
            "model = $": wanted.model,
            "began_at_s > $": wanted.began_after_s,
            "began_at_s < $": wanted.began_before_s,
            "number < (SELECT number FROM antiphon_conversations WHERE id = $": after,
        }
        asked = {text: value for text, value in filters.items() if value is not None}
        where = " AND ".join(
            f"{text}{at}{')' if '(' in text else ''}" for at, text in enumerate(asked, 1)
        )
        names = Kept.__struct_fields__
        query = (
            f"SELECT {', '.join(names)} FROM antiphon_conversations "  # noqa: S608  As above.
            f"WHERE {where or 'true'} ORDER BY number DESC LIMIT {limit + 1}"
        )
        async with self._asking() as connection:
            rows = await connection.fetch(query, *asked.values())
        return Page(tuple(Kept(**row) for row in rows[:limit]), has_more=len(rows) > limit)

    async def erase(self, conversation_id: str) -> bool:
        async with self._asking() as connection:
            async with connection.transaction():
                erased = Erased(conversation_id=conversation_id, alias=new_alias())
                count = await postgres_tables.disown(connection, erased)
            if count:
                await connection.execute(f"VACUUM {LINES}")
        return await self._erase("id = $1", conversation_id) > 0

    async def sweep(self, expiry: Expiry) -> int:
        where, values = expired(expiry)
        return await self._erase(line_table.numbered(where), *values)

    async def read_note(self, user: str) -> Note | None:
        async with self._asking() as connection:
            row = await postgres_notes.read(connection, user)
        try:
            return None if row is None else postgres_notes.unsealed(user, row)
        except JournalError as error:
            raise JournalError(f"{self.place}: what is kept of a user: {error}.") from None

    async def write_note(self, user: str, data: bytes, *, over: int, now_s: float) -> bool:
        async with self._asking() as connection:
            return await postgres_notes.write(connection, user, data, over=over, now_s=now_s)

    async def erase_note(self, user: str) -> bool:
        async with self._asking() as connection:
            return await postgres_notes.erase(connection, user)

    async def lines(self, wanted: LinesWanted, *, after: int = 0, limit: int) -> LinesPage:
        query, values = line_table.lines_query(LINES, wanted, after=after, limit=limit)
        async with self._asking() as connection:
            rows = await connection.fetch(line_table.numbered(query), *values)
        return line_table.lines_page(rows, limit)

    async def totals(
        self,
        wanted: LinesWanted,
        by: Sequence[Dimension],
        *,
        after: Sequence[str] | None = None,
        limit: int,
    ) -> TotalsPage:
        query, values = line_table.totals_query(LINES, wanted, by, after=after, limit=limit)
        async with self._asking() as connection:
            rows = await connection.fetch(line_table.numbered(query), *values)
        return line_table.totals_page([tuple(row) for row in rows], by, limit)

    async def disown_lines(self, tenant: str, user: str) -> int:
        async with self._asking() as connection:
            async with connection.transaction():
                erased = Erased(tenant=tenant, user=user, alias=new_alias())
                count = await postgres_tables.disown(connection, erased)
            if count:
                await connection.execute(f"VACUUM {LINES}")
        return count

    async def sweep_lines(self, before_day: str) -> int:
        async with self._asking() as connection:
            query = f"DELETE FROM {LINES} WHERE day < $1"  # noqa: S608
            told = await connection.execute(query, before_day)
        return int(told.rpartition(" ")[2])

    async def aclose(self) -> None:
        if self._writing is None:
            return
        self._closing.set()
        self._came.set()
        await self._writing
        self._writing = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TIMEOUT_S):
                await self._pool.close()

    # --- Asking --------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def _asking(self) -> AsyncIterator[Connection]:
        """A connection, once all that was appended before is written.

        Raises:
            JournalError: that takes too long, or the database does not answer.
        """
        if self._writing is None or self._closing.is_set():
            raise JournalError(f"{self.place}: the journal is closed.")
        mark: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(mark)
        self._came.set()
        try:
            async with asyncio.timeout(ASKING_TIMEOUT_S):
                await mark
            async with self._pool.acquire(timeout=TIMEOUT_S) as connection:
                yield connection
        except UNREACHABLE as error:
            problem = self.trouble or _reason(error)
            raise JournalError(f"{self.place}: no answer: {problem}.") from None

    async def _read(self, conversation_id: str, which: str) -> list[LogEntry]:
        async with self._asking() as connection:
            rows = await connection.fetch(
                "SELECT key, place, sealed FROM antiphon_conversations JOIN antiphon_entries "  # noqa: S608
                f"ON conversation = number WHERE id = $1 AND {which} ORDER BY place",
                conversation_id,
            )
        try:
            return _unsealed(conversation_id, rows)
        except JournalError as error:
            message = f"{self.place}: conversation {conversation_id}: {error}."
            raise JournalError(message) from None

    async def _erase(self, which: str, *values: object) -> int:
        async with self._asking() as connection:
            async with connection.transaction():
                found = await connection.fetch(
                    f"SELECT number FROM antiphon_conversations WHERE {which} FOR UPDATE",  # noqa: S608
                    *values,
                )
                numbers = [row["number"] for row in found]
                for table, column in (
                    ("antiphon_entries", "conversation"),
                    ("antiphon_conversations", "number"),
                ):
                    await connection.execute(
                        f"DELETE FROM {table} WHERE {column} = ANY($1)",  # noqa: S608
                        numbers,
                    )
            if numbers:
                # What is deleted lies in the table until then, its key too.
                await connection.execute("VACUUM antiphon_conversations")
        return len(numbers)

    async def _prepare(self) -> None:
        """Raises:
        JournalError: the tables cannot be made, or are of another version.
        """
        try:
            async with self._pool.acquire() as connection:
                await postgres_tables.prepare(connection, self.place)
        except UNREACHABLE as error:
            raise JournalError(
                f"{self.place}: the journal's tables cannot be made ({_reason(error)})."
            ) from None

    # --- Writing -------------------------------------------------------------

    async def _write(self) -> None:
        while self._queue or not self._closing.is_set():
            if not self._queue:
                self._came.clear()
                await self._came.wait()
                continue
            if batch := self._gather():
                self._backlog.settle(batch, await self._commit(batch))
            while self._queue and not isinstance(mark := self._queue[0], Append):
                self._queue.popleft()
                if not mark.done():
                    mark.set_result(None)

    def _gather(self) -> list[Append]:
        """All that is there, up to the next mark."""
        batch: list[Append] = []
        while self._queue and len(batch) < MAX_BATCH and isinstance(self._queue[0], Append):
            append = self._queue.popleft()
            assert isinstance(append, Append)
            batch.append(append)
        return batch

    async def _commit(self, batch: Sequence[Append]) -> Fate:
        """Until it succeeds; where the journal is being closed, one last time."""
        self._commits_since_s = asyncio.get_running_loop().time()
        self._transaction.begin()
        try:
            while True:
                last_try = self._closing.is_set()
                try:
                    async with self._pool.acquire(timeout=TIMEOUT_S) as connection:
                        await self._transaction.write(connection, batch)
                except UNREACHABLE as error:
                    self._on_failure(_reason(error))
                    if last_try:
                        return Fate.LOST
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(RETRY_S):
                            await self._closing.wait()
                else:
                    self._on_success()
                    return Fate.DURABLE
        finally:
            self._commits_since_s = None

    def _on_failure(self, problem: str) -> None:
        if self._problem is None:
            log.error("journal %s: cannot be written: %s", self.place, problem)
        self._problem = problem

    def _on_success(self) -> None:
        if self._problem is not None:
            log.warning("journal %s: is written again", self.place)
        self._problem = None


def _unsealed(conversation_id: str, rows: Sequence[Any]) -> list[LogEntry]:
    """Raises:
    JournalError: a seal is broken, or an entry is none.
    """
    if not rows:
        return []
    seal = Seal(conversation_id, rows[0]["key"])
    return [decode(seal.open(row["sealed"], row["place"])) for row in rows]


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
