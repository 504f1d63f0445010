"""What is kept of end users, in a table beside the conversations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from antiphon.journal.journal import Note
from antiphon.journal.seal import Seal, new_key

if TYPE_CHECKING:
    import asyncpg
    from asyncpg.pool import PoolConnectionProxy

SCHEMA = """
CREATE TABLE IF NOT EXISTS antiphon_notes (
    "user" text PRIMARY KEY,
    key bytea NOT NULL,
    version bigint NOT NULL,
    sealed bytea NOT NULL,
    changed_at_s double precision NOT NULL
);
"""


async def read(connection: PoolConnectionProxy[asyncpg.Record], user: str) -> asyncpg.Record | None:
    return await connection.fetchrow(
        'SELECT key, version, sealed FROM antiphon_notes WHERE "user" = $1', user
    )


def unsealed(user: str, row: Any) -> Note:
    """Raises:
    JournalError: its seal is broken.
    """
    return Note(Seal(user, row["key"]).open(row["sealed"], row["version"]), row["version"])


async def write(
    connection: PoolConnectionProxy[asyncpg.Record],
    user: str,
    data: bytes,
    *,
    over: int,
    now_s: float,
) -> bool:
    key, version = new_key(), over + 1
    row = (user, key, version, Seal(user, key).close(data, version), now_s)
    if over:
        done = await connection.execute(
            "UPDATE antiphon_notes SET key = $2, version = $3, sealed = $4, changed_at_s = $5 "
            'WHERE "user" = $1 AND version = $6',
            *row,
            over,
        )
    else:
        done = await connection.execute(
            "INSERT INTO antiphon_notes VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING", *row
        )
    changed = not done.endswith(" 0")
    if over and changed:
        await _clean(connection)
    return changed


async def erase(connection: PoolConnectionProxy[asyncpg.Record], user: str) -> bool:
    done = await connection.execute('DELETE FROM antiphon_notes WHERE "user" = $1', user)
    erased = not done.endswith(" 0")
    if erased:
        await _clean(connection)
    return erased


async def _clean(connection: PoolConnectionProxy[asyncpg.Record]) -> None:
    """What was deleted or written over lies in the table until then, its key too."""
    await connection.execute("VACUUM antiphon_notes")
