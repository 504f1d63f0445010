"""The SQLite file that conversations are kept in.  Synchronous; for one thread.

What was said is sealed (`seal.py`).  The keys stand in the same file: seals hide nothing from who
may read that, but what was said is gone with its key.
Plain are the conversations' ids, models and times, and what the application calls its users.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from antiphon.journal import line_table
from antiphon.journal.backlog import Append
from antiphon.journal.entries import (
    APART,
    Closed,
    JournalError,
    LogEntry,
    Metered,
    Opened,
    Piece,
    decode,
)
from antiphon.journal.expiry import Expiry, expired
from antiphon.journal.journal import Kept, Page, Wanted
from antiphon.journal.line_table import Erased, LinesPage, LinesWanted, TotalsPage, new_alias
from antiphon.journal.seal import SOUND_PLACES, Places, Seal, new_key
from antiphon.journal.sqlite_notes import SqliteNotes
from antiphon.journal.sqlite_stage import MAX_ROWS, MAX_STAGED, Row, Stage
from antiphon.metering.bill import Dimension

APPLICATION_ID = 0x416E7470  # "Antp"
SCHEMA_VERSION = 1
BUSY_TIMEOUT_MS = 500

SCHEMA = """
CREATE TABLE conversations (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    key BLOB NOT NULL,
    model TEXT,
    engine TEXT NOT NULL,
    transport TEXT NOT NULL,
    end_user_id TEXT,
    began_at_s REAL NOT NULL,
    changed_at_s REAL NOT NULL,
    tenant TEXT NOT NULL DEFAULT 'default'
);
CREATE INDEX conversations_by_end_user ON conversations (end_user_id, number);
CREATE INDEX conversations_by_age ON conversations (changed_at_s);
CREATE TABLE entries (
    conversation INTEGER NOT NULL REFERENCES conversations (number),
    place INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (conversation, place)
);
"""
"""Entries lie in the order in which they came, whose pages a commit writes are few.  In files of
before they lie in that of their key, and are read and written all the same."""


LINES = "lines"
LINES_SCHEMA = line_table.schema(LINES, "INTEGER PRIMARY KEY AUTOINCREMENT", "INTEGER")
"""Beside those of version 1: who does not know it loses nothing, and needs no other version."""

MAX_LOGS = 1_000
"""So many conversations' places are remembered: to look them up for each commit costs a tenth of
it.  Overflow policy: all are looked up again."""

_OF_IT = "WHERE conversation = conversations.number"
_LAST_STAGED = f"coalesce((SELECT max(place) FROM staged {_OF_IT}), 0)"  # noqa: S608
LAST = f"max(coalesce((SELECT max(place) FROM entries {_OF_IT}), 0), {_LAST_STAGED})"  # noqa: S608
LAST_BUT_SOUND = (
    f"max(coalesce((SELECT max(place) FROM entries {_OF_IT} AND place < {SOUND_PLACES}), 0), "  # noqa: S608
    f"{_LAST_STAGED})"
)
_IN_PLACE = (Opened, Closed, *APART)
"""These change a conversation's own row, or are too large to be written twice."""


class JournalFile:
    def __init__(self, path: Path, *, create: bool = True) -> None:
        """Raises:
        JournalError: it cannot be opened, or is no journal of this version.
        """
        self.path = path
        self._logs: dict[str, _Log] = {}
        """Where the last entries are of conversations that were written to."""
        self._data_version = 0
        if create:
            _create(path)
        elif not path.is_file():
            raise JournalError(f"{path}: there is no such file.")
        # Commits are ours to make; each is on disk when it returns.
        try:
            self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise self._unreadable(error) from None
        try:
            for pragma in (
                f"busy_timeout = {BUSY_TIMEOUT_MS}",
                "journal_mode = WAL",
                "synchronous = FULL",
                "secure_delete = ON",
                "foreign_keys = ON",
            ):
                self._database.execute(f"PRAGMA {pragma}")
            self._check_schema()
            self.notes = SqliteNotes(self._database, path)
            self._stage = Stage(self._database, LINES)
        except BaseException as error:
            self._database.close()
            if isinstance(error, sqlite3.Error):
                raise self._unreadable(error) from None
            raise

    def close(self) -> None:
        if self._stage.put_rows:
            with suppress(sqlite3.Error, JournalError), self._transaction():
                self._stage.sort_in()
        self._database.close()

    # --- Writing -------------------------------------------------------------

    def commit(self, batch: Sequence[Append]) -> None:
        """All of them, or none.

        Raises:
            sqlite3.Error: none was written.
        """
        if not self._stage_all(batch):
            self._commit_in_place(batch)

    def tidy(self) -> None:
        """In a quiet moment: sort in what was staged, when there is much of it.

        Raises:
            sqlite3.Error: another time, then.
        """
        if self._stage.put_rows >= MAX_STAGED:
            with self._transaction():
                self._stage.sort_in()

    def _stage_all(self, batch: Sequence[Append]) -> bool:
        """Whether that was possible."""
        if len(batch) > MAX_ROWS or not all(map(self._is_for_stage, batch)):
            return False
        try:
            self._stage.put([self._row(append) for append in batch])
        except BaseException as error:
            self._logs.clear()  # They have counted on.
            if not isinstance(error, sqlite3.IntegrityError):
                raise
            return False  # Another process has erased a conversation.
        return True

    def _is_for_stage(self, append: Append) -> bool:
        if isinstance(append.entry, Metered):
            return True
        return append.conversation_id in self._logs and not isinstance(append.entry, _IN_PLACE)

    def _row(self, append: Append) -> Row:
        if isinstance(append.entry, Metered):
            return None, None, append.data
        return self._logs[append.conversation_id].row(append)

    def _commit_in_place(self, batch: Sequence[Append]) -> None:
        rows: list[tuple[int, int, bytes]] = []
        with self._transaction():
            self._distrust_logs()
            for append in batch:
                if isinstance(append.entry, Metered):
                    row = line_table.row_of(append.entry.line)
                    self._database.execute(line_table.insertion(LINES), row)
                    continue
                name = append.conversation_id
                log = self._logs.get(name) or self._log(name)
                if isinstance(append.entry, Opened):
                    log = self._open(append.conversation_id, append.entry, log)
                elif isinstance(append.entry, Closed):
                    self._database.execute(
                        "UPDATE conversations SET changed_at_s = ? WHERE id = ?",
                        (append.entry.at_s, name),
                    )
                if log is not None:  # Else it was erased.
                    self._logs[name] = log
                    rows.append(log.row(append))
            self._database.executemany("INSERT INTO entries VALUES (?, ?, ?)", rows)

    def erase(self, name: str) -> int:
        """Erase a conversation; how many there were.

        Raises:
            JournalError: it failed, or copies of what was erased are still in the file.
        """
        with self._overwriting():
            self._disown(Erased(conversation_id=name, alias=new_alias()))
            return self._delete("id = ?", (name,))

    def sweep(self, expiry: Expiry) -> int:
        """Erase those that are too old; how many there were.

        Raises:
            JournalError: as `erase`.
        """
        with self._overwriting():
            return self._delete(*expired(expiry))

    # --- Reading -------------------------------------------------------------

    def read(self, conversation_id: str) -> list[LogEntry]:
        """Raises:
        JournalError: what was kept cannot be read.
        """
        return self._read(conversation_id, f"place < {SOUND_PLACES}")

    def read_apart(self, conversation_id: str, kind: type[Piece]) -> list[Piece]:
        """Raises:
        JournalError: as `read`.
        """
        entries = self._read(conversation_id, f"place > {SOUND_PLACES}")
        return [entry for entry in entries if isinstance(entry, kind)]

    def _read(self, conversation_id: str, which: str) -> list[LogEntry]:
        try:
            log = self._log(conversation_id)
            if log is None:
                return []
            rows = self._database.execute(
                "SELECT place, sealed FROM ("  # noqa: S608  All text is ours.
                "SELECT place, sealed, 0 AS number FROM entries WHERE conversation = :number "
                "UNION ALL SELECT place, data, number FROM staged WHERE conversation = :number) "
                f"WHERE {which} ORDER BY place, number",
                {"number": log.number},
            ).fetchall()
            return [decode(log.seal.open(sealed, place)) for place, sealed in rows]
        except (sqlite3.Error, JournalError) as error:
            raise self._unreadable(error, f"conversation {conversation_id}: ") from None

    def listed(self, wanted: Wanted, *, after: str | None, limit: int) -> Page:
        """Raises:
        JournalError: as `read`.
        """
        filters = {
            "tenant = ?": wanted.tenant,
            "end_user_id = ?": wanted.end_user_id,
            "model = ?": wanted.model,
            "began_at_s > ?": wanted.began_after_s,
            "began_at_s < ?": wanted.began_before_s,
            "number < (SELECT number FROM conversations WHERE id = ?)": after,
        }
        asked = {text: value for text, value in filters.items() if value is not None}
        where = " AND ".join(asked) or "1"
        query = (
            "SELECT id, model, engine, transport, end_user_id, tenant, began_at_s, changed_at_s "  # noqa: S608  All text is ours.
            f"FROM conversations WHERE {where} ORDER BY number DESC LIMIT ?"
        )
        try:
            rows = self._database.execute(query, (*asked.values(), limit + 1)).fetchall()
        except sqlite3.Error as error:
            raise self._unreadable(error) from None
        names = Kept.__struct_fields__
        found = [Kept(**dict(zip(names, row, strict=True))) for row in rows[:limit]]
        return Page(tuple(found), has_more=len(rows) > limit)

    # --- What was used -------------------------------------------------------

    def lines(self, wanted: LinesWanted, *, after: int, limit: int) -> LinesPage:
        """Raises:
        JournalError: as `read`.
        """
        self._sort_in_lines()
        if self._stage.has_lines:
            raise JournalError(f"{self.path}: a line of the bill cannot be read.")
        query = line_table.lines_query(LINES, wanted, after=after, limit=limit)
        return line_table.lines_page(self._fetched(*query), limit)

    def totals(
        self,
        wanted: LinesWanted,
        by: Sequence[Dimension],
        *,
        after: Sequence[str] | None,
        limit: int,
    ) -> TotalsPage:
        """Raises:
        JournalError: as `read`.
        """
        self._sort_in_lines()
        query = line_table.totals_query(LINES, wanted, by, after=after, limit=limit)
        return line_table.totals_page(self._fetched(*query), by, limit)

    def disown_lines(self, erased: Erased) -> int:
        """Raises:
        JournalError: as `erase`.
        """
        with self._overwriting():
            return self._disown(erased)

    def sweep_lines(self, before_day: str) -> int:
        """Raises:
        JournalError: as `erase`.
        """
        try:
            with self._transaction():
                self._stage.sort_in()
                query = f"DELETE FROM {LINES} WHERE day < ?"  # noqa: S608
                return self._database.execute(query, (before_day,)).rowcount
        except sqlite3.Error as error:
            raise self._unreadable(error) from None

    def _sort_in_lines(self) -> None:
        try:
            if self._stage.has_lines:
                with self._transaction():
                    self._stage.sort_in()
        except sqlite3.Error as error:
            raise self._unreadable(error) from None

    def _fetched(self, query: str, values: Sequence[Any]) -> list[Any]:
        try:
            return self._database.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise self._unreadable(error) from None

    # --- Steps ---------------------------------------------------------------

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            self._logs.clear()
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise

    @contextmanager
    def _overwriting(self) -> Iterator[None]:
        """A transaction, after which nothing is left of what was there.

        Raises:
            JournalError: it failed, or copies of that are still in the file.
        """
        self._logs.clear()
        try:
            with self._transaction():
                self._stage.sort_in()
                yield
            # The pages are overwritten in the file; older ones of them stand in the log beside it.
            busy, *_ = self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.Error as error:
            raise self._unreadable(error) from None
        if busy:
            raise JournalError(
                f"{self.path}: erased, but another program reads the file and keeps older pages "
                "of it alive; they go with the next erasure or hourly sweep after it has ended."
            )

    def _delete(self, where: str, values: Sequence[Any]) -> int:
        for table in ("entries", "staged"):
            self._database.execute(
                f"DELETE FROM {table} WHERE conversation IN "  # noqa: S608  All text is ours.
                f"(SELECT number FROM conversations WHERE {where})",
                values,
            )
        query = f"DELETE FROM conversations WHERE {where}"  # noqa: S608
        return self._database.execute(query, values).rowcount

    def _disown(self, erased: Erased) -> int:
        rows = self._database.execute(*line_table.named_query(LINES, erased)).fetchall()
        renamed = [line_table.renamed_row(row, erased) for row in rows]
        self._database.executemany(line_table.renaming(LINES), renamed)
        return len(rows)

    def _distrust_logs(self) -> None:
        """Another process may have erased or written meanwhile (`antiphon conversations`)."""
        (version,) = self._one("PRAGMA data_version")
        if version != self._data_version or len(self._logs) > MAX_LOGS:
            self._logs.clear()
            self._data_version = version

    def _log(self, conversation_id: str) -> _Log | None:
        row = self._database.execute(
            f"SELECT number, key, {LAST_BUT_SOUND}, {LAST} "  # noqa: S608  All text is ours.
            "FROM conversations WHERE id = ?",
            (conversation_id,),
        ).fetchone()
        if row is None:
            return None
        number, key, last, last_of_all = row
        return _Log(number, Seal(conversation_id, key), Places(last, last_of_all))

    def _open(self, conversation_id: str, opened: Opened, log: _Log | None) -> _Log:
        found = (opened.model, opened.engine, opened.transport, opened.end_user_id)
        if log is not None:
            self._database.execute(
                "UPDATE conversations SET model = ?, engine = ?, transport = ?, "
                "end_user_id = coalesce(?, end_user_id), changed_at_s = ? WHERE number = ?",
                (*found, opened.at_s, log.number),
            )
            return log
        key = new_key()
        done = self._database.execute(
            "INSERT INTO conversations (id, key, model, engine, transport, end_user_id, "
            "began_at_s, changed_at_s, tenant) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (conversation_id, key, *found, opened.at_s, opened.at_s, opened.tenant),
        )
        assert done.lastrowid is not None, "it was inserted"
        return _Log(done.lastrowid, Seal(conversation_id, key), Places(0, 0))

    def _check_schema(self) -> None:
        (application_id,) = self._one("PRAGMA application_id")
        (version,) = self._one("PRAGMA user_version")
        (tables,) = self._one("SELECT count(*) FROM sqlite_master")
        if not tables and not version:
            self._database.executescript(
                f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA application_id = {APPLICATION_ID}; "
                f"PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
            )
        elif application_id != APPLICATION_ID:
            raise JournalError(
                f"{self.path}: a database of something else; set another path in [journal]."
            )
        elif version != SCHEMA_VERSION:
            raise JournalError(
                f"{self.path}: its format is {version}; this version reads {SCHEMA_VERSION}. "
                "Use the version of Antiphon that wrote it, or set another path in [journal]."
            )
        else:
            self._add_tenants()
        self._database.executescript(LINES_SCHEMA)
        self._add_conversations_of_lines()

    def _add_tenants(self) -> None:
        """Files from before there were tenants lack the column; older versions pass it over."""
        columns = self._database.execute("PRAGMA table_info(conversations)").fetchall()
        if all(name != "tenant" for _, name, *_ in columns):
            self._database.execute(
                "ALTER TABLE conversations ADD COLUMN tenant TEXT NOT NULL DEFAULT 'default'"
            )

    def _add_conversations_of_lines(self) -> None:
        """The same, of lines; rows that an older version has written since are caught up with."""
        columns = self._database.execute(f"PRAGMA table_info({LINES})").fetchall()
        if all(name != "conversation_id" for _, name, *_ in columns):
            self._database.execute(f"ALTER TABLE {LINES} ADD COLUMN {line_table.CONVERSATION}")
        self._database.execute(line_table.index_by_conversation(LINES))
        nameless = f"SELECT number FROM {LINES} WHERE conversation_id = '' LIMIT 1"  # noqa: S608
        if (
            self._database.execute(nameless).fetchone() is not None
        ):  # Else nobody need be locked out.
            self._database.execute(
                f"UPDATE {LINES} SET conversation_id = json_extract(line, '$.conversation_id') "  # noqa: S608
                "WHERE conversation_id = ''"
            )

    def _one(self, query: str) -> tuple[Any, ...]:
        row: tuple[Any, ...] = self._database.execute(query).fetchone()
        return row

    def _unreadable(self, error: Exception, where: str = "") -> JournalError:
        return JournalError(f"{self.path}: {where}{error}.")


class _Log:
    """One conversation's place in the file, and its seal."""

    def __init__(self, number: int, seal: Seal, places: Places) -> None:
        self.number = number
        self.seal = seal
        self._places = places

    def row(self, append: Append) -> tuple[int, int, bytes]:
        """Of the next entry."""
        place = self._places.next(apart=isinstance(append.entry, APART))
        return self.number, place, self.seal.close(append.data, place)


def _create(path: Path) -> None:
    """For its owner's eyes; what is there stays as it is."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise JournalError(
            f"{path}: the journal of conversations cannot be written here "
            f'({error.strerror or error}). Set another path in [journal], or retention = "none".'
        ) from None
