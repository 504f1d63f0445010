"""Client secrets in a real Redis."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

pytest.importorskip("redis", reason="the extra 'redis' is not installed")

from redis import Redis

from antiphon.engines.scripted import ScriptedEngine
from antiphon.identity.principal import Principal
from antiphon.server.api_errors import ApiError
from antiphon.server.grant import Grant
from antiphon.server.secret import Secret
from antiphon.server.secret_store import MAX_TTL_S, REMEMBER_S, SecretRefused, SecretStoreFull
from antiphon.server.secret_store_redis import BY_ID, PREFIX, RedisSecretStore
from antiphon.server.settings import Config, RedisSettings
from antiphon.testing import serving
from tests.server.place import CONFIG, HELLO, KEY, Place, until
from tests.server.place import Clock as PlaceClock

PROGRAM = shutil.which("redis-server")
GRANT = Grant(model="m", principal=Principal(tenant="shop", user="ann"))


class Clock:
    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead_s


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if PROGRAM is None:
        pytest.skip("there is no redis-server on this machine")
    socket = tmp_path_factory.mktemp("redis") / "redis.sock"
    command = [PROGRAM, "--port", "0", "--unixsocket", str(socket), "--save", ""]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=socket.parent)
    try:
        deadline_s = time.monotonic() + 60
        while not socket.exists():
            assert time.monotonic() < deadline_s, "Redis did not start"
            time.sleep(0.02)
        yield f"unix://{socket}"
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
async def stores(redis: str) -> AsyncIterator[tuple[RedisSecretStore, RedisSecretStore]]:
    """Of two servers; nothing is left of other tests."""
    emptied(redis)
    async with RedisSecretStore(redis) as here, RedisSecretStore(redis) as there:
        yield here, there


def emptied(url: str) -> Any:
    """A client of it, after nothing is left in it."""
    client: Any = Redis.from_url(url)
    client.flushall()
    return client


async def reason(store: RedisSecretStore, value: str, origin: str | None = None) -> str:
    with pytest.raises(SecretRefused) as refused:
        await store.check(value, origin=origin)
    return refused.value.reason


async def test_what_one_server_mints_another_takes(
    stores: tuple[RedisSecretStore, RedisSecretStore],
) -> None:
    here, there = stores
    minted = await here.mint(GRANT, 60)
    assert await there.check(minted.value) == GRANT
    assert await there.redeem(minted.value) == GRANT
    assert await reason(there, "ek_another") == "unknown"


async def test_no_more_sessions_are_opened_than_a_secret_may(
    stores: tuple[RedisSecretStore, RedisSecretStore],
) -> None:
    minted = await stores[0].mint(Grant(model="m", max_sessions=3), 60)
    asked = [stores[number % 2].redeem(minted.value) for number in range(12)]
    told = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(each, Grant) for each in told) == 3
    assert {each.reason for each in told if isinstance(each, SecretRefused)} == {"spent"}
    await stores[1].give_back(minted.value)
    await stores[0].redeem(minted.value)
    assert await reason(stores[0], minted.value) == "spent"


async def test_one_that_is_revoked_or_too_old_or_elsewhere_opens_nothing(redis: str) -> None:
    clock = Clock()
    page, shop = "https://shop.example", Principal(tenant="shop")
    async with RedisSecretStore(redis, now_s=clock) as store:
        bound = Grant(model="m", allowed_origins=frozenset({page}), principal=GRANT.principal)
        minted = await store.mint(bound, 60)
        assert await reason(store, minted.value, "https://evil.example") == "origin"
        assert not await store.revoke(minted.id, by=Principal(tenant="another"))
        assert await store.revoke(minted.id, by=shop)
        assert not await store.revoke(minted.id), "it was"
        assert await reason(store, minted.value, page) == "revoked"
        aged = await store.mint(GRANT, 60)
        clock.ahead_s = 61
        assert await reason(store, aged.value) == "expired"
        assert not await store.revoke(aged.id)


async def test_a_full_store_mints_nothing_until_one_is_useless(redis: str) -> None:
    emptied(redis).close()
    async with RedisSecretStore(redis, max_secrets=2) as store:
        once = await store.mint(Grant(model="m", max_sessions=1), 60)
        second = await store.mint(GRANT, MAX_TTL_S)
        with pytest.raises(SecretStoreFull):
            await store.mint(GRANT, 60)
        await store.redeem(once.value)
        await store.mint(GRANT, 60)
        with pytest.raises(SecretStoreFull):
            await store.mint(GRANT, 60)
        await store.revoke(second.id)
        await store.mint(GRANT, 60)


async def test_redis_learns_no_secret_and_forgets_it_in_time(redis: str) -> None:
    with closing(emptied(redis)) as client:
        async with RedisSecretStore(redis) as store:
            minted = await store.mint(GRANT, 60)
        (key,) = client.keys(f"{PREFIX}*")
        kept = b"".join((key, *client.hgetall(key).values()))
        assert minted.value.encode() not in kept
        for name in (key, BY_ID.encode() + minted.id.encode()):
            assert 60 < client.ttl(name) <= 60 + REMEMBER_S


async def test_without_redis_a_client_is_told_to_try_again(tmp_path: Path) -> None:
    async with RedisSecretStore(f"unix://{tmp_path}/nobody.sock") as store:
        for asked in (store.mint(GRANT, 60), store.check("ek_x"), store.redeem("ek_x")):
            with pytest.raises(ApiError) as refused:
                await asked
            assert refused.value.status == 503


@asynccontextmanager
async def server(config: Config) -> AsyncIterator[Place]:
    async with (
        serving(ScriptedEngine(HELLO), keys=[KEY], config=config) as served,
        served.client() as client,
    ):
        yield Place(served, client, PlaceClock())


async def test_two_servers_with_one_redis_take_each_others_secrets(redis: str) -> None:
    config = msgspec.structs.replace(CONFIG, redis=RedisSettings(url=Secret(redis)))
    async with AsyncExitStack() as stack:
        here, there = [await stack.enter_async_context(server(config)) for _ in range(2)]
        secret = (await here.mint())["value"]
        ws = await there.join(key=secret)
        assert (await until(ws, "session.created"))["session"]["instructions"] == "Be brief."
        await ws.close()
