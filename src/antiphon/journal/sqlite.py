"""The journal in one SQLite file, written by one thread.

A commit is on disk when it returns (`synchronous=FULL`).  One that somebody waits for is made at
once, with all that came before it; of those that come quickly, all within `WINDOW_S` share one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from antiphon.journal.backlog import (
    ASKING_TIMEOUT_S,
    MAX_BATCH,
    MAX_QUEUED_BYTES,
    RETRY_S,
    SLOW_S,
    Append,
    Backlog,
)
from antiphon.journal.entries import AnyEntry, JournalError, LogEntry, Piece
from antiphon.journal.expiry import Expiry
from antiphon.journal.journal import Fate, JournalLoad, Note, Page, Ticket, Wanted
from antiphon.journal.line_table import Erased, LinesPage, LinesWanted, TotalsPage, new_alias
from antiphon.journal.sqlite_file import JournalFile
from antiphon.metering.bill import Dimension

log = logging.getLogger(__name__)

WINDOW_S = 0.005
PATIENCE_S = 0.5
"""What nobody waits for is handed over with what comes next, and no later than after this: each
commit costs half a millisecond of a processor, however little is in it."""
_R = TypeVar("_R")


class _Asked(NamedTuple):
    """Something else to do with the file, after all that was appended before."""

    what: Callable[[JournalFile], object]
    told: Callable[[object, Exception | None], None]


class SqliteJournal:
    """Args:
    path: The file.
    create: It is made, with its folder, where it is not there.
    max_queued_bytes: See `MAX_QUEUED_BYTES`.
    """

    def __init__(
        self, path: Path, *, create: bool = True, max_queued_bytes: int = MAX_QUEUED_BYTES
    ) -> None:
        self.path = path
        self._writer = _Writer(path, create=create)
        self._backlog = Backlog(str(path), max_queued_bytes, lambda: self._writer.trouble)
        self._collected: list[Append] = []
        """What is not handed over yet."""
        self._handing_over: asyncio.Handle | None = None
        self._is_urgent = False

    @property
    def place(self) -> str:
        return str(self.path)

    @property
    def load(self) -> JournalLoad:
        return self._backlog.load

    @property
    def trouble(self) -> str | None:
        return self._writer.trouble

    async def start(self) -> None:
        await asyncio.to_thread(
            self._writer.start, asyncio.get_running_loop(), self._backlog.settle
        )

    def append(self, conversation_id: str, entry: AnyEntry) -> Ticket:
        append = self._backlog.take(
            conversation_id, entry, may_wait=self._writer.works, hurry=self._hurry
        )
        if append.ticket.waits:
            self._collected.append(append)
            if self._handing_over is None:
                loop = asyncio.get_running_loop()
                self._handing_over = loop.call_later(PATIENCE_S, self._hand_over)
        return append.ticket

    def _hurry(self) -> None:
        """Once for all that comes in this round of the loop."""
        if self._is_urgent or self._handing_over is None:
            return
        self._is_urgent = True
        self._handing_over.cancel()
        self._handing_over = asyncio.get_running_loop().call_soon(self._hand_over)

    def _hand_over(self) -> None:
        if self._handing_over is not None:
            self._handing_over.cancel()
        self._handing_over, self._is_urgent = None, False
        collected, self._collected = self._collected, []
        if collected:
            now_s = time.monotonic()
            self._writer.put([append._replace(at_s=now_s) for append in collected])

    async def read(self, conversation_id: str) -> Sequence[LogEntry]:
        return await self._ask(lambda file: file.read(conversation_id))

    async def read_apart(self, conversation_id: str, kind: type[Piece]) -> Sequence[Piece]:
        return await self._ask(lambda file: file.read_apart(conversation_id, kind))

    async def listed(self, wanted: Wanted, *, after: str | None, limit: int) -> Page:
        return await self._ask(lambda file: file.listed(wanted, after=after, limit=limit))

    async def erase(self, conversation_id: str) -> bool:
        return await self._ask(lambda file: file.erase(conversation_id)) > 0

    async def sweep(self, expiry: Expiry) -> int:
        return await self._ask(lambda file: file.sweep(expiry))

    async def read_note(self, user: str) -> Note | None:
        return await self._ask(lambda file: file.notes.read(user))

    async def write_note(self, user: str, data: bytes, *, over: int, now_s: float) -> bool:
        return await self._ask(lambda file: file.notes.write(user, data, over=over, now_s=now_s))

    async def erase_note(self, user: str) -> bool:
        return await self._ask(lambda file: file.notes.erase(user))

    async def lines(self, wanted: LinesWanted, *, after: int = 0, limit: int) -> LinesPage:
        return await self._ask(lambda file: file.lines(wanted, after=after, limit=limit))

    async def totals(
        self,
        wanted: LinesWanted,
        by: Sequence[Dimension],
        *,
        after: Sequence[str] | None = None,
        limit: int,
    ) -> TotalsPage:
        return await self._ask(lambda file: file.totals(wanted, by, after=after, limit=limit))

    async def disown_lines(self, tenant: str, user: str) -> int:
        erased = Erased(tenant=tenant, user=user, alias=new_alias())
        return await self._ask(lambda file: file.disown_lines(erased))

    async def sweep_lines(self, before_day: str) -> int:
        return await self._ask(lambda file: file.sweep_lines(before_day))

    async def aclose(self) -> None:
        self._hand_over()
        await asyncio.to_thread(self._writer.stop)
        await asyncio.sleep(0)  # What it said last is heard.

    async def _ask(self, what: Callable[[JournalFile], _R]) -> _R:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[_R] = loop.create_future()

        def told(result: object, error: Exception | None) -> None:
            if answer.done():
                return
            if error is None:
                answer.set_result(result)  # type: ignore[arg-type]
            else:
                answer.set_exception(error)

        if not self._writer.works:
            raise JournalError(f"{self.path}: the journal is closed.")
        self._hand_over()
        self._writer.put(_Asked(what, told))
        try:
            async with asyncio.timeout(ASKING_TIMEOUT_S):
                return await answer
        except TimeoutError:
            problem = self.trouble or "it is busy"
            raise JournalError(f"{self.path}: no answer in time: {problem}.") from None


class _Writer:
    """The thread that has the file."""

    def __init__(self, path: Path, *, create: bool) -> None:
        self.works = False
        self._path = path
        self._create = create
        self._queue: queue.SimpleQueue[Sequence[Append] | _Asked | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._problem: str | None = None
        self._commits_since_s: float | None = None

    @property
    def trouble(self) -> str | None:
        since_s = self._commits_since_s
        if self._problem is None and since_s is not None and time.monotonic() - since_s > SLOW_S:
            return "the disk is slow"
        return self._problem

    def start(
        self,
        loop: asyncio.AbstractEventLoop,
        settle: Callable[[Sequence[Append], Fate], None],
    ) -> None:
        """Raises:
        JournalError: the file cannot be opened.
        """
        self._file = JournalFile(self._path, create=self._create)
        self._loop = loop
        self._settle = settle
        self.works = True
        self._thread = threading.Thread(target=self._run, name="antiphon-journal", daemon=True)
        self._thread.start()

    def put(self, item: Sequence[Append] | _Asked) -> None:
        self._queue.put(item)

    def stop(self) -> None:
        """Until all is written, or cannot be."""
        self.works = False
        if self._thread is not None:
            self._stopping.set()
            self._queue.put(None)
            self._thread.join()
            self._thread = None
            self._file.close()

    # --- The thread ----------------------------------------------------------

    def _run(self) -> None:
        began_s = -WINDOW_S
        while (item := self._queue.get()) is not None:
            if isinstance(item, _Asked):
                self._answer(item)
                continue
            early_s = began_s + WINDOW_S - time.monotonic()
            if early_s > 0:
                time.sleep(early_s)
            began_s = time.monotonic()
            batch, other = self._gather(item)
            self._tell(self._settle, batch, self._commit(batch))
            with contextlib.suppress(sqlite3.Error, JournalError):
                self._file.tidy()
            if isinstance(other, _Asked):
                self._answer(other)
            elif other == "stop":
                return

    def _gather(self, first: Sequence[Append]) -> tuple[list[Append], _Asked | str | None]:
        """All that lie ready, up to something else."""
        batch = [*first]
        with contextlib.suppress(queue.Empty):
            while len(batch) < MAX_BATCH:
                item = self._queue.get_nowait()
                if item is None or isinstance(item, _Asked):
                    return batch, item or "stop"
                batch += item
        return batch, None

    def _commit(self, batch: Sequence[Append]) -> Fate:
        """Until it succeeds; where the journal is being closed, one last time."""
        self._commits_since_s = time.monotonic()
        try:
            while True:
                last_try = self._stopping.is_set()
                try:
                    self._file.commit(batch)
                except sqlite3.Error as error:
                    self._on_failure(str(error))
                    if last_try:
                        return Fate.LOST
                    self._stopping.wait(RETRY_S)
                else:
                    self._on_success()
                    return Fate.DURABLE
        finally:
            self._commits_since_s = None

    def _on_failure(self, problem: str) -> None:
        if self._problem is None:
            log.error("journal %s: cannot be written: %s", self._path, problem)
        self._problem = problem

    def _on_success(self) -> None:
        if self._problem is not None:
            log.warning("journal %s: is written again", self._path)
        self._problem = None

    def _answer(self, asked: _Asked) -> None:
        try:
            result = asked.what(self._file)
        except JournalError as error:
            self._tell(asked.told, None, error)
        except Exception as error:
            log.exception("journal %s: failed", self._path)
            self._tell(asked.told, None, JournalError(f"{self._path}: {type(error).__name__}."))
        else:
            self._tell(asked.told, result, None)

    def _tell(self, callback: Callable[..., None], *args: object) -> None:
        with contextlib.suppress(RuntimeError):  # The loop is closed: nobody waits any more.
            self._loop.call_soon_threadsafe(callback, *args)
