"""Who sees what, and what is inherited."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st

from antiphon.identity.keys import KEY_PREFIX, KeyInvalid, KeyWish, allowed_wish, new_key
from antiphon.identity.principal import ANYONE, SCOPES, Principal, Scope, fewer_events

NAMES = st.sampled_from(["default", "acme", "rival"])
USERS = st.sampled_from([None, "anna", "bob"])
EVENTS = st.none() | st.frozensets(st.sampled_from(["response.create", "session.update"]))
PRINCIPALS = st.builds(
    Principal,
    tenant=NAMES,
    user=USERS,
    scopes=st.frozensets(st.sampled_from(SCOPES), min_size=1),
    limits=st.sampled_from([None, "gold"]),
    client_events=EVENTS,
)

SEEN = [
    (ANYONE, "acme", "anna", True),
    (Principal(tenant="acme"), "acme", "anna", True),
    (Principal(tenant="acme"), "acme", None, True),
    (Principal(tenant="acme"), "default", "anna", False),
    (Principal(tenant="acme", user="anna"), "acme", "anna", True),
    (Principal(tenant="acme", user="anna"), "acme", "bob", False),
    (Principal(tenant="acme", user="anna"), "acme", None, False),
    (Principal(user="anna"), "default", "anna", True),
    (Principal(user="anna"), "acme", "anna", False),
]


@pytest.mark.parametrize(("principal", "tenant", "user", "sees"), SEEN)
def test_who_sees_what(principal: Principal, tenant: str, user: str | None, sees: bool) -> None:
    assert principal.sees(tenant, user) is sees


@how(derandomize=True, database=None)
@given(PRINCIPALS, USERS, NAMES, USERS)
def test_a_secret_may_and_sees_no_more_than_what_minted_it(
    minter: Principal, user: str | None, tenant: str, other: str | None
) -> None:
    secret = minter.secret_for(user)
    assert secret.scopes == frozenset(("call",))
    assert (secret.tenant, secret.limits, secret.budget) == (
        minter.tenant,
        minter.limits,
        minter.budget,
    )
    assert minter.user in (None, secret.user)
    assert minter.sees(tenant, other) or not secret.sees(tenant, other)


@how(derandomize=True, database=None)
@given(
    PRINCIPALS,
    NAMES,
    USERS,
    st.lists(st.sampled_from(SCOPES), min_size=1, unique=True),
    EVENTS,
    st.sampled_from([None, "gold", "platinum"]),
)
def test_nobody_makes_a_key_that_may_more(
    maker: Principal,
    tenant: str,
    user: str | None,
    scopes: list[Scope],
    events: frozenset[str] | None,
    limits: str | None,
) -> None:
    wish = KeyWish(
        name="k",
        tenant=tenant,
        user=user,
        scopes=tuple(scopes),
        limits=limits,
        client_events=None if events is None else tuple(events),
    )
    try:
        allowed = allowed_wish(wish, maker)
    except KeyInvalid:
        return
    made = new_key(allowed, now_s=0, random_bytes=bytes).record.principal
    assert made.scopes <= maker.scopes
    assert fewer_events(maker.client_events, made.client_events) == made.client_events
    assert maker.user in (None, made.user)
    if maker.tenant != "default":
        assert (made.tenant, made.limits) == (maker.tenant, maker.limits)


def test_a_key_shows_neither_its_value_nor_more_than_its_end() -> None:
    made = new_key(KeyWish(name="k"), now_s=0, random_bytes=lambda size: b"\x5a" * size)
    assert made.value.startswith(KEY_PREFIX)
    assert len(made.value) == 35
    assert made.value not in repr(made)
    assert made.value not in repr(made.record)
    assert made.record.hint == made.value[-4:]
