"""Who may begin a session, over a store that takes its time, as one behind a network does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest

from antiphon.identity.principal import ANYONE, Principal
from antiphon.limits.policy import Limits, Policy
from antiphon.server.admission import Admission, Admitted, LoadLimits
from antiphon.server.api_errors import ApiError, Unauthorized
from antiphon.server.auth import Visitor
from antiphon.server.grant import Grant
from antiphon.server.intake import AT_ONCE, FEW_SESSIONS, SETTLED_AFTER_S, Intake, Load
from antiphon.server.quotas import Quotas
from antiphon.server.secret import Secret
from antiphon.server.secret_store import MemorySecretStore, Minted, digest
from antiphon.testing import run_in_virtual_time

T = TypeVar("T")

KEY = "server-key"
ASKED = Grant(model="asked-for")
LATENCY_S = 0.02


class FarStore:
    """Every answer takes its time on the way there and on the way back."""

    def __init__(self) -> None:
        self.near = MemorySecretStore(now_s=lambda: 1_795_000_000.0)

    async def mint(self, grant: Grant, ttl_s: int = 600) -> Minted:
        return await self._far(self.near.mint(grant, ttl_s))

    async def check(self, value: str, *, origin: str | None = None) -> Grant:
        return await self._far(self.near.check(value, origin=origin))

    async def redeem(self, value: str, *, origin: str | None = None) -> Grant:
        return await self._far(self.near.redeem(value, origin=origin))

    async def give_back(self, value: str) -> None:
        await self._far(self.near.give_back(value))

    async def revoke(self, secret_id: str, *, by: Principal = ANYONE) -> bool:
        return await self._far(self.near.revoke(secret_id, by=by))

    async def _far(self, step: Coroutine[Any, Any, T]) -> T:
        try:
            await asyncio.sleep(LATENCY_S)
        except asyncio.CancelledError:
            step.close()
            raise
        result = await step
        await asyncio.sleep(LATENCY_S)
        return result


class House:
    """A server as admission sees it: so many sessions live."""

    def __init__(self, *, max_sessions: int = 10, new_per_minute: int = 0) -> None:
        self.store = FarStore()
        self.live = 0
        self.late_ms = 0.0
        self.revoked: set[str] = set()

        async def identify(visitor: Visitor) -> Principal:
            if visitor.key.reveal() != KEY:
                raise Unauthorized
            return ANYONE

        now_s = asyncio.get_running_loop().time
        policy = Policy(address=Limits(sessions_per_minute=new_per_minute))
        self.admission = Admission(
            identify=identify,
            secrets=self.store,
            load=LoadLimits(max_sessions=max_sessions, max_lateness_ms=20),
            live_sessions=lambda: self.live,
            quotas=Quotas(policy, sessions=list, now_s=now_s),
            is_revoked=lambda principal: principal.key_id in self.revoked,
            intake=Intake(20, load=lambda: Load(self.late_ms), now_s=now_s),
        )

    async def secret(self, **limits: Any) -> str:
        return (await self.store.mint(Grant(model="minted", **limits))).value

    @asynccontextmanager
    async def admits(self, key: str, **who: str) -> AsyncIterator[Admitted]:
        async with self.admission.admit(Visitor(key=Secret(key), **who), ASKED) as admitted:
            yield admitted

    async def opens(self, key: str, takes_s: float = 0.0, **who: str) -> Admitted | int:
        """One session that lives from now on; or the status with which it was refused."""
        try:
            async with self.admits(key, **who) as admitted:
                await asyncio.sleep(takes_s)
                self.live += 1
        except ApiError as refused:
            return refused.status
        return admitted


def virtually(story: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    def test() -> None:
        run_in_virtual_time(story())

    test.__name__ = story.__name__
    return test


@virtually
async def test_a_server_key_gets_what_it_asks_for_and_a_secret_what_it_was_minted_for() -> None:
    house = House()
    assert await house.opens(KEY) == Admitted(grant=ASKED)
    secret = await house.secret()
    assert await house.opens(secret) == Admitted(
        grant=Grant(model="minted"), secret_digest=digest(secret)
    )


@virtually
async def test_a_stranger_is_unauthorized_and_a_secret_of_another_page_forbidden() -> None:
    house = House(max_sessions=1)
    house.live = 1  # Full; but that is not what they are told.
    for key in ("", "wrong", "ek_forged"):
        with pytest.raises(Unauthorized):
            async with house.admits(key):
                pytest.fail("it was admitted")
    secret = await house.secret(allowed_origins=frozenset({"https://app.example"}))
    assert await house.opens(secret, origin="https://evil.example") == 403
    assert await house.opens(secret, origin="https://app.example") == 503


@virtually
async def test_of_many_that_use_the_last_session_of_a_secret_at_once_one_is_admitted() -> None:
    house = House()
    secret = await house.secret(max_sessions=1)
    told = await asyncio.gather(*(house.opens(secret) for _ in range(8)))
    assert sorted(told, key=str)[:7] == [401] * 7
    assert house.live == 1


@virtually
async def test_many_at_once_do_not_share_the_last_place() -> None:
    house = House(max_sessions=3)
    secret = await house.secret()
    told = await asyncio.gather(
        *(house.opens(key, takes_s=1) for key in (KEY, secret) for _ in range(8))
    )
    assert house.live == 3
    assert told.count(503) == 13


class Failed(Exception):
    pass


@pytest.mark.parametrize("why", [Failed, asyncio.CancelledError, ConnectionResetError])
def test_a_session_that_was_not_opened_costs_nothing(why: type[BaseException]) -> None:
    async def story() -> None:
        house = House(max_sessions=1)
        secret = await house.secret(max_sessions=1)
        for _ in range(3):
            with pytest.raises(why):
                async with house.admits(secret):
                    raise why
        assert isinstance(await house.opens(secret), Admitted)
        assert await house.opens(secret) == 401

    run_in_virtual_time(story())


@pytest.mark.parametrize("after_s", [n * LATENCY_S / 2 for n in range(1, 10, 2)])
def test_one_who_hangs_up_in_the_midst_of_it_leaves_no_trace(after_s: float) -> None:
    """Whatever it is that waits: the check, the redemption, the opening, or the giving back."""

    async def story() -> None:
        house = House(max_sessions=1)
        secret = await house.secret(max_sessions=1)
        visitor = asyncio.create_task(house.opens(secret, takes_s=LATENCY_S))
        await asyncio.sleep(after_s)
        visitor.cancel()
        await asyncio.sleep(LATENCY_S / 2)
        visitor.cancel()
        await asyncio.gather(visitor, return_exceptions=True)
        await asyncio.sleep(1)
        assert isinstance(await house.opens(secret), Admitted)

    run_in_virtual_time(story())


@virtually
async def test_one_who_is_refused_for_the_load_has_not_used_up_a_secret() -> None:
    house = House(max_sessions=1)
    house.live = 1
    secret = await house.secret(max_sessions=1)
    assert await house.opens(secret) == 503
    house.live = 0
    house.admission.draining = True
    assert await house.opens(secret) == 503
    house.admission.draining = False
    assert isinstance(await house.opens(secret), Admitted)


@virtually
async def test_one_address_begins_no_more_sessions_in_a_minute_than_it_may() -> None:
    house = House(new_per_minute=2)
    told = [await house.opens(KEY, address="203.0.113.7") for _ in range(3)]
    assert told[2] == 429
    assert isinstance(await house.opens(KEY, address="203.0.113.8"), Admitted)
    await asyncio.sleep(30)
    assert isinstance(await house.opens(KEY, address="203.0.113.7"), Admitted)


@virtually
async def test_while_sound_is_late_nobody_new_comes_in() -> None:
    house = House()
    house.late_ms = 10
    for _ in range(FEW_SESSIONS):
        assert isinstance(await house.opens(KEY), Admitted), "it is not late by so few"
    assert await house.opens(KEY) == 503
    house.late_ms = 5
    assert isinstance(await house.opens(KEY), Admitted)


@virtually
async def test_no_more_come_at_once_than_can_be_told_from_what_they_cost() -> None:
    house = House(max_sessions=1000, new_per_minute=AT_ONCE - 10)
    told = await asyncio.gather(
        *(house.opens(KEY, address=f"203.0.113.{n % 2}") for n in range(3 * AT_ONCE))
    )
    assert [isinstance(each, Admitted) for each in told].count(True) == AT_ONCE
    assert 429 not in told, "who is refused for another reason takes nobody's place"
    with pytest.raises(ApiError) as refused:
        async with house.admits(KEY):
            pytest.fail("it was admitted")
    assert refused.value.headers == {"Retry-After": f"{SETTLED_AFTER_S:g}"}
    await asyncio.sleep(SETTLED_AFTER_S)
    assert isinstance(await house.opens(KEY), Admitted)


@virtually
async def test_the_secrets_of_a_revoked_key_open_nothing() -> None:
    house = House()
    secret = await house.secret(principal=Principal(key_id="key_1"))
    assert isinstance(await house.opens(secret), Admitted)
    house.revoked.add("key_1")
    assert await house.opens(secret) == 401


@virtually
async def test_a_key_names_the_user_of_its_session() -> None:
    house = House()
    admitted = await house.opens(KEY, user="anna")
    assert isinstance(admitted, Admitted)
    assert admitted.grant.end_user_id == "anna"
