"""Rates over several servers, by Redis (or Valkey): each tells the others what it let through.

What comes faster than the rate over all of them is waited for afterwards, as between the processes
of one server.  What is told while Redis is away is lost: then each server counts for itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
from msgspec import Struct
from redis.exceptions import RedisError

from antiphon.limits.ledger import RateLedger
from antiphon.limits.policy import Limits, Subject, Who
from antiphon.server.background import in_background

log = logging.getLogger(__name__)

TELL_EVERY_S: Final = 0.1
AWAY_S: Final = 2.0
LISTEN_S: Final = 5.0
CHANNEL: Final = "antiphon:taken"


class Taken(Struct, frozen=True):
    """What clients of a server sent, or were answered."""

    server: str
    rows: Mapping[str, tuple[tuple[Subject, Limits, int, int], ...]]
    """By the name of the ledger: whose, how many, and their bytes or tokens."""


class RedisRates:
    """Args:
    redis: Its client.
    server: Whose word is not heard: this one's own, or of a process of it, which told by itself.
    ledgers: By name.
    now_s: As the ledgers are asked.
    """

    def __init__(
        self,
        redis: Any,
        *,
        server: str,
        ledgers: Mapping[str, RateLedger],
        now_s: Callable[[], float],
    ) -> None:
        self._redis = redis
        self._server = server
        self._ledgers = ledgers
        self._now_s = now_s
        self._untold: dict[tuple[str, Subject], tuple[Limits, int, int]] = {}
        self._came = asyncio.Event()
        for name, ledger in ledgers.items():
            self._follow(name, ledger)

    def _follow(self, name: str, ledger: RateLedger) -> None:
        told = ledger.on_taken

        def took(who: Who, count: int, size: int) -> None:
            told(who, count, size)
            for subject, limits in who.items():
                _, counted, sizes = self._untold.get((name, subject), (limits, 0, 0))
                self._untold[name, subject] = (limits, counted + count, sizes + size)
            if who:
                self._came.set()

        ledger.on_taken = took

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with in_background(tell_rates=self._tell(), hear_rates=self._hear()):
            yield

    async def _tell(self) -> None:
        while True:
            await self._came.wait()
            await asyncio.sleep(TELL_EVERY_S)
            self._came.clear()
            untold, self._untold = self._untold, {}
            rows: dict[str, tuple[tuple[Subject, Limits, int, int], ...]] = {}
            for (name, subject), row in untold.items():
                rows[name] = (*rows.get(name, ()), (subject, *row))
            told = msgspec.msgpack.encode(Taken(self._server, rows))
            with contextlib.suppress(RedisError, OSError):
                await self._redis.publish(CHANNEL, told)

    async def _hear(self) -> None:
        while True:
            try:
                async with self._redis.pubsub() as listening:
                    await listening.subscribe(CHANNEL)
                    while True:
                        message = await listening.get_message(
                            ignore_subscribe_messages=True, timeout=LISTEN_S
                        )
                        if message is not None:
                            self._heard(msgspec.msgpack.decode(message["data"], type=Taken))
            except (RedisError, OSError):
                await asyncio.sleep(AWAY_S)
            except msgspec.MsgspecError:
                log.warning("Redis: what is told of rates is not understood")

    def _heard(self, taken: Taken) -> None:
        if taken.server == self._server:
            return
        for name, rows in taken.rows.items():
            if (ledger := self._ledgers.get(name)) is not None:
                for subject, limits, count, size in rows:
                    ledger.charge(subject, limits, count, size, self._now_s())
