"""Where API keys are kept, and what is known of them in this process."""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final, Protocol

from msgspec.structs import replace

from antiphon.errors import AntiphonError
from antiphon.identity.keys import KeyRecord, digest
from antiphon.server.background import in_background

log = logging.getLogger(__name__)

REFRESH_S: Final = 0.5
"""A key that another process made or revoked is known here after so long, at most."""


class KeyStoreError(AntiphonError):
    """The store cannot be opened, read or written."""


class KeyStore(Protocol):
    """A file or a database, that several processes may share.  Records are never removed."""

    is_shared: bool
    """Other processes change it too."""
    place: str
    """For people: where it is, without passwords."""

    async def start(self) -> None:
        """Raises `KeyStoreError`."""
        ...

    async def add(self, record: KeyRecord) -> None: ...

    async def revoke(self, key_id: str, at_s: int) -> bool:
        """Returns: whether there was such a key, not yet revoked."""
        ...

    async def changed_since(self, mark: int) -> tuple[int, Sequence[KeyRecord]]:
        """The next mark, and all records that are new or changed since ``mark``; 0: all."""
        ...

    async def aclose(self) -> None: ...


class MemoryKeyStore:
    """The keys of one process; a restart forgets them."""

    is_shared = False
    place = "this process's memory"

    def __init__(self) -> None:
        self._records: dict[str, tuple[int, KeyRecord]] = {}
        self._mark = 0

    async def start(self) -> None:
        pass

    async def add(self, record: KeyRecord) -> None:
        self._put(record)

    async def revoke(self, key_id: str, at_s: int) -> bool:
        _, record = self._records.get(key_id, (0, None))
        if record is None or record.revoked_at is not None:
            return False
        self._put(replace(record, revoked_at=at_s))
        return True

    async def changed_since(self, mark: int) -> tuple[int, Sequence[KeyRecord]]:
        found = [record for changed, record in self._records.values() if changed > mark]
        return self._mark, found

    async def aclose(self) -> None:
        pass

    def _put(self, record: KeyRecord) -> None:
        self._mark += 1
        self._records[record.id] = (self._mark, record)


class KnownKeys:
    """All keys of a store, in memory: a check touches neither a disk nor a network, so that how
    long it takes says nothing, and a stranger's guesses cost nobody anything.

    While the store cannot be read, what is known goes on to be.

    Args:
        store: Where they are kept.
        now_s: Unix time.
    """

    def __init__(
        self,
        store: KeyStore,
        *,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self.store = store
        self._on_revoked: Callable[[KeyRecord], None] = lambda _: None
        self._now_s = now_s
        self._mark = 0
        self._by_digest: dict[bytes, KeyRecord] = {}
        self._by_id: dict[str, KeyRecord] = {}
        self._in_trouble = False

    def __len__(self) -> int:
        return len(self._by_id)

    @property
    def records(self) -> Sequence[KeyRecord]:
        """Oldest first."""
        return list(self._by_id.values())

    def count_valid(self) -> int:
        now_s = self._now_s()
        return sum(record.is_valid(now_s) for record in self._by_id.values())

    def find(self, value: str) -> KeyRecord | None:
        """The valid key of this value."""
        shown = digest(value)
        record = self._by_digest.get(shown)
        if record is None or not hmac.compare_digest(record.digest, shown):
            return None
        return record if record.is_valid(self._now_s()) else None

    def get(self, key_id: str) -> KeyRecord | None:
        return self._by_id.get(key_id)

    def when_revoked(self, callback: Callable[[KeyRecord], None]) -> None:
        """Call back for each that was not revoked, as far as was known here, and is now."""
        self._on_revoked = callback

    def is_revoked(self, key_id: str) -> bool:
        record = self._by_id.get(key_id)
        return record is not None and record.revoked_at is not None

    async def add(self, record: KeyRecord) -> None:
        await self.store.add(record)
        await self.refresh()

    async def revoke(self, key_id: str) -> bool:
        was_valid = await self.store.revoke(key_id, int(self._now_s()))
        await self.refresh()
        return was_valid

    async def refresh(self) -> None:
        """Learn what changed in the store."""
        self._mark, records = await self.store.changed_since(self._mark)
        for record in records:
            before = self._by_id.get(record.id)
            self._by_id[record.id] = record
            self._by_digest[record.digest] = record
            if record.revoked_at is not None and (before is None or before.revoked_at is None):
                self._on_revoked(record)

    @asynccontextmanager
    async def kept_up(self) -> AsyncIterator[None]:
        """Known, and followed, in the body.

        Raises:
            KeyStoreError: the store cannot be opened.
        """
        await self.store.start()
        try:
            await self.refresh()
            tasks = {"keys": self._follow()} if self.store.is_shared else {}
            async with in_background(**tasks):
                yield
        finally:
            await self.store.aclose()

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_S)
            try:
                await self.refresh()
            except KeyStoreError as error:
                if not self._in_trouble:
                    log.warning("changes of API keys are not seen now: %s", error)
                self._in_trouble = True
            else:
                if self._in_trouble:
                    log.warning("changes of API keys are seen again")
                self._in_trouble = False
