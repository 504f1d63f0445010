"""Every store of keys keeps the same promises."""

from __future__ import annotations

import secrets
import stat
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

import pytest

from antiphon.identity.keys import KeyRecord, KeyWish, NewKey, new_key
from antiphon.server.key_store import KeyStore, KeyStoreError, KnownKeys, MemoryKeyStore
from antiphon.server.key_store_postgres import PostgresKeyStore
from antiphon.server.key_store_sqlite import SqliteKeyStore
from tests.journal.postgres import PASSWORD, Postgres, new_database, programs, running
from tests.journal.test_journals import until

NOW_S = 1_795_000_000.0


def made(name: str = "shop", **wish: object) -> NewKey:
    wished = KeyWish(name=name, **wish)  # type: ignore[arg-type]
    return new_key(wished, now_s=NOW_S, random_bytes=secrets.token_bytes)


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    if programs() is None:
        pytest.skip("PostgreSQL is not installed")
    with (
        tempfile.TemporaryDirectory(prefix="antiphon-postgres-") as folder,
        running(Path(folder)) as server,
    ):
        yield server


Another = Callable[[], KeyStore]
"""The same store, as another process has it."""


@pytest.fixture(params=["memory", "sqlite", "postgres"])
async def another(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Another]:
    if request.param == "memory":
        store = MemoryKeyStore()
        yield lambda: store
    elif request.param == "sqlite":
        yield lambda: SqliteKeyStore(tmp_path / "new" / "keys.sqlite3")
    else:
        url = new_database(request.getfixturevalue("postgres"))
        yield lambda: PostgresKeyStore(url)


async def test_a_key_is_found_by_its_value_alone(another: Another) -> None:
    key = made(tenant="acme", scopes=("call", "read"), limits="gold", retention="none")
    keys = KnownKeys(another(), now_s=lambda: NOW_S)
    async with keys.kept_up():
        assert keys.find(key.value) is None
        await keys.add(key.record)
        assert keys.find(key.value) == key.record
        for wrong in ("", key.value[:-1], key.value + "x", key.record.id, "ak_\udcff"):
            assert keys.find(wrong) is None


async def test_another_process_knows_it_and_its_end_in_a_moment(another: Another) -> None:
    key, revoked = made(), list[KeyRecord]()
    here = KnownKeys(another(), now_s=lambda: NOW_S)
    there = KnownKeys(another(), now_s=lambda: NOW_S)
    there.when_revoked(revoked.append)
    async with here.kept_up(), there.kept_up():
        await here.add(key.record)
        if not there.store.is_shared:
            await there.refresh()
        await until(lambda: there.find(key.value) is not None)
        assert await here.revoke(key.record.id)
        assert here.find(key.value) is None
        if not there.store.is_shared:
            await there.refresh()
        await until(lambda: bool(revoked))
        assert there.find(key.value) is None
        assert there.is_revoked(key.record.id)
        assert [record.id for record in revoked] == [key.record.id]
        assert not await there.revoke(key.record.id), "once"
        assert not await there.revoke("key_none")


async def test_keys_outlive_the_server(another: Another) -> None:
    first, second = made("first"), made("second", user="u", client_events=("response.create",))
    async with (store := KnownKeys(another(), now_s=lambda: NOW_S)).kept_up():
        await store.add(first.record)
        await store.add(second.record)
        await store.revoke(first.record.id)
    if isinstance(store.store, MemoryKeyStore):
        return
    async with (again := KnownKeys(another(), now_s=lambda: NOW_S)).kept_up():
        assert again.find(first.value) is None
        assert again.find(second.value) == second.record
        assert len(again) == 2


async def test_a_key_ends_at_its_time() -> None:
    now = [NOW_S]
    key = made(expires_at=int(NOW_S) + 10)
    keys = KnownKeys(MemoryKeyStore(), now_s=lambda: now[0])
    await keys.add(key.record)
    assert keys.find(key.value)
    now[0] += 10
    assert keys.find(key.value) is None


async def test_the_file_is_its_owners_alone_and_holds_no_key(tmp_path: Path) -> None:
    path, key = tmp_path / "state" / "keys.sqlite3", made()
    async with (keys := KnownKeys(SqliteKeyStore(path))).kept_up():
        await keys.add(key.record)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        for file in path.parent.iterdir():
            assert key.value.encode() not in file.read_bytes()


async def test_what_is_no_file_of_keys_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    path.write_text("Not a database at all, but something long enough to look like one." * 50)
    with pytest.raises(KeyStoreError, match="notes"):
        await SqliteKeyStore(path).start()
    assert path.read_text().startswith("Not a database")


async def test_a_database_that_is_not_there_is_told_without_its_password() -> None:
    store = PostgresKeyStore(f"postgresql://antiphon:{PASSWORD}@127.0.0.1:1/none")
    with pytest.raises(KeyStoreError, match=r"127\.0\.0\.1:1/none") as failed:
        await store.start()
    assert PASSWORD not in str(failed.value)


async def test_while_the_store_fails_what_is_known_stays_known() -> None:
    key, store = made(), MemoryKeyStore()
    keys = KnownKeys(store)
    async with keys.kept_up():
        await keys.add(key.record)
        await store.aclose()

        async def away(mark: int) -> tuple[int, Sequence[KeyRecord]]:
            raise KeyStoreError(f"away since {mark}")

        store.changed_since = away  # type: ignore[method-assign]
        with pytest.raises(KeyStoreError):
            await keys.refresh()
        assert keys.find(key.value) == key.record
