"""How many sessions there are in Redis (or Valkey): for servers that share one.

While Redis does not answer, each server counts for itself: nobody is turned away, and no live
session is touched.
"""

from __future__ import annotations

import itertools
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Final, Literal

from aiohttp import web

from antiphon.limits.ledger import DAY_S, RETRY_AT_ONCE_S, Exceeded
from antiphon.limits.policy import Limits, Subject, Who
from antiphon.runtime.door import SessionDoor
from antiphon.server.quotas import CountsAway, SharedCounts
from antiphon.server.redis_leases import LEASE_S, LIVE, RedisLeases, name_of
from antiphon.server.redis_line import RedisLine
from antiphon.server.redis_rates import RedisRates
from antiphon.server.redis_whereabouts import RedisWhereabouts
from antiphon.server.siblings import Handler

if TYPE_CHECKING:
    from antiphon.server.app import Api

BEGUN: Final = "antiphon:begun:"
MINUTES: Final = "antiphon:seconds:"

_BEGIN: Final = """
local time = redis.call("TIME")
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
for i = 1, #KEYS / 3 do
  local live, begun, used = KEYS[i * 3 - 2], KEYS[i * 3 - 1], KEYS[i * 3]
  local at_once = tonumber(ARGV[i * 3])
  local per_minute, seconds = tonumber(ARGV[i * 3 + 1]), tonumber(ARGV[i * 3 + 2])
  redis.call("ZREMRANGEBYSCORE", live, "-inf", now_ms)
  if at_once > 0 and redis.call("ZCARD", live) >= at_once then
    return {i, "sessions_at_once", "0"}
  end
  if seconds > 0 and tonumber(redis.call("GET", used) or "0") >= seconds then
    return {i, "minutes_per_day", "0"}
  end
  if per_minute > 0 then
    local empty_ms = math.max(now_ms, tonumber(redis.call("GET", begun) or "0"))
    local wait_ms = empty_ms - now_ms + (1 - math.max(1, per_minute)) * 60000 / per_minute
    if wait_ms > 0.5 then return {i, "sessions_per_minute", tostring(wait_ms / 1000)} end
  end
end
for i = 1, #KEYS / 3 do
  local live, begun = KEYS[i * 3 - 2], KEYS[i * 3 - 1]
  local per_minute = tonumber(ARGV[i * 3 + 1])
  redis.call("ZADD", live, now_ms + ARGV[2], ARGV[1])
  redis.call("PEXPIRE", live, ARGV[2] * 2)
  if per_minute > 0 then
    local empty_ms = math.max(now_ms, tonumber(redis.call("GET", begun) or "0"))
    local then_ms = empty_ms + 60000 / per_minute
    redis.call("SET", begun, then_ms, "PX", math.ceil(then_ms - now_ms) + 1000)
  end
end
return {0, "", "0"}
"""
_USE: Final = """
local used = {}
for i = 1, #KEYS do
  used[i] = redis.call("INCRBYFLOAT", KEYS[i], ARGV[i])
  redis.call("EXPIRE", KEYS[i], 172800)
end
return used
"""


class RedisCounts:
    """`SharedCounts` of all servers that have the same Redis.

    Args:
        url: As "redis://user:password@host:6379/0".
        address: As clients reach this server; "": not told to those who come to another.
    """

    def __init__(
        self,
        url: str,
        *,
        address: str = "",
        unix_s: Callable[[], float] = time.time,
    ) -> None:
        self._line = line = RedisLine(url)
        self._leases = RedisLeases(line)
        self.server = secrets.token_hex(6)
        self._whereabouts = RedisWhereabouts(
            line, self._leases, server=self.server, address=address
        )
        self._rates: RedisRates
        self._inner: SharedCounts | None = None
        """That of the processes of this server; None: there is one."""
        self._unix_s = unix_s
        self._numbers = itertools.count(1)
        self._begun_inside: list[Who] = []
        """What is being opened and was counted in this server alone."""
        self._begin = line.redis.register_script(_BEGIN)
        self._use = line.redis.register_script(_USE)

    def join(self, api: Api) -> None:
        """The server is made, and not started yet."""
        hub, quotas = api.hub, api.quotas
        self._inner, quotas.shared = quotas.shared, self
        inner = hub.conversations.claiming
        hub.conversations.claiming = lambda name: self._whereabouts.claiming(name, inner(name))
        hub.on_adopted.append(lambda door: self._adopted(door, quotas.who_of(door)))
        hub.on_released.append(lambda door: self._leases.end(door.id))
        self._rates = RedisRates(
            self._line.redis,
            server=self.server if api.siblings is None else api.siblings.group,
            ledgers={"messages": quotas.messages, "answers": quotas.answers},
            now_s=lambda: quotas.now_s(),
        )
        self._whereabouts.join(api.gate, api.local_directory.find)

    def _adopted(self, door: SessionDoor, who: Who) -> None:
        self.live(door.id, who)
        self._whereabouts.is_here(door, door.id, door.about.conversation_id)

    @web.middleware
    async def told(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        return await self._whereabouts.tell(request, handler)

    async def running(self, app: web.Application) -> AsyncIterator[None]:
        del app
        async with self._leases.kept(), self._rates.running():
            yield
        await self._line.aclose()

    # --- `SharedCounts` ------------------------------------------------------

    async def begin(self, who: Who) -> Exceeded | Literal["full"] | None:
        """Raises:
        CountsAway: Redis does not answer, and no other process counts.
        """
        if self._inner is None:
            return await self._begun(who)
        # What one server may have in all is its own affair; whose limits hold is everybody's.
        if (full := await self._inner.begin({})) is not None:
            return full
        refused: Exceeded | Literal["full"] | None
        try:
            refused = await self._begun(who)
        except CountsAway:
            self._inner.opened_or_not({})
            if (refused := await self._inner.begin(who)) is None:
                self._begun_inside.append(who)
            return refused
        except BaseException:
            self._inner.opened_or_not({})
            raise
        if refused is not None:
            self._inner.opened_or_not({})
        return refused

    async def _begun(self, who: Who) -> Exceeded | None:
        if not who:
            return None
        name = f"{self.server}:{next(self._numbers)}"
        self._leases.open(name, who)
        try:
            day = int(self._unix_s() // DAY_S)
            keys = [key for subject in who for key in _keys(subject, day)]
            limits = [str(most) for each in who.values() for most in _limits(each)]
            number, what, wait_s = await self._line.ask(
                lambda _: self._begin(keys=keys, args=[name, round(LEASE_S * 1000), *limits])
            )
        except BaseException:
            # Whoever asked is told no, or has gone; it may be there all the same.
            self._leases.end(name)
            raise
        if not number:
            return None
        self._leases.end(name)
        return self._exceeded(list(who.items())[number - 1], what.decode(), float(wait_s))

    def _exceeded(self, of: tuple[Subject, Limits], what: str, wait_s: float) -> Exceeded:
        (subject, limits) = of
        match what:
            case "sessions_at_once":
                return Exceeded(subject, what, limits.sessions_at_once, RETRY_AT_ONCE_S)
            case "minutes_per_day":
                rest_s = DAY_S - self._unix_s() % DAY_S
                return Exceeded(subject, what, limits.minutes_per_day, rest_s)
            case _:
                return Exceeded(subject, "sessions_per_minute", limits.sessions_per_minute, wait_s)

    def opened_or_not(self, who: Who) -> None:
        if self._inner is not None:
            inside = who in self._begun_inside
            if inside:
                self._begun_inside.remove(who)
            self._inner.opened_or_not(who if inside else {})
        self._leases.opened(who)

    def live(self, session_id: str, who: Who) -> None:
        if self._inner is not None:
            self._inner.live(session_id, who)
        self._leases.live(session_id, who)

    def ended(self, session_id: str) -> None:
        self._leases.end(session_id)

    async def use(self, rows: Sequence[tuple[Who, float]]) -> Sequence[float | None]:
        """Raises:
        CountsAway: it is counted later.
        """
        day = int(self._unix_s() // DAY_S)
        seconds: Counter[Subject] = Counter()
        for who, used_s in rows:
            for subject, limits in who.items():
                if limits.minutes_per_day:
                    seconds[subject] += used_s  # type: ignore[assignment]
        if not seconds:
            return [None for _ in rows]
        told = await self._line.ask(
            lambda _: self._use(
                keys=[_keys(subject, day)[2] for subject in seconds], args=list(seconds.values())
            )
        )
        used = dict(zip(seconds, map(float, told), strict=True))
        return [_left_s(who, used) for who, _ in rows]


def _keys(subject: Subject, day: int) -> tuple[str, str, str]:
    name = name_of(subject)
    return LIVE + name, BEGUN + name, f"{MINUTES}{day}:{name}"


def _limits(limits: Limits) -> tuple[float, float, float]:
    return limits.sessions_at_once, limits.sessions_per_minute, limits.minutes_per_day * 60


def _left_s(who: Who, used_s: dict[Subject, float]) -> float | None:
    return min(
        (
            max(0.0, limits.minutes_per_day * 60 - used_s[subject])
            for subject, limits in who.items()
            if limits.minutes_per_day
        ),
        default=None,
    )
