"""The tables of the journal in PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from antiphon.journal import line_table, postgres_notes
from antiphon.journal.entries import JournalError
from antiphon.journal.line_table import Erased

if TYPE_CHECKING:
    import asyncpg
    from asyncpg.pool import PoolConnectionProxy

    Connection: TypeAlias = PoolConnectionProxy[asyncpg.Record]

SCHEMA_VERSION: Final = 1
_LOCK: Final = 0x416E7470
"""Of two servers that start at once, one makes the tables."""

SCHEMA = f"""
CREATE TABLE IF NOT EXISTS antiphon_format (version integer NOT NULL);
INSERT INTO antiphon_format SELECT {SCHEMA_VERSION} WHERE NOT EXISTS (SELECT FROM antiphon_format);
CREATE TABLE IF NOT EXISTS antiphon_conversations (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL UNIQUE,
    key bytea NOT NULL,
    model text,
    engine text NOT NULL,
    transport text NOT NULL,
    end_user_id text,
    began_at_s double precision NOT NULL,
    changed_at_s double precision NOT NULL
);
ALTER TABLE antiphon_conversations
    ADD COLUMN IF NOT EXISTS tenant text NOT NULL DEFAULT 'default';
CREATE INDEX IF NOT EXISTS antiphon_conversations_by_end_user
    ON antiphon_conversations (end_user_id, number);
CREATE INDEX IF NOT EXISTS antiphon_conversations_by_age
    ON antiphon_conversations (changed_at_s);
CREATE TABLE IF NOT EXISTS antiphon_entries (
    conversation bigint NOT NULL REFERENCES antiphon_conversations (number),
    place bigint NOT NULL,
    sealed bytea NOT NULL,
    PRIMARY KEY (conversation, place)
);
{postgres_notes.SCHEMA}
"""  # noqa: S608  All text is ours.
LINES: Final = "antiphon_lines"
LINES_SCHEMA = f"""
{line_table.schema(LINES, "bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY", "bigint")}
ALTER TABLE {LINES} ADD COLUMN IF NOT EXISTS {line_table.CONVERSATION};
{line_table.index_by_conversation(LINES)}
UPDATE {LINES} SET conversation_id = (line::json)->>'conversation_id' WHERE conversation_id = '';
"""  # noqa: S608  As above.
"""As in the file: no other version."""


async def prepare(connection: Connection, place: str) -> None:
    """Make those that are not there.

    Raises:
        JournalError: they are of another version.
    """
    async with connection.transaction():
        await connection.execute(f"SELECT pg_advisory_xact_lock({_LOCK})")
        await connection.execute(SCHEMA + LINES_SCHEMA)
        version = await connection.fetchval("SELECT version FROM antiphon_format")
    if version != SCHEMA_VERSION:
        raise JournalError(
            f"{place}: its format is {version}; this version reads {SCHEMA_VERSION}. "
            "Use the version of Antiphon that wrote it, or another database."
        )


async def disown(connection: Connection, erased: Erased) -> int:
    """Take a name from the lines; how many had it."""
    query, values = line_table.named_query(LINES, erased)
    rows = await connection.fetch(line_table.numbered(query), *values)
    renamed = [line_table.renamed_row(tuple(row), erased) for row in rows]
    await connection.executemany(line_table.numbered(line_table.renaming(LINES)), renamed)
    return len(rows)
