"""Where what is committed lies first in the SQLite file: as it comes, in a table without an index.

A commit costs by its pages and its statements.  Here it is one statement and one page, mostly; in
their own tables some entries and a line touch eight.  They are sorted in there many at a time.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence
from typing import Final

from antiphon.journal import line_table
from antiphon.journal.entries import JournalError, decode_metered
from antiphon.journal.seal import SOUND_PLACES, Seal

log = logging.getLogger(__name__)

SCHEMA = """
CREATE TABLE IF NOT EXISTS staged (
    number INTEGER PRIMARY KEY,
    conversation INTEGER REFERENCES conversations (number),
    place INTEGER,
    data BLOB NOT NULL
);
"""
"""A line of the bill has neither conversation nor place, and is not sealed; an entry is as in its
own table.  Whose conversation was erased is not taken."""
MAX_ROWS: Final = 16
"""Of one commit: with more of them a statement does not pay."""
MAX_STAGED: Final = 256
"""Rows that may lie here until they are sorted in, which takes some milliseconds."""

Row = tuple[int | None, int | None, bytes]
_Whole = tuple[int, int | None, int | None, bytes]


class Stage:
    """Args:
    database: One that commits each statement at once, and overwrites what is deleted.
    lines: The table of lines.
    """

    def __init__(self, database: sqlite3.Connection, lines: str) -> None:
        """Raises:
        sqlite3.Error: the table cannot be made.
        """
        self._database = database
        self._lines = lines
        self.put_rows = 0
        """By us, since they were sorted in last; others may have put more."""
        database.execute(SCHEMA)

    def put(self, rows: Sequence[Row]) -> None:
        """All of them, or none; they are on disk when it returns.

        Raises:
            sqlite3.IntegrityError: a conversation is not there.
            sqlite3.Error: it failed.
        """
        marks = ", ".join(["(?, ?, ?)"] * len(rows))
        self._database.execute(
            f"INSERT INTO staged (conversation, place, data) VALUES {marks}",  # noqa: S608
            [value for row in rows for value in row],
        )
        self.put_rows += len(rows)

    @property
    def has_lines(self) -> bool:
        query = "SELECT EXISTS (SELECT 1 FROM staged WHERE conversation IS NULL)"
        return bool(self._database.execute(query).fetchone()[0])

    def sort_in(self) -> None:
        """All that lie here, into their tables; in a transaction.  What cannot be read stays.

        Raises:
            sqlite3.Error: it failed.
        """
        unreadable = self._sort_in_lines()
        try:
            self._database.execute(
                "INSERT INTO entries SELECT conversation, place, data FROM staged "
                "WHERE conversation IS NOT NULL ORDER BY number"
            )
        except sqlite3.IntegrityError:
            unreadable += self._sort_in_singly()
        self._database.execute("DELETE FROM staged")
        self._database.executemany("INSERT INTO staged VALUES (?, ?, ?, ?)", unreadable)
        self.put_rows = 0

    def _sort_in_lines(self) -> list[_Whole]:
        """Returns those that cannot be read."""
        found, unreadable = [], []
        for row in self._database.execute(
            "SELECT number, conversation, place, data FROM staged "
            "WHERE conversation IS NULL ORDER BY number"
        ).fetchall():
            try:
                found.append(line_table.row_of(decode_metered(row[-1]).line))
            except JournalError as error:
                log.warning("the journal has a line of the bill that cannot be read: %s", error)
                unreadable.append(row)
        self._database.executemany(line_table.insertion(self._lines), found)
        return unreadable

    def _sort_in_singly(self) -> list[_Whole]:
        """Two processes wrote to one conversation at a time: whose place is taken comes after."""
        unreadable = []
        insertion = "INSERT INTO entries VALUES (?, ?, ?)"
        for *row, name, key in self._database.execute(
            "SELECT staged.number, conversation, place, data, id, key FROM staged "
            "JOIN conversations ON conversations.number = conversation ORDER BY staged.number"
        ).fetchall():
            number, conversation, place, sealed = row
            try:
                self._database.execute(insertion, (conversation, place, sealed))
            except sqlite3.IntegrityError:
                seal, next_place = Seal(name, key), self._next_place(conversation)
                try:
                    moved = seal.close(seal.open(sealed, place), next_place)
                except JournalError:  # Who reads the conversation is told.
                    unreadable.append((number, conversation, place, sealed))
                else:
                    self._database.execute(insertion, (conversation, next_place, moved))
        return unreadable

    def _next_place(self, conversation: int) -> int:
        row = self._database.execute(
            "SELECT max(place) + 1 FROM (SELECT place FROM entries WHERE conversation = :number "  # noqa: S608
            "UNION ALL SELECT place FROM staged WHERE conversation = :number) "
            f"WHERE place < {SOUND_PLACES}",
            {"number": conversation},
        ).fetchone()
        return int(row[0])
