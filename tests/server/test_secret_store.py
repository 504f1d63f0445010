from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.server.secret_store import (
    REMEMBER_S,
    Grant,
    Minted,
    SecretRefused,
    SecretStore,
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
def store(clock: Clock) -> SecretStore:
    return SecretStore(now_s=clock, random_bytes=counting(), max_secrets=3)


def refused(store: SecretStore, value: str, origin: str | None = None) -> str:
    with pytest.raises(SecretRefused) as error:
        store.check(value, origin=origin)
    with pytest.raises(SecretRefused):
        store.redeem(value, origin=origin)
    assert value.removeprefix("ek_") not in str(error.value) or len(value) < 8
    return error.value.reason


def test_a_secret_opens_sessions_until_it_expires(store: SecretStore, clock: Clock) -> None:
    minted = store.mint(GRANT, ttl_s=10)
    assert minted.expires_at == int(clock.now_s) + 10
    clock.now_s += 9
    assert store.redeem(minted.value) == store.redeem(minted.value) == GRANT
    clock.now_s += 1
    assert refused(store, minted.value) == "expired"


def test_a_secret_looks_as_clients_want_it() -> None:
    values = {SecretStore().mint(GRANT).value for _ in range(100)}
    assert len(values) == 100
    # 32 characters of 6 bits each.
    assert all(re.fullmatch(r"ek_[A-Za-z0-9_-]{32}", value) for value in values)


def test_the_value_is_kept_nowhere(store: SecretStore) -> None:
    minted = store.mint(GRANT)
    secret = minted.value.removeprefix("ek_")
    assert any(secret in text for text in kept(minted)), "one that is kept is found"
    assert minted.id in list(kept(store))
    assert not [text for text in kept(store) if secret in text]
    assert minted.value not in repr(minted)
    assert minted.value not in f"{minted} {minted!r}"


@pytest.mark.parametrize("value", ["", "ek_", "ek_nope", "\udcff", "ek_" + "A" * 10_000])
def test_a_forged_secret_is_unknown(store: SecretStore, value: str) -> None:
    store.mint(GRANT)
    assert refused(store, value) == "unknown"


@given(st.integers(0, 34), st.characters(codec="ascii"))
def test_one_character_off_is_unknown(index: int, character: str) -> None:
    store = SecretStore()
    value = store.mint(GRANT).value
    other = value[:index] + character + value[index + 1 :]
    if other != value:
        assert refused(store, other) == "unknown"


def test_a_revoked_secret_opens_nothing(store: SecretStore) -> None:
    minted, other = store.mint(GRANT), store.mint(GRANT)
    assert store.revoke(minted.id)
    assert refused(store, minted.value) == "revoked"
    assert not store.revoke(minted.id)
    assert not store.revoke("cs_nope")
    assert not store.revoke(other.value), "only the id names it"
    assert store.check(other.value) == GRANT


def test_what_has_expired_cannot_be_revoked(store: SecretStore, clock: Clock) -> None:
    minted = store.mint(GRANT, ttl_s=10)
    clock.now_s += 10
    assert not store.revoke(minted.id)


def test_sessions_are_counted(store: SecretStore) -> None:
    minted = store.mint(Grant(model="m", max_sessions=2))
    for _ in range(5):
        store.check(minted.value)
    store.redeem(minted.value)
    store.redeem(minted.value)
    assert refused(store, minted.value) == "spent"
    store.give_back(minted.value)
    store.redeem(minted.value)
    assert refused(store, minted.value) == "spent"


def test_what_was_not_taken_cannot_be_given_back(store: SecretStore) -> None:
    minted = store.mint(Grant(model="m", max_sessions=1))
    store.give_back(minted.value)
    store.give_back("ek_nope")
    store.redeem(minted.value)
    assert refused(store, minted.value) == "spent"


def test_only_its_own_pages_may_use_it(store: SecretStore) -> None:
    grant = Grant(model="m", allowed_origins=frozenset({"https://a.example"}))
    value = store.mint(grant).value
    assert store.redeem(value, origin="https://A.example") == grant
    for origin in (None, "", "https://b.example", "https://a.example.evil", "null"):
        assert refused(store, value, origin) == "origin"
    assert store.redeem(store.mint(GRANT).value, origin="https://b.example") == GRANT


def test_a_full_store_keeps_what_is_valid(store: SecretStore, clock: Clock) -> None:
    first = [store.mint(GRANT, ttl_s=10), store.mint(GRANT), store.mint(GRANT)]
    with pytest.raises(SecretStoreFull, match="All 3"):
        store.mint(GRANT)
    assert [store.check(minted.value) for minted in first] == [GRANT] * 3
    clock.now_s += 10
    last = store.mint(GRANT)
    assert len(store) == 3
    assert store.check(last.value) == GRANT
    assert refused(store, first[0].value) == "unknown"


@pytest.mark.parametrize("use_up", [SecretStore.revoke, None])
def test_a_full_store_forgets_what_opens_nothing(
    store: SecretStore, use_up: Callable[[SecretStore, str], bool] | None
) -> None:
    minted = store.mint(Grant(model="m", max_sessions=1))
    store.mint(GRANT)
    store.mint(GRANT)
    if use_up is None:
        store.redeem(minted.value)
    else:
        assert use_up(store, minted.id)
    store.mint(GRANT)
    assert len(store) == 3


def test_what_expired_lately_is_remembered_while_there_is_room(
    store: SecretStore, clock: Clock
) -> None:
    old = store.mint(GRANT, ttl_s=10)
    clock.now_s += 10 + REMEMBER_S
    late = store.mint(GRANT, ttl_s=10)
    store.mint(GRANT)
    clock.now_s += 10
    store.mint(GRANT)
    assert refused(store, late.value) == "expired"
    assert refused(store, old.value) == "unknown"


def test_minted_tells_its_id() -> None:
    assert "cs_1" in repr(Minted("cs_1", "ek_x", 5))
