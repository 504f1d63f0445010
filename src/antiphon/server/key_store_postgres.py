"""API keys in PostgreSQL, for all servers that share a database."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import urlsplit

import asyncpg
import msgspec
from msgspec.structs import replace

from antiphon.identity.keys import KeyRecord
from antiphon.server.key_store import KeyStoreError

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection: TypeAlias = PoolConnectionProxy[asyncpg.Record]

TIMEOUT_S: Final = 10.0
_LOCK: Final = 0x416E744B
"""Who changes keys waits for others that do: so the marks grow in the order of the commits."""

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS antiphon_keys (
    id text PRIMARY KEY,
    digest bytea NOT NULL UNIQUE,
    changed bigint NOT NULL,
    record bytea NOT NULL
);
CREATE INDEX IF NOT EXISTS antiphon_keys_by_change ON antiphon_keys (changed);
"""
PUT: Final = """
INSERT INTO antiphon_keys (id, digest, changed, record)
VALUES ($1, $2, (SELECT coalesce(max(changed), 0) + 1 FROM antiphon_keys), $3)
ON CONFLICT (id) DO UPDATE SET changed = excluded.changed, record = excluded.record
"""
UNREACHABLE = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)


class PostgresKeyStore:
    """Args: url: `postgresql://user:password@host:port/database`."""

    is_shared = True

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.place = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        self._url = url
        self._pool: asyncpg.Pool | None = None

    async def start(self) -> None:
        try:
            self._pool = await asyncpg.create_pool(
                self._url,
                min_size=1,
                max_size=2,
                timeout=TIMEOUT_S,
                command_timeout=TIMEOUT_S,
                server_settings={"application_name": "antiphon-keys"},
            )
        except (*UNREACHABLE, ValueError) as error:
            raise self._failed(error) from None
        async with self._changing() as connection:
            await connection.execute(SCHEMA)

    async def add(self, record: KeyRecord) -> None:
        async with self._changing() as connection:
            await _put(connection, record)

    async def revoke(self, key_id: str, at_s: int) -> bool:
        async with self._changing() as connection:
            data = await connection.fetchval(
                "SELECT record FROM antiphon_keys WHERE id = $1", key_id
            )
            record = None if data is None else msgspec.msgpack.decode(data, type=KeyRecord)
            if record is None or record.revoked_at is not None:
                return False
            await _put(connection, replace(record, revoked_at=at_s))
            return True

    async def changed_since(self, mark: int) -> tuple[int, Sequence[KeyRecord]]:
        async with self._connected() as connection:
            rows = await connection.fetch(
                "SELECT changed, record FROM antiphon_keys WHERE changed > $1 ORDER BY changed",
                mark,
            )
        records = [msgspec.msgpack.decode(row["record"], type=KeyRecord) for row in rows]
        return (rows[-1]["changed"] if rows else mark), records

    async def aclose(self) -> None:
        if self._pool is not None:
            pool, self._pool = self._pool, None
            await pool.close()

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[Connection]:
        if self._pool is None:
            raise KeyStoreError(f"{self.place}: the store of keys is closed.")
        try:
            async with self._pool.acquire(timeout=TIMEOUT_S) as connection:
                yield connection
        except (*UNREACHABLE, msgspec.MsgspecError) as error:
            raise self._failed(error) from None

    @contextlib.asynccontextmanager
    async def _changing(self) -> AsyncIterator[Connection]:
        async with self._connected() as connection, connection.transaction():
            await connection.execute(f"SELECT pg_advisory_xact_lock({_LOCK})")
            yield connection

    def _failed(self, error: Exception) -> KeyStoreError:
        return KeyStoreError(
            f"{self.place}: the database of keys: {str(error) or type(error).__name__}."
        )


async def _put(connection: Connection, record: KeyRecord) -> None:
    data = msgspec.msgpack.encode(record)
    await connection.execute(PUT, record.id, record.digest, data)
