"""API keys in one SQLite file, for the server and `antiphon keys` at once."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

import msgspec
from msgspec.structs import replace

from antiphon.identity.keys import KeyRecord
from antiphon.server.key_store import KeyStoreError

_R = TypeVar("_R")

APPLICATION_ID: Final = 0x416E744B  # "AntK"
BUSY_TIMEOUT_S: Final = 5.0
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS keys (
    id TEXT PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    changed INTEGER NOT NULL,
    record BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS keys_by_change ON keys (changed);
"""
PUT: Final = """
INSERT INTO keys (id, digest, changed, record)
VALUES (?, ?, (SELECT coalesce(max(changed), 0) + 1 FROM keys), ?)
ON CONFLICT (id) DO UPDATE SET changed = excluded.changed, record = excluded.record
"""


class SqliteKeyStore:
    """Args: path: The file; it is made, with its folder, once there is a key to keep."""

    is_shared = True

    def __init__(self, path: Path) -> None:
        self.place = str(path)
        self._path = path
        self._database: sqlite3.Connection | None = None
        self._turn = asyncio.Lock()

    async def start(self) -> None:
        await self._ask(lambda: None, otherwise=None)

    async def add(self, record: KeyRecord) -> None:
        await self._ask(lambda: self._put(record), otherwise=None, create=True)

    async def revoke(self, key_id: str, at_s: int) -> bool:
        return await self._ask(lambda: self._revoke(key_id, at_s), otherwise=False)

    async def changed_since(self, mark: int) -> tuple[int, Sequence[KeyRecord]]:
        return await self._ask(lambda: self._changed_since(mark), otherwise=(mark, ()))

    async def aclose(self) -> None:
        async with self._turn:
            if self._database is not None:
                await asyncio.to_thread(self._database.close)
                self._database = None

    async def _ask(self, what: Callable[[], _R], *, otherwise: _R, create: bool = False) -> _R:
        """``otherwise``: the answer where there is no file."""

        def asked() -> _R:
            if not create and self._database is None and not self._path.exists():
                return otherwise
            self._open()
            return what()

        async with self._turn:
            try:
                return await asyncio.to_thread(asked)
            except (sqlite3.Error, OSError, msgspec.MsgspecError) as error:
                raise KeyStoreError(f"{self.place}: the file of keys: {error}.") from None

    # --- In a thread ---------------------------------------------------------

    def _open(self) -> None:
        if self._database is not None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # For its owner's eyes alone: it names tenants and users.
        os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
        database = sqlite3.connect(
            self._path, isolation_level=None, check_same_thread=False, timeout=BUSY_TIMEOUT_S
        )
        try:
            _check_is_ours(database)
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")
            database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            database.executescript(SCHEMA)
        except BaseException:
            database.close()
            raise
        self._database = database

    @property
    def _open_database(self) -> sqlite3.Connection:
        assert self._database is not None, "it was opened first"
        return self._database

    def _put(self, record: KeyRecord) -> None:
        data = msgspec.msgpack.encode(record)
        self._open_database.execute(PUT, (record.id, record.digest, data))

    def _revoke(self, key_id: str, at_s: int) -> bool:
        database = self._open_database
        database.execute("BEGIN IMMEDIATE")
        try:
            row = database.execute("SELECT record FROM keys WHERE id = ?", (key_id,)).fetchone()
            record = None if row is None else msgspec.msgpack.decode(row[0], type=KeyRecord)
            is_valid = record is not None and record.revoked_at is None
            if record is not None and is_valid:
                self._put(replace(record, revoked_at=at_s))
            database.execute("COMMIT")
        except BaseException:
            database.execute("ROLLBACK")
            raise
        return is_valid

    def _changed_since(self, mark: int) -> tuple[int, Sequence[KeyRecord]]:
        rows = self._open_database.execute(
            "SELECT changed, record FROM keys WHERE changed > ? ORDER BY changed", (mark,)
        ).fetchall()
        records = [msgspec.msgpack.decode(data, type=KeyRecord) for _, data in rows]
        return (rows[-1][0] if rows else mark), records


def _check_is_ours(database: sqlite3.Connection) -> None:
    (found,) = database.execute("PRAGMA application_id").fetchone()
    (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if found != APPLICATION_ID and tables:
        raise sqlite3.DatabaseError("it is another program's")
