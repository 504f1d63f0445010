"""Client secrets in Redis (or Valkey), for several servers, which a restart does not forget.

As elsewhere only the hash of a secret is kept.  What is one step there is a script here: Redis runs
one at a time.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Self

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from antiphon.identity.principal import ANYONE, Principal
from antiphon.server.admission import overloaded
from antiphon.server.grant import Grant
from antiphon.server.secret_store import (
    DEFAULT_TTL_S,
    FULL,
    MAX_SECRETS,
    REMEMBER_S,
    Minted,
    SecretStoreFull,
    check_opens,
    digest,
    new_secret,
    unknown,
)

log = logging.getLogger(__name__)

TIMEOUT_S: Final = 2.0
PREFIX: Final = "antiphon:secret:"
BY_ID: Final = "antiphon:secret-id:"
VALID: Final = "antiphon:secrets-valid"
"""All that may still open something, by when they expire."""

_MINT: Final = """
redis.call("ZREMRANGEBYSCORE", KEYS[3], "-inf", ARGV[1])
if redis.call("ZCARD", KEYS[3]) >= tonumber(ARGV[2]) then return 0 end
redis.call("HSET", KEYS[1], "id", ARGV[3], "grant", ARGV[4], "expires_at", ARGV[5],
           "most", ARGV[6], "opened", 0, "revoked", 0)
redis.call("EXPIREAT", KEYS[1], ARGV[7])
redis.call("SET", KEYS[2], KEYS[1])
redis.call("EXPIREAT", KEYS[2], ARGV[7])
redis.call("ZADD", KEYS[3], ARGV[5], KEYS[1])
return 1
"""
_REDEEM: Final = """
local known = redis.call("HMGET", KEYS[1], "opened", "most", "revoked")
if not known[1] or known[3] == "1" then return 0 end
if known[2] ~= "" and tonumber(known[1]) >= tonumber(known[2]) then return 0 end
local opened = redis.call("HINCRBY", KEYS[1], "opened", 1)
if known[2] ~= "" and opened >= tonumber(known[2]) then
  redis.call("ZREM", KEYS[2], KEYS[1])
end
return 1
"""
_GIVE_BACK: Final = """
local known = redis.call("HMGET", KEYS[1], "opened", "expires_at", "revoked")
if not known[1] or tonumber(known[1]) == 0 then return 0 end
redis.call("HINCRBY", KEYS[1], "opened", -1)
if known[3] == "0" then redis.call("ZADD", KEYS[2], known[2], KEYS[1]) end
return 1
"""
_REVOKE: Final = """
if redis.call("HGET", KEYS[1], "revoked") ~= "0" then return 0 end
redis.call("HSET", KEYS[1], "revoked", 1)
redis.call("ZREM", KEYS[2], KEYS[1])
return 1
"""


class _Known(msgspec.Struct):
    grant: Grant
    expires_at: int
    opened: int
    is_revoked: bool


class RedisSecretStore:
    """A `SecretStore`.  While Redis cannot be reached, secrets are neither minted nor taken; what
    they have opened goes on.

    Overflow policy: as of `MemorySecretStore`, over all servers together.

    Args:
        url: As "redis://user:password@host:6379/0".
    """

    def __init__(
        self,
        url: str,
        *,
        max_secrets: int = MAX_SECRETS,
        now_s: Callable[[], float] = time.time,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        redis: Any = Redis.from_url(url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)
        self._redis = redis
        self._max_secrets = max_secrets
        self._now_s = now_s
        self._random_bytes = random_bytes
        self._mint = redis.register_script(_MINT)
        self._redeem = redis.register_script(_REDEEM)
        self._give_back = redis.register_script(_GIVE_BACK)
        self._revoke = redis.register_script(_REVOKE)

    async def mint(self, grant: Grant, ttl_s: int = DEFAULT_TTL_S) -> Minted:
        value, secret_id = new_secret(self._random_bytes)
        now_s = int(self._now_s())
        expires_at = now_s + ttl_s
        most = "" if grant.max_sessions is None else grant.max_sessions
        with _failures_told():
            is_minted = await self._mint(
                keys=[_key(value), BY_ID + secret_id, VALID],
                args=[
                    now_s,
                    self._max_secrets,
                    secret_id,
                    msgspec.msgpack.encode(grant),
                    expires_at,
                    most,
                    expires_at + REMEMBER_S,
                ],
            )
        if not is_minted:
            raise SecretStoreFull(FULL.format(max_secrets=self._max_secrets))
        return Minted(secret_id, value, expires_at)

    async def check(self, value: str, *, origin: str | None = None) -> Grant:
        known = await self._known(_key(value))
        if known is None:
            raise unknown()
        check_opens(
            known.grant,
            opened=known.opened,
            is_revoked=known.is_revoked,
            has_expired=known.expires_at <= self._now_s(),
            origin=origin,
        )
        return known.grant

    async def redeem(self, value: str, *, origin: str | None = None) -> Grant:
        while True:
            grant = await self.check(value, origin=origin)
            with _failures_told():
                if await self._redeem(keys=[_key(value), VALID]):
                    return grant
            # Another was quicker: what is known now says why.

    async def give_back(self, value: str) -> None:
        with _failures_told():
            await self._give_back(keys=[_key(value), VALID])

    async def revoke(self, secret_id: str, *, by: Principal = ANYONE) -> bool:
        with _failures_told():
            key = await self._redis.get(BY_ID + secret_id)
        known = None if key is None else await self._known(key.decode())
        if known is None or known.expires_at <= self._now_s():
            return False
        if not by.sees(known.grant.principal.tenant, known.grant.principal.user):
            return False
        with _failures_told():
            return bool(await self._revoke(keys=[key.decode(), VALID]))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._redis.aclose()

    async def _known(self, key: str) -> _Known | None:
        with _failures_told():
            grant, expires_at, opened, revoked = await self._redis.hmget(
                key, "grant", "expires_at", "opened", "revoked"
            )
        if grant is None:
            return None
        return _Known(
            msgspec.msgpack.decode(grant, type=Grant), int(expires_at), int(opened), revoked == b"1"
        )


def _key(value: str) -> str:
    return PREFIX + digest(value).hex()


@contextmanager
def _failures_told() -> Iterator[None]:
    try:
        yield
    except (RedisError, OSError) as error:
        log.warning("Redis: %s", type(error).__name__)
        message = "The server's store of client secrets does not answer; try again."
        raise overloaded(message) from None
