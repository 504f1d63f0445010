"""The table of what was used and what it cost, the same in SQLite and PostgreSQL.

Nothing in it tells what was said, so that it is plain, and outlives the conversations.  Where one
is erased, or a user, the lines lose those names: what was spent stays true, and nothing tells whose
it was.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from antiphon.journal.entries import JournalError
from antiphon.metering.bill import Dimension, Total, total_of
from antiphon.metering.lines import Line

SUMS = Total.__struct_fields__
_COLUMN: dict[Dimension, str] = {
    "tenant": "tenant",
    "user": "user_id",
    "key": "key_name",
    "session": "session_id",
    "day": "day",
    "model": "billed_as",
    "kind": "kind",
}
COLUMNS = ("id", "at_ms", *_COLUMN.values(), *SUMS, "line", "conversation_id")
CONVERSATION = "conversation_id text NOT NULL DEFAULT ''"
"""The column that tables of earlier versions lack; rows of those say it in their line alone."""
_DAY_MS = 24 * 60 * 60 * 1000


class LinesWanted(Struct, frozen=True, kw_only=True):
    """Which lines; None: any.  "" is one that has none, as a user."""

    tenant: str | None = None
    user: str | None = None
    key: str | None = None
    session: str | None = None
    model: str | None = None
    from_day: str | None = None
    """The first day (UTC) that counts, as `2026-11-29`."""
    until_day: str | None = None
    """The last one."""

    def __contains__(self, line: Line) -> bool:
        account = line.account
        return (
            self.tenant in (None, account.tenant)
            and self.user in (None, account.user or "")
            and self.key in (None, account.key or "")
            and self.session in (None, line.session_id)
            and self.model in (None, line.billed_as)
            and (self.from_day is None or line.day >= self.from_day)
            and (self.until_day is None or line.day <= self.until_day)
        )


class LinesPage(Struct, frozen=True):
    lines: tuple[Line, ...]
    """In the order in which they were written."""
    cursor: int | None
    """For the next page; None: there is none."""


class TotalsPage(Struct, frozen=True):
    totals: tuple[tuple[tuple[str, ...], Total], ...]
    """In the order of what they are told apart by."""
    has_more: bool


def schema(table: str, number: str, integer: str) -> str:
    """``number``: how the database counts rows; ``integer``: 64 bits."""
    names = list(_COLUMN.values())
    sums = [f"{name} {integer} NOT NULL" for name in SUMS]
    return f"""
CREATE TABLE IF NOT EXISTS {table} (
    number {number},
    id text NOT NULL UNIQUE,
    at_ms {integer} NOT NULL,
    {", ".join(f"{name} text NOT NULL" for name in names)},
    {", ".join(sums)},
    line text NOT NULL,
    {CONVERSATION}
);
CREATE INDEX IF NOT EXISTS {table}_by_day ON {table} (day, tenant);
CREATE INDEX IF NOT EXISTS {table}_by_session ON {table} (session_id);
"""


def index_by_conversation(table: str) -> str:
    """Once the column is there."""
    return f"CREATE INDEX IF NOT EXISTS {table}_by_conversation ON {table} (conversation_id);"


def insertion(table: str) -> str:
    """A line that is there already stays as it is."""
    marks = ", ".join("?" for _ in COLUMNS)
    return f"INSERT INTO {table} ({', '.join(COLUMNS)}) VALUES ({marks}) ON CONFLICT DO NOTHING"  # noqa: S608


def row_of(line: Line) -> tuple[Any, ...]:
    account, total = line.account, total_of(line)
    return (
        line.id,
        line.at_ms,
        account.tenant,
        account.user or "",
        account.key or "",
        line.session_id,
        line.day,
        line.billed_as,
        line.kind,
        *(getattr(total, name) for name in SUMS),
        msgspec.json.encode(line).decode(),
        line.conversation_id,
    )


# --- Without names -----------------------------------------------------------


class Erased(Struct, frozen=True, kw_only=True):
    """Whose lines are to lose their names: a conversation's, or else a user's."""

    conversation_id: str | None = None
    tenant: str = ""
    user: str = ""
    alias: str
    """In place of all names; whoever is erased gets a new one that nobody can foresee."""

    def __contains__(self, line: Line) -> bool:
        if self.conversation_id is not None:
            return line.conversation_id == self.conversation_id
        return (line.account.tenant, line.account.user) == (self.tenant, self.user)

    def without_names(self, line: Line, number: int) -> Line:
        """``number``: of its row.  Of a conversation the time of day goes too; a user's lines keep
        the names of conversations, which are erased on their own.
        """
        account = replace(line.account, user=line.account.user and self.alias)
        if self.conversation_id is None:
            return replace(line, account=account)
        return replace(
            line,
            id=f"{self.alias}/{number}",
            at_ms=line.at_ms - line.at_ms % _DAY_MS,
            account=account,
            session_id=self.alias,
            conversation_id=self.alias,
            source_id="",
        )


def new_alias() -> str:
    return f"erased_{secrets.token_hex(8)}"


def named_query(table: str, erased: Erased) -> tuple[str, tuple[Any, ...]]:
    """Rows of ``(number, line)`` that have the names."""
    columns = f"SELECT number, line FROM {table} WHERE "  # noqa: S608
    if erased.conversation_id is not None:
        return columns + "conversation_id = ?", (erased.conversation_id,)
    return columns + "tenant = ? AND user_id = ?", (erased.tenant, erased.user)


def renaming(table: str) -> str:
    names = [name for name in COLUMNS if name not in SUMS]
    changes = ", ".join(f"{name} = ?" for name in names)
    return f"UPDATE {table} SET {changes} WHERE number = ?"  # noqa: S608


def renamed_row(row: Sequence[Any], erased: Erased) -> tuple[Any, ...]:
    """Raises:
    JournalError: the line cannot be read.
    """
    number, line = row[0], _line(row[1])
    values = dict(zip(COLUMNS, row_of(erased.without_names(line, number)), strict=True))
    return (*(value for name, value in values.items() if name not in SUMS), number)


def lines_query(
    table: str, wanted: LinesWanted, *, after: int, limit: int
) -> tuple[str, tuple[Any, ...]]:
    """Rows of ``(number, line)``, one more than wanted where there are more."""
    where, values = _where(wanted)
    query = f"SELECT number, line FROM {table} WHERE {where} AND number > ? ORDER BY number LIMIT ?"  # noqa: S608
    return query, (*values, after, limit + 1)


def lines_page(rows: Sequence[Any], limit: int) -> LinesPage:
    """Raises:
    JournalError: a line cannot be read.
    """
    lines = tuple(_line(row[1]) for row in rows[:limit])
    return LinesPage(lines, int(rows[limit - 1][0]) if len(rows) > limit else None)


def totals_query(
    table: str,
    wanted: LinesWanted,
    by: Sequence[Dimension],
    *,
    after: Sequence[str] | None,
    limit: int,
) -> tuple[str, tuple[Any, ...]]:
    """Rows of what they are told apart by, and then the sums."""
    where, values = _where(wanted)
    names = ", ".join(_COLUMN[dimension] for dimension in by)
    if after is not None and by:
        where += f" AND ({names}) > ({', '.join('?' for _ in by)})"
        values = (*values, *after)
    sums = ", ".join(f"CAST(coalesce(sum({name}), 0) AS bigint)" for name in SUMS)
    grouped = f" GROUP BY {names} ORDER BY {names}" if by else ""
    selected = f"{names}, {sums}" if by else sums
    query = f"SELECT {selected} FROM {table} WHERE {where}{grouped} LIMIT ?"  # noqa: S608
    return query, (*values, limit + 1)


def totals_page(rows: Sequence[Any], by: Sequence[Dimension], limit: int) -> TotalsPage:
    found = []
    for row in rows[:limit]:
        values = tuple(row)
        total = Total(**dict(zip(SUMS, map(int, values[len(by) :]), strict=True)))
        found.append((values[: len(by)], total))
    return TotalsPage(tuple(found), has_more=len(rows) > limit)


def _line(text: Any) -> Line:
    try:
        return msgspec.json.decode(text, type=Line)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise JournalError(f"a line of the bill cannot be read: {error}") from None


def numbered(query: str) -> str:
    """With PostgreSQL's marks."""
    first, *rest = query.split("?")
    return first + "".join(f"${at}{text}" for at, text in enumerate(rest, 1))


def _where(wanted: LinesWanted) -> tuple[str, tuple[Any, ...]]:
    filters = {
        "tenant = ?": wanted.tenant,
        "user_id = ?": wanted.user,
        "key_name = ?": wanted.key,
        "session_id = ?": wanted.session,
        "billed_as = ?": wanted.model,
        "day >= ?": wanted.from_day,
        "day <= ?": wanted.until_day,
    }
    asked = {text: value for text, value in filters.items() if value is not None}
    return " AND ".join(asked) or "1 = 1", tuple(asked.values())
