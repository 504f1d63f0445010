"""What is kept of end users, in the SQLite file of conversations.  Synchronous; for one thread."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from antiphon.journal.entries import JournalError
from antiphon.journal.journal import Note
from antiphon.journal.seal import Seal, new_key

# An earlier version of Antiphon takes no notice of it, so the file's format stays what it is.
SCHEMA = """
CREATE TABLE IF NOT EXISTS notes (
    user TEXT NOT NULL PRIMARY KEY,
    key BLOB NOT NULL,
    version INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    changed_at_s REAL NOT NULL
)
"""


class SqliteNotes:
    """Args:
    database: One that commits each statement at once, and overwrites what is deleted.
    path: For messages.
    """

    def __init__(self, database: sqlite3.Connection, path: Path) -> None:
        """Raises:
        sqlite3.Error: the table cannot be made.
        """
        self._database = database
        self._path = path
        database.execute(SCHEMA)

    def read(self, user: str) -> Note | None:
        """Raises:
        JournalError: it cannot be read.
        """
        try:
            row = self._database.execute(
                "SELECT key, version, sealed FROM notes WHERE user = ?", (user,)
            ).fetchone()
            if row is None:
                return None
            key, version, sealed = row
            return Note(Seal(user, key).open(sealed, version), version)
        except (sqlite3.Error, JournalError) as error:
            raise JournalError(f"{self._path}: what is kept of a user: {error}.") from None

    def write(self, user: str, data: bytes, *, over: int, now_s: float) -> bool:
        """As `Notes.write_note`."""
        key, version = new_key(), over + 1
        row = (key, version, Seal(user, key).close(data, version), now_s, user)
        if over:
            return self._change(
                "UPDATE notes SET key = ?, version = ?, sealed = ?, changed_at_s = ? "
                "WHERE user = ? AND version = ?",
                (*row, over),
                erases=True,
            )
        return self._change(
            "INSERT INTO notes (key, version, sealed, changed_at_s, user) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT DO NOTHING",
            row,
            erases=False,
        )

    def erase(self, user: str) -> bool:
        """As `Notes.erase_note`."""
        return self._change("DELETE FROM notes WHERE user = ?", (user,), erases=True)

    def _change(self, statement: str, values: tuple[object, ...], *, erases: bool) -> bool:
        try:
            done = self._database.execute(statement, values)
            if erases:
                # Older pages, with the key that was, stand in the log beside the file.
                busy, *_ = self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.Error as error:
            raise JournalError(f"{self._path}: {error}.") from None
        if erases and busy:
            raise JournalError(
                f"{self._path}: done, but another program reads the file and keeps older pages "
                "of it alive; they go with the next erasure or hourly sweep after it has ended."
            )
        return done.rowcount > 0
