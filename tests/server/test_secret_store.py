from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.server.grant import Grant
from antiphon.server.secret_store import (
    REMEMBER_S,
    MemorySecretStore,
    Minted,
    SecretRefused,
    SecretStoreFull,
)
from tests.server.kept import kept


class Clock:
    now_s = 1_795_000_000.0

    def __call__(self) -> float:
        return self.now_s


def counting() -> Callable[[int], bytes]:
    """Bytes that differ each time; guessing them is easy, which tests need."""
    count = 0

    def draw(size: int) -> bytes:
        nonlocal count
        count += 1
        return count.to_bytes(size, "big")

    return draw


GRANT = Grant(model="m")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> MemorySecretStore:
    return MemorySecretStore(now_s=clock, random_bytes=counting(), max_secrets=3)


async def refused(store: MemorySecretStore, value: str, origin: str | None = None) -> str:
    with pytest.raises(SecretRefused) as error:
        await store.check(value, origin=origin)
    with pytest.raises(SecretRefused):
        await store.redeem(value, origin=origin)
    assert value.removeprefix("ek_") not in str(error.value) or len(value) < 8
    return error.value.reason


async def test_a_secret_opens_sessions_until_it_expires(
    store: MemorySecretStore, clock: Clock
) -> None:
    minted = await store.mint(GRANT, ttl_s=10)
    assert minted.expires_at == int(clock.now_s) + 10
    clock.now_s += 9
    assert await store.redeem(minted.value) == await store.redeem(minted.value) == GRANT
    clock.now_s += 1
    assert await refused(store, minted.value) == "expired"


async def test_a_secret_looks_as_clients_want_it() -> None:
    values = {(await MemorySecretStore().mint(GRANT)).value for _ in range(100)}
    assert len(values) == 100
    # 32 characters of 6 bits each.
    assert all(re.fullmatch(r"ek_[A-Za-z0-9_-]{32}", value) for value in values)


async def test_the_value_is_kept_nowhere(store: MemorySecretStore) -> None:
    minted = await store.mint(GRANT)
    secret = minted.value.removeprefix("ek_")
    assert any(secret in text for text in kept(minted)), "one that is kept is found"
    assert minted.id in list(kept(store))
    assert not [text for text in kept(store) if secret in text]
    assert minted.value not in repr(minted)
    assert minted.value not in f"{minted} {minted!r}"


@pytest.mark.parametrize("value", ["", "ek_", "ek_nope", "\udcff", "ek_" + "A" * 10_000])
async def test_a_forged_secret_is_unknown(store: MemorySecretStore, value: str) -> None:
    await store.mint(GRANT)
    assert await refused(store, value) == "unknown"


@given(st.integers(0, 34), st.characters(codec="ascii"))
async def test_one_character_off_is_unknown(index: int, character: str) -> None:
    store = MemorySecretStore()
    value = (await store.mint(GRANT)).value
    other = value[:index] + character + value[index + 1 :]
    if other != value:
        assert await refused(store, other) == "unknown"


async def test_a_revoked_secret_opens_nothing(store: MemorySecretStore) -> None:
    minted, other = await store.mint(GRANT), await store.mint(GRANT)
    assert await store.revoke(minted.id)
    assert await refused(store, minted.value) == "revoked"
    assert not await store.revoke(minted.id)
    assert not await store.revoke("cs_nope")
    assert not await store.revoke(other.value), "only the id names it"
    assert await store.check(other.value) == GRANT


async def test_what_has_expired_cannot_be_revoked(store: MemorySecretStore, clock: Clock) -> None:
    minted = await store.mint(GRANT, ttl_s=10)
    clock.now_s += 10
    assert not await store.revoke(minted.id)


async def test_sessions_are_counted(store: MemorySecretStore) -> None:
    minted = await store.mint(Grant(model="m", max_sessions=2))
    for _ in range(5):
        await store.check(minted.value)
    await store.redeem(minted.value)
    await store.redeem(minted.value)
    assert await refused(store, minted.value) == "spent"
    await store.give_back(minted.value)
    await store.redeem(minted.value)
    assert await refused(store, minted.value) == "spent"


async def test_what_was_not_taken_cannot_be_given_back(store: MemorySecretStore) -> None:
    minted = await store.mint(Grant(model="m", max_sessions=1))
    await store.give_back(minted.value)
    await store.give_back("ek_nope")
    await store.redeem(minted.value)
    assert await refused(store, minted.value) == "spent"


async def test_only_its_own_pages_may_use_it(store: MemorySecretStore) -> None:
    grant = Grant(model="m", allowed_origins=frozenset({"https://a.example"}))
    value = (await store.mint(grant)).value
    assert await store.redeem(value, origin="https://A.example") == grant
    for origin in (None, "", "https://b.example", "https://a.example.evil", "null"):
        assert await refused(store, value, origin) == "origin"
    anyones = (await store.mint(GRANT)).value
    assert await store.redeem(anyones, origin="https://b.example") == GRANT


async def test_a_full_store_keeps_what_is_valid(store: MemorySecretStore, clock: Clock) -> None:
    first = [await store.mint(GRANT, ttl_s=10), await store.mint(GRANT), await store.mint(GRANT)]
    with pytest.raises(SecretStoreFull, match="All 3"):
        await store.mint(GRANT)
    assert [await store.check(minted.value) for minted in first] == [GRANT] * 3
    clock.now_s += 10
    last = await store.mint(GRANT)
    assert len(store) == 3
    assert await store.check(last.value) == GRANT
    assert await refused(store, first[0].value) == "unknown"


@pytest.mark.parametrize("was", ["revoked", "used up"])
async def test_a_full_store_forgets_what_opens_nothing(store: MemorySecretStore, was: str) -> None:
    minted = await store.mint(Grant(model="m", max_sessions=1))
    await store.mint(GRANT)
    await store.mint(GRANT)
    if was == "revoked":
        assert await store.revoke(minted.id)
    else:
        await store.redeem(minted.value)
    await store.mint(GRANT)
    assert len(store) == 3


async def test_what_expired_lately_is_remembered_while_there_is_room(
    store: MemorySecretStore, clock: Clock
) -> None:
    old = await store.mint(GRANT, ttl_s=10)
    clock.now_s += 10 + REMEMBER_S
    late = await store.mint(GRANT, ttl_s=10)
    await store.mint(GRANT)
    clock.now_s += 10
    await store.mint(GRANT)
    assert await refused(store, late.value) == "expired"
    assert await refused(store, old.value) == "unknown"


def test_minted_tells_its_id() -> None:
    assert "cs_1" in repr(Minted("cs_1", "ek_x", 5))
