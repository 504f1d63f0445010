"""Budgets in Redis (or Valkey), for servers that share one.

Redis is waited for, so all of this is for a thread of its own (`FarLedgerLine`): no session and no
event loop waits. While it does not answer, each server goes by what it knows: what was spent before
it began, and what it spent itself. Those that go on so may each go one turn beyond a limit, and
what they spend is told when Redis answers again.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from msgspec.structs import replace
from redis import Redis
from redis.exceptions import RedisError

from antiphon.metering.budgets import (
    Budgets,
    LocalLedger,
    PotTold,
    Reservation,
    Stages,
    Standing,
)
from antiphon.metering.lines import Account, Line, day_of
from antiphon.metering.money import Nano

log = logging.getLogger(__name__)

TIMEOUT_S: Final = 0.25
AWAY_S: Final = 2.0
"""So long it is not asked again when it did not answer."""
HELD_S: Final = 600
"""What was reserved by a server that died is free again after so long; no answer takes longer."""
KEPT_S: Final = 35 * 24 * 60 * 60
"""A month, and some days."""
POT: Final = "antiphon:pot:"
HELD: Final = "antiphon:held:"
RESTORED: Final = "antiphon:restored:"
KNOWN: Final = "antiphon:budgets"
"""Is there as long as Redis remembers what was told to it."""
MAX_UNTOLD: Final = 10_000
"""Overflow policy: what is spent beyond these while Redis is away is not told to it."""
TOLD: Final = "antiphon:told:"

_USED: Final = """
local now_s = tonumber(redis.call("TIME")[1])
local function used(pot, held)
  local sum = tonumber(redis.call("GET", pot) or "0")
  local each = redis.call("HGETALL", held)
  for i = 1, #each, 2 do
    local nano, until_s = string.match(each[i + 1], "(%d+):(%d+)")
    if tonumber(until_s) < now_s then redis.call("HDEL", held, each[i]) else sum = sum + nano end
  end
  return sum
end
"""
_LOOK: Final = (
    _USED
    + """
local found = {}
for i = 1, #KEYS / 2 do
  found[i] = string.format("%.0f", used(KEYS[i * 2 - 1], KEYS[i * 2]))
end
return found
"""
)
_RESERVE: Final = (
    _USED
    + """
for i = 1, #KEYS / 2 do
  local limit = ARGV[4 + i]
  if limit ~= "" and used(KEYS[i * 2 - 1], KEYS[i * 2]) >= tonumber(limit) then return 0 end
end
for i = 1, #KEYS / 2 do
  redis.call("HSET", KEYS[i * 2], ARGV[1], ARGV[2] .. ":" .. (now_s + ARGV[3]))
  redis.call("EXPIRE", KEYS[i * 2], ARGV[4])
end
return 1
"""
)
_SPEND: Final = """
if not redis.call("SET", ARGV[1], 1, "NX", "EX", 86400) then return 0 end
for i = 1, #KEYS / 2 do
  redis.call("HDEL", KEYS[i * 2], ARGV[2])
  redis.call("INCRBY", KEYS[i * 2 - 1], ARGV[3])
  redis.call("EXPIRE", KEYS[i * 2 - 1], ARGV[4])
end
return 1
"""
"""Told twice, since nobody knew whether it had come, it counts once."""


class _Spent(NamedTuple):
    """What is to be told."""

    number: int
    pots: Sequence[str]
    held: str
    """The reservation that it settles; "": none."""
    nano: Nano


class _Away(Exception):
    """Redis does not answer."""


class RedisLedger:
    """A `RestoredLedger` of all servers that have the same Redis.

    Args:
        url: As "redis://user:password@host:6379/0".
        local: What this server knows by itself.
        now_s: Must not go back.
    """

    def __init__(
        self, url: str, local: LocalLedger, *, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        redis: Any = Redis.from_url(url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)
        self._redis = redis
        self._local = local
        self._now_s = now_s
        self._server = secrets.token_hex(6)
        self._away_until_s = 0.0
        self._was_away = True
        self._untold: list[_Spent] = []
        """While Redis was away."""
        self._numbers = itertools.count(1)
        self._restored: set[str] = set()
        self._restores: tuple[str, ...] = ()
        """For all servers, by the names of limits."""
        self._look = redis.register_script(_LOOK)
        self._reserve = redis.register_script(_RESERVE)
        self._spend = redis.register_script(_SPEND)

    @property
    def budgets(self) -> Budgets:
        return self._local.budgets

    def use(self, budgets: Budgets, stages: Stages) -> None:
        self._local.use(budgets, stages)

    # --- What was spent before -----------------------------------------------

    def to_restore(self) -> tuple[str, ...]:
        """Each server restores it for itself; who is the first, for all."""
        names = self._local.to_restore()
        try:
            new = [self._asked(partial(self._redis.sadd, RESTORED, name)) for name in names]
        except _Away:
            new = [0 for _ in names]
        self._restores = tuple(name for name, is_new in zip(names, new, strict=True) if is_new)
        self._restored.update(names)
        return names

    def restore(self, account: Account, day: str, nano: Nano, names: tuple[str, ...]) -> None:
        self._local.restore(account, day, nano, names)
        for_all = [name for name in names if name in self._restores and name != "session"]
        self._tell(self._local.pots_of(account, "", day, for_all), "", nano)

    # --- `Ledger` ------------------------------------------------------------

    def standing(self, account: Account, session_id: str, at_ms: int) -> Standing:
        try:
            found = Standing(None)
            for of, limit, used in self._used(account, session_id, at_ms):
                standing = replace(of, stage=self._local.stages.at(used, limit), spent=used)
                if standing.rank > found.rank:
                    found = standing
        except _Away:
            return self._local.standing(account, session_id, at_ms)
        return found

    def room(self, account: Account, session_id: str, at_ms: int) -> Nano | None:
        try:
            limited = self._used(account, session_id, at_ms)
        except _Away:
            return self._local.room(account, session_id, at_ms)
        return min((limit - used for _, limit, used in limited), default=None)

    def reserve(
        self, account: Account, session_id: str, at_ms: int, worst: Nano
    ) -> Reservation | None:
        day = day_of(at_ms)
        limits = {name: limit for name, _, limit in self._local.limits_of(account, session_id, day)}
        names = self._local.pots_of(account, session_id, day)
        reservation = self._local.hold(account, session_id, at_ms, worst)
        try:
            is_reserved = not names or self._asked(
                lambda: self._reserve(
                    keys=_keys(names),
                    args=[
                        self._name(reservation),
                        worst,
                        HELD_S,
                        KEPT_S,
                        *(limits.get(name, "") for name in names),
                    ],
                )
            )
        except _Away:
            # It may be reserved there all the same: so it keeps its name, by which it is settled.
            room = self._local.room(account, session_id, at_ms)
            if room is None or room + worst > 0:
                return reservation
            self.settle(reservation, 0)
            return None
        if is_reserved:
            return reservation
        self._local.settle(reservation, 0)
        return None

    def settle(self, reservation: Reservation, nano: Nano) -> None:
        self._local.settle(reservation, nano)
        self._tell(reservation.pots, self._name(reservation), nano)

    def spend(self, line: Line) -> None:
        self._local.spend(line)
        names = self._local.pots_of(line.account, line.session_id, line.day)
        self._tell(names, "", line.nano)

    def forget(self, session_id: str) -> None:
        self._local.forget(session_id)
        name = f"session/{session_id}"
        if "session" in self.budgets.limited:
            with contextlib.suppress(_Away):  # It ends by itself.
                self._asked(lambda: self._redis.delete(POT + name, HELD + name))

    def pots(self, at_ms: int) -> Sequence[PotTold]:
        """Those that this server has spent from, as far as all have."""
        known = self._local.pots(at_ms)
        names = [self._local.name_of(pot) for pot in known]
        try:
            used = self._look_at(names)
        except _Away:
            return known
        return [
            replace(
                pot,
                spent=sum_ - pot.reserved,
                stage=self._local.stages.at(sum_, pot.limit),
            )
            for pot, sum_ in zip(known, used, strict=True)
        ]

    # --- Steps ---------------------------------------------------------------

    def _used(
        self, account: Account, session_id: str, at_ms: int
    ) -> list[tuple[Standing, Nano, Nano]]:
        """Of each pot that is limited for the account: whose it is, its limit, what is used."""
        limited = self._local.limits_of(account, session_id, day_of(at_ms))
        used = self._look_at([name for name, _, _ in limited])
        return [(of, limit, sum_) for (_, of, limit), sum_ in zip(limited, used, strict=True)]

    def _look_at(self, names: Sequence[str]) -> list[Nano]:
        if not names:
            return []
        return [int(sum_) for sum_ in self._asked(lambda: self._look(keys=_keys(names)))]

    def _name(self, reservation: Reservation) -> str:
        return f"{self._server}:{reservation.id}"

    def _tell(self, pots: Sequence[str], held: str, nano: Nano) -> None:
        if not pots:
            return
        spent = _Spent(next(self._numbers), pots, held, nano)
        try:
            self._asked(lambda: self._told(spent))
        except _Away:
            if len(self._untold) < MAX_UNTOLD:
                self._untold.append(spent)

    def _told(self, spent: _Spent) -> object:
        told = f"{TOLD}{self._server}:{spent.number}"
        return self._spend(keys=_keys(spent.pots), args=[told, spent.held, spent.nano, KEPT_S])

    def _asked(self, ask: Callable[[], Any]) -> Any:
        """Raises:
        _Away: it does not answer.
        """
        if self._now_s() < self._away_until_s:
            raise _Away
        try:
            if self._was_away:
                self._come_back()
            told = ask()
        except (RedisError, OSError) as error:
            if not self._was_away:
                log.warning("Redis: %s; budgets are this server's own", type(error).__name__)
            self._was_away = True
            self._away_until_s = self._now_s() + AWAY_S
            raise _Away from None
        return told

    def _come_back(self) -> None:
        """Tell what was spent meanwhile; or, to one that has lost its memory, what is known here.
        Also the first time.
        """
        if self._redis.set(KNOWN, 1, nx=True):
            pipeline = self._redis.pipeline(transaction=True)
            for name, nano in self._local.spent().items():
                pipeline.set(POT + name, nano, nx=True, ex=KEPT_S)
            if self._restored:
                pipeline.sadd(RESTORED, *self._restored)
            pipeline.execute()
            self._untold.clear()
        while self._untold:
            self._told(self._untold[0])
            del self._untold[0]
        self._was_away = False
        self._away_until_s = 0.0


def _keys(names: Sequence[str]) -> list[str]:
    return [key for name in names for key in (POT + name, HELD + name)]
