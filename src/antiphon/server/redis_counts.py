"""How many sessions there are, and where, in Redis (or Valkey): for servers that share one.

What a server has there it holds by a lease, which it renews; so what died with it is free again.
While Redis does not answer, each server counts for itself: nobody is turned away, and no live
session is touched.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import secrets
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec
from aiohttp import web
from msgspec import Struct
from redis.asyncio import Redis
from redis.exceptions import RedisError

from antiphon.limits.ledger import DAY_S, RETRY_AT_ONCE_S, Exceeded
from antiphon.limits.policy import Limits, Subject, Who
from antiphon.runtime.door import SessionDoor
from antiphon.runtime.hub import ConversationInUse
from antiphon.server.api_errors import ApiError
from antiphon.server.auth import Gate
from antiphon.server.quotas import CountsAway, SharedCounts
from antiphon.server.redis_rates import RedisRates
from antiphon.server.siblings import Handler

if TYPE_CHECKING:
    from antiphon.server.app import Api

log = logging.getLogger(__name__)

TIMEOUT_S: Final = 0.5
AWAY_S: Final = 2.0
"""So long it is not asked again when it did not answer: nobody waits twice."""
LEASE_S: Final = 20.0
RENEW_S: Final = 5.0
CLAIM_S: Final = 30
MAX_LEAVING: Final = 10_000
"""Overflow policy: what leaves beyond this is free when its lease has run out."""
LIVE: Final = "antiphon:live:"
BEGUN: Final = "antiphon:begun:"
MINUTES: Final = "antiphon:seconds:"
CLAIM: Final = "antiphon:claim:"
AT: Final = "antiphon:at:"

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
_RELEASE: Final = """
if redis.call("GET", KEYS[1]) == ARGV[1] then return redis.call("DEL", KEYS[1]) end
return 0
"""
_USE: Final = """
local used = {}
for i = 1, #KEYS do
  used[i] = redis.call("INCRBYFLOAT", KEYS[i], ARGV[i])
  redis.call("EXPIRE", KEYS[i], 172800)
end
return used
"""


class Whereabouts(Struct, frozen=True):
    """Of a session."""

    server: str
    address: str
    """As clients reach that server; "": it did not say."""
    tenant: str
    user: str | None


class _Place(Struct):
    """A session, or one that is being opened."""

    who: Who
    names: tuple[str, ...] = ()
    """By which it is looked for."""
    whereabouts: bytes = b""


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
        redis: Any = Redis.from_url(url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)
        self._redis = redis
        self._inner: SharedCounts | None = None
        """That of the processes of this server; None: there is one."""
        self._gate: Gate
        self._rates: RedisRates
        self._find: Callable[[str], Awaitable[SessionDoor | None]]
        self._unix_s = unix_s
        self._address = address
        self.server = secrets.token_hex(6)
        self._numbers = itertools.count(1)
        self._places: dict[str, _Place] = {}
        self._new: set[str] = set()
        self._leaving: deque[tuple[str, _Place]] = deque(maxlen=MAX_LEAVING)
        self._changed = asyncio.Event()
        self._is_over = False
        self._begun_inside: list[Who] = []
        """What is being opened and was counted in this server alone."""
        self._away_until_s = 0.0
        self._begin = redis.register_script(_BEGIN)
        self._release = redis.register_script(_RELEASE)
        self._use = redis.register_script(_USE)

    def join(self, api: Api) -> None:
        """The server is made, and not started yet."""
        hub, quotas = api.hub, api.quotas
        self._inner, quotas.shared = quotas.shared, self
        inner = hub.claiming
        hub.claiming = lambda name: self.claiming(name, inner(name))
        hub.on_adopted.append(lambda door: self._adopted(door, quotas.who_of(door)))
        hub.on_released.append(lambda door: self._gone(door.id))
        self._rates = RedisRates(
            self._redis,
            server=self.server if api.siblings is None else api.siblings.group,
            ledgers={"messages": quotas.messages, "answers": quotas.answers},
            now_s=lambda: quotas.now_s(),
        )
        self._gate, self._find = api.gate, api.local_directory.find

    def _adopted(self, door: SessionDoor, who: Who) -> None:
        self.live(door.id, who)
        self._is_at(door, door.id, door.about.conversation_id)

    @web.middleware
    async def told(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Who asks for a session that another server has is told where it is."""
        try:
            response = await handler(request)
        except ApiError as error:
            if error.status == 404 and (name := _asked_for(request)) is not None:
                await self._check_elsewhere(request, name)
            raise
        location = response.headers.get("Location", "")
        if response.status == 201 and "/realtime/calls/" in location:
            call_id = location.rpartition("/")[2]
            if (door := await self._find(call_id)) is not None:
                self._is_at(door, door.id, door.about.conversation_id, call_id)
        return response

    async def _check_elsewhere(self, request: web.Request, name: str) -> None:
        """Raises:
        ApiError: 421, with the address of the server that has it.
        """
        if (there := await self.elsewhere(name)) is None:
            return
        try:
            principal = await self._gate.require(request)
        except ApiError:
            return
        if not principal.sees(there.tenant, there.user):
            return
        where = there.address or "another one, which does not tell its address"
        headers = {"Location": f"{there.address}{request.rel_url}"} if there.address else None
        raise ApiError(
            421,
            "session_elsewhere",
            f"'{name}' is with another server: {where}. Ask that one.",
            headers=headers,
        )

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
        self._places[name] = _Place(who)
        try:
            day = int(self._unix_s() // DAY_S)
            keys = [key for subject in who for key in _keys(subject, day)]
            limits = [str(most) for each in who.values() for most in _limits(each)]
            number, what, wait_s = await self._asked(
                lambda: self._begin(keys=keys, args=[name, round(LEASE_S * 1000), *limits])
            )
        except BaseException:
            self._gone(name)  # Whoever asked is told no, or has gone; it may be there all the same.
            raise
        if not number:
            return None
        self._gone(name)
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
        opening = (name for name, place in self._places.items() if _is_opening(name, place, who))
        if (name := next(opening, None)) is not None:
            self._gone(name)

    def live(self, session_id: str, who: Who) -> None:
        if self._inner is not None:
            self._inner.live(session_id, who)
        before = self._places.get(session_id)
        if before is not None and before.who != who:
            self._leaving.append((session_id, _Place(before.who)))
        kept = before or _Place(who)
        self._places[session_id] = _Place(who, kept.names, kept.whereabouts)
        self._new.add(session_id)
        self._changed.set()

    def ended(self, session_id: str) -> None:
        self._gone(session_id)

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
        told = await self._asked(
            lambda: self._use(
                keys=[_keys(subject, day)[2] for subject in seconds], args=list(seconds.values())
            )
        )
        used = dict(zip(seconds, map(float, told), strict=True))
        return [_left_s(who, used) for who, _ in rows]

    # --- Where a session is --------------------------------------------------

    def _is_at(self, door: SessionDoor, *names: str) -> None:
        """It is found here by these names, until it has ended."""
        principal = door.about.principal
        place = self._places.setdefault(door.id, _Place({}))
        place.names = names
        place.whereabouts = msgspec.msgpack.encode(
            Whereabouts(self.server, self._address, principal.tenant, principal.user)
        )
        self._new.add(door.id)
        self._changed.set()

    async def elsewhere(self, name: str) -> Whereabouts | None:
        """The other server that has it; None: none has, or nobody knows."""
        try:
            told = await self._asked(lambda: self._redis.get(AT + name))
        except CountsAway:
            return None
        if told is None:
            return None
        found = msgspec.msgpack.decode(told, type=Whereabouts)
        return None if found.server == self.server else found

    @asynccontextmanager
    async def claiming(
        self, conversation_id: str, inner: AbstractAsyncContextManager[None]
    ) -> AsyncIterator[None]:
        """No other server opens the conversation in the body, where Redis answers.

        Raises:
            ConversationInUse: another has it, or is about to.
        """
        key, mine = CLAIM + conversation_id, secrets.token_hex(8)
        try:
            is_mine = await self._asked(lambda: self._redis.set(key, mine, nx=True, ex=CLAIM_S))
            found = await self.elsewhere(conversation_id)
        except CountsAway:
            async with inner:
                yield
            return
        try:
            if not is_mine or found is not None:
                where = f" on {found.address}" if found is not None and found.address else ""
                raise ConversationInUse(
                    f"Conversation '{conversation_id}' is in use by a live session{where}; end "
                    "that first."
                )
            async with inner:
                yield
        finally:
            with contextlib.suppress(CountsAway):
                await self._asked(lambda: self._release(keys=[key], args=[mine]))

    # --- Leases --------------------------------------------------------------

    async def running(self, app: web.Application) -> AsyncIterator[None]:
        keeping = asyncio.create_task(self._keep(), name="leases")
        async with contextlib.asynccontextmanager(self._rates.running)(app):
            yield
        self._is_over = True
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        self._leaving.extend(self._places.items())
        self._places.clear()
        with contextlib.suppress(CountsAway):
            await self._tell(())
        await self._redis.aclose()

    async def _keep(self) -> None:
        renewed_s = -RENEW_S
        loop = asyncio.get_running_loop()
        while not self._is_over:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, renewed_s + RENEW_S - loop.time())):
                    await self._changed.wait()
            self._changed.clear()
            is_due = loop.time() - renewed_s >= RENEW_S
            names = tuple(self._places) if is_due else tuple(self._new)
            self._new.clear()
            if is_due:
                renewed_s = loop.time()
            try:
                await self._tell(names)
            except CountsAway:
                continue  # All that lives is told with the next renewal.

    async def _tell(self, names: Sequence[str]) -> None:
        leaving = list(self._leaving)
        self._leaving.clear()
        if not names and not leaving:
            return
        seconds, micros = await self._asked(lambda: self._redis.time())
        until_ms = seconds * 1000 + micros // 1000 + round(LEASE_S * 1000)
        pipeline = self._redis.pipeline(transaction=False)
        for name, place in leaving:
            for subject in place.who:
                pipeline.zrem(LIVE + _name(subject), name)
            for known in place.names:
                pipeline.delete(AT + known)
        for name in names:
            if (here := self._places.get(name)) is None:
                continue
            for subject in here.who:
                pipeline.zadd(LIVE + _name(subject), {name: until_ms})
                pipeline.pexpire(LIVE + _name(subject), round(2 * LEASE_S * 1000))
            for known in here.names:
                pipeline.set(AT + known, here.whereabouts, px=round(LEASE_S * 1000))
        await self._asked(pipeline.execute)

    def _gone(self, name: str) -> None:
        place = self._places.pop(name, None)
        self._new.discard(name)
        if place is not None:
            self._leaving.append((name, place))
            self._changed.set()

    async def _asked(self, ask: Callable[[], Awaitable[Any]]) -> Any:
        loop = asyncio.get_running_loop()
        if loop.time() < self._away_until_s:
            raise CountsAway
        try:
            told = await ask()
        except (RedisError, OSError, TimeoutError) as error:
            if not self._away_until_s:
                log.warning("Redis: %s; each server counts for itself", type(error).__name__)
            self._away_until_s = loop.time() + AWAY_S
            raise CountsAway from None
        if self._away_until_s:
            log.warning("Redis answers again")
            self._away_until_s = 0.0
        return told


def _asked_for(request: web.Request) -> str | None:
    """The session that a request is about."""
    resource = request.match_info.route.resource
    route = "" if resource is None else resource.canonical
    if "/calls/{id}" in route or "/sessions/{id}" in route:
        return request.match_info["id"]
    return request.query.get("call_id") if route.endswith("/realtime") else None


def _is_opening(name: str, place: _Place, who: Who) -> bool:
    return ":" in name and place.who == who


def _keys(subject: Subject, day: int) -> tuple[str, str, str]:
    name = _name(subject)
    return LIVE + name, BEGUN + name, f"{MINUTES}{day}:{name}"


def _name(subject: Subject) -> str:
    return f"{subject.kind}:{subject.name}"


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
