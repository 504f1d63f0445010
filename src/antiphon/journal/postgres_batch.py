"""One batch of the journal in PostgreSQL: all of it or nothing, and once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from antiphon.journal import line_table
from antiphon.journal.backlog import Append
from antiphon.journal.entries import APART, Closed, Metered, Opened
from antiphon.journal.postgres_tables import LINES
from antiphon.journal.seal import SOUND_PLACES, Places, Seal, new_key

if TYPE_CHECKING:
    import asyncpg

    from antiphon.journal.postgres_tables import Connection

LAST = "SELECT coalesce(max(place), 0) FROM antiphon_entries WHERE conversation = number"
OPEN = """
INSERT INTO antiphon_conversations
    (id, key, model, engine, transport, end_user_id, began_at_s, changed_at_s, tenant)
VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8)
ON CONFLICT (id) DO UPDATE SET
    model = excluded.model, engine = excluded.engine, transport = excluded.transport,
    end_user_id = coalesce(excluded.end_user_id, antiphon_conversations.end_user_id),
    changed_at_s = excluded.changed_at_s
RETURNING number, key
"""


class BatchTransaction:
    """Writes a batch once, even where the answer to a commit was lost.

    A connection that breaks at its end leaves unknown whether the batch was written.  It was if
    a conversation of it has as many entries as it was to have then.
    """

    def __init__(self) -> None:
        self._ends: dict[str, Places] = {}
        """Of the batch that was tried: where each conversation was to end."""

    def begin(self) -> None:
        self._ends = {}

    async def write(self, connection: Connection, batch: Sequence[Append]) -> None:
        async with connection.transaction():
            logs = await self._logs(connection, batch)
            if any(log.places == self._ends.get(name) for name, log in logs.items()):
                return
            rows = []
            for append in batch:
                name, entry = append.conversation_id, append.entry
                if isinstance(entry, Metered):
                    await connection.execute(
                        line_table.numbered(line_table.insertion(LINES)),
                        *line_table.row_of(entry.line),
                    )
                    continue
                if isinstance(entry, Opened):
                    logs[name] = await _opened(connection, name, entry, logs.get(name))
                elif isinstance(entry, Closed):
                    await connection.execute(
                        "UPDATE antiphon_conversations SET changed_at_s = $2 WHERE id = $1",
                        name,
                        entry.at_s,
                    )
                if name in logs:  # Else it was erased.
                    rows.append(logs[name].row(append))
            await connection.executemany("INSERT INTO antiphon_entries VALUES ($1, $2, $3)", rows)
            self._ends = {name: log.places for name, log in logs.items()}

    async def _logs(self, connection: Connection, batch: Sequence[Append]) -> dict[str, _Log]:
        names = {a.conversation_id for a in batch if not isinstance(a.entry, Metered)}
        rows = await connection.fetch(
            f"SELECT id, number, key, ({LAST} AND place < {SOUND_PLACES}) AS last, "  # noqa: S608
            f"({LAST}) AS last_of_all "
            "FROM antiphon_conversations WHERE id = ANY($1) ORDER BY number FOR UPDATE",
            sorted(names),
        )
        return {row["id"]: _Log.of(row) for row in rows}


class _Log:
    """One conversation's place in the database, and its seal."""

    def __init__(self, number: int, seal: Seal, places: Places) -> None:
        self.number = number
        self.places = places
        self._seal = seal

    @classmethod
    def of(cls, row: asyncpg.Record) -> _Log:
        places = Places(row["last"], row["last_of_all"])
        return cls(row["number"], Seal(row["id"], row["key"]), places)

    def row(self, append: Append) -> tuple[int, int, bytes]:
        """Of the next entry."""
        place = self.places.next(apart=isinstance(append.entry, APART))
        return self.number, place, self._seal.close(append.data, place)


async def _opened(
    connection: Connection, conversation_id: str, opened: Opened, log: _Log | None
) -> _Log:
    row = await connection.fetchrow(
        OPEN,
        conversation_id,
        new_key(),
        opened.model,
        opened.engine,
        opened.transport,
        opened.end_user_id,
        opened.at_s,
        opened.tenant,
    )
    assert row is not None, "it returns one"
    return log or _Log(row["number"], Seal(conversation_id, row["key"]), Places(0, 0))
