"""What a server holds in Redis (or Valkey), by leases that it renews: what died with it is free
again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from msgspec import Struct

from antiphon.limits.policy import Subject, Who
from antiphon.server.background import in_background
from antiphon.server.quotas import CountsAway
from antiphon.server.redis_line import RedisLine

LEASE_S: Final = 20.0
RENEW_S: Final = 5.0
MAX_LEAVING: Final = 10_000
"""Overflow policy: what leaves beyond this is free when its lease has run out."""
LIVE: Final = "antiphon:live:"
AT: Final = "antiphon:at:"


class Held(Struct):
    """A session, or one that is being opened."""

    who: Who
    names: tuple[str, ...] = ()
    """By which it is looked for."""
    whereabouts: bytes = b""


class RedisLeases:
    def __init__(self, line: RedisLine) -> None:
        self._line = line
        self._held: dict[str, Held] = {}
        self._new: set[str] = set()
        self._leaving: deque[tuple[str, Held]] = deque(maxlen=MAX_LEAVING)
        self._changed = asyncio.Event()

    def open(self, name: str, who: Who) -> None:
        """It is about to be counted there, by who asks for it."""
        self._held[name] = Held(who)

    def opened(self, who: Who) -> None:
        """One of theirs that was being opened is live by another name, or will not be."""
        opening = (name for name, held in self._held.items() if ":" in name and held.who == who)
        if (name := next(opening, None)) is not None:
            self.end(name)

    def live(self, session_id: str, who: Who) -> None:
        """It counts for these from now on, and for nobody else."""
        before = self._held.get(session_id)
        if before is not None and before.who != who:
            self._leaving.append((session_id, Held(before.who)))
        kept = before or Held(who)
        self._held[session_id] = Held(who, kept.names, kept.whereabouts)
        self._renew(session_id)

    def found_by(self, session_id: str, names: tuple[str, ...], whereabouts: bytes) -> None:
        """It is here, and looked for by these names, until it has ended."""
        held = self._held.setdefault(session_id, Held({}))
        held.names, held.whereabouts = names, whereabouts
        self._renew(session_id)

    def end(self, name: str) -> None:
        held = self._held.pop(name, None)
        self._new.discard(name)
        if held is not None:
            self._leaving.append((name, held))
            self._changed.set()

    def _renew(self, session_id: str) -> None:
        self._new.add(session_id)
        self._changed.set()

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """In the body they are renewed; after it nothing is held any more."""
        async with in_background(leases=self._keep()):
            yield
        self._leaving.extend(self._held.items())
        self._held.clear()
        with contextlib.suppress(CountsAway):
            await self._tell(())

    async def _keep(self) -> None:
        renewed_s = -RENEW_S
        loop = asyncio.get_running_loop()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, renewed_s + RENEW_S - loop.time())):
                    await self._changed.wait()
            self._changed.clear()
            is_due = loop.time() - renewed_s >= RENEW_S
            names = tuple(self._held) if is_due else tuple(self._new)
            self._new.clear()
            if is_due:
                renewed_s = loop.time()
            # Where Redis is away, all that lives is told with the next renewal.
            with contextlib.suppress(CountsAway):
                await self._tell(names)

    async def _tell(self, names: Sequence[str]) -> None:
        leaving = list(self._leaving)
        self._leaving.clear()
        if not names and not leaving:
            return
        seconds, micros = await self._line.ask(lambda redis: redis.time())
        until_ms = seconds * 1000 + micros // 1000 + round(LEASE_S * 1000)

        def told(redis: Any) -> Any:
            pipeline = redis.pipeline(transaction=False)
            for name, held in leaving:
                for subject in held.who:
                    pipeline.zrem(LIVE + name_of(subject), name)
                for known in held.names:
                    pipeline.delete(AT + known)
            for name in names:
                if (here := self._held.get(name)) is None:
                    continue
                for subject in here.who:
                    pipeline.zadd(LIVE + name_of(subject), {name: until_ms})
                    pipeline.pexpire(LIVE + name_of(subject), round(2 * LEASE_S * 1000))
                for known in here.names:
                    pipeline.set(AT + known, here.whereabouts, px=round(LEASE_S * 1000))
            return pipeline.execute()

        await self._line.ask(told)


def name_of(subject: Subject) -> str:
    return f"{subject.kind}:{subject.name}"
