"""Limits, as they are held at the door and in live sessions."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from typing import Final, Literal, Protocol
from weakref import WeakKeyDictionary

from aiohttp import web

from antiphon.core.responses import UNLIMITED
from antiphon.errors import AntiphonError, ProtocolError
from antiphon.identity.principal import Principal
from antiphon.limits.addresses import one_client
from antiphon.limits.ledger import DAY_S, AnswerLedger, Exceeded, MessageLedger, SessionLedger
from antiphon.limits.policy import Policy, Who
from antiphon.protocol.closes import CloseCode
from antiphon.protocol.server import RateLimit
from antiphon.runtime.door import SessionDoor
from antiphon.server.api_errors import slow_down
from antiphon.server.background import in_background

log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 1.0
WARN_BEFORE_S: Final = 60.0
MAX_WAIT_S: Final = 5.0
"""How long a message is held back; one that would have to wait longer is refused."""
MAX_REFUSED: Final = 100
"""In a row; then its connection is closed."""

_SAID: Final = {
    "sessions_per_minute": "{most:g} new sessions a minute",
    "sessions_at_once": "{most:g} sessions at once",
    "minutes_per_day": "{most:g} minutes a day",
}


class Holding:
    """Whose limits hold for one session or connection: those that are in force now, which a reload
    may have changed.

    Args:
        policy: Who may have how much; another object once that has changed.
        who: All whose limits hold by it.
        names: Of the limits that are looked at; subjects that have none of them are left out.
    """

    def __init__(
        self, policy: Callable[[], Policy], who: Callable[[], Who], names: Sequence[str]
    ) -> None:
        self._policy = policy
        self._find = who
        self._names = names
        self._by: Policy | None = None
        self._who: Who = {}

    @property
    def who(self) -> Who:
        policy = self._policy()
        if policy is not self._by:
            self._by = policy
            self._who = {
                subject: limits
                for subject, limits in self._find().items()
                if any(getattr(limits, name) for name in self._names)
            }
        return self._who


class LedgerThrottle:
    """A `Throttle` of one connection, with what all of its subjects send counted."""

    def __init__(self, ledger: MessageLedger, holding: Holding, now_s: Callable[[], float]) -> None:
        self._ledger = ledger
        self._holding = holding
        self._now_s = now_s
        self._refused = 0

    @property
    def is_over(self) -> bool:
        return self._refused >= MAX_REFUSED

    def wait_s(self, size_bytes: int, *, can_wait: bool = True) -> float | None:
        max_wait_s = MAX_WAIT_S if can_wait else 0.0
        if not (who := self._holding.who):
            return 0.0
        wait_s = self._ledger.take(who, size_bytes, self._now_s(), max_wait_s=max_wait_s)
        self._refused = self._refused + 1 if wait_s is None else 0
        return wait_s


class LedgerPace:
    """A `Pace` of one session, with the answers of all of its subjects counted."""

    def __init__(self, ledger: AnswerLedger, holding: Holding, now_s: Callable[[], float]) -> None:
        self._ledger = ledger
        self._holding = holding
        self._now_s = now_s
        self._was_limited = False

    def ask(self) -> tuple[str, str] | None:
        if not (who := self._holding.who):
            return None
        refused = self._ledger.ask(who, self._now_s())
        if refused is None:
            return None
        kind, wait_s = refused
        what = "answers" if kind == "requests" else "tokens of answers"
        most = self._ledger.left(who, self._now_s())[kind].limit
        return kind, (
            f"Rate limit reached: {most:g} {what} a minute. Try again in {math.ceil(wait_s)} s."
        )

    def use(self, tokens: int) -> None:
        if who := self._holding.who:
            self._ledger.use(who, tokens, self._now_s())

    def told(self) -> tuple[RateLimit, ...] | None:
        who = self._holding.who
        self._was_limited |= bool(who)
        if not self._was_limited:
            return None
        left = self._ledger.left(who, self._now_s())
        return tuple(
            RateLimit(
                no_limit.name,
                int(of.limit),
                int(of.remaining + 1e-6),
                round(of.reset_s, 3),
            )
            if (of := left.get(no_limit.name)) is not None
            else no_limit
            for no_limit in UNLIMITED
        )


class ServerFull(Exception):
    """All processes together have as many sessions as they may."""


class CountsAway(AntiphonError):
    """Where sessions are counted together nobody answers: each server counts for itself."""

    def __init__(self) -> None:
        super().__init__("what is shared with other servers cannot be reached")


class SharedCounts(Protocol):
    """Counts sessions together with other processes."""

    async def begin(self, who: Who) -> Exceeded | Literal["full"] | None: ...

    def opened_or_not(self, who: Who) -> None: ...

    def live(self, session_id: str, who: Who) -> None: ...

    def ended(self, session_id: str) -> None: ...

    async def use(self, rows: Sequence[tuple[Who, float]]) -> Sequence[float | None]:
        """Sessions of these took so many seconds; what is left to each of the day."""
        ...


class Quotas:
    """Args:
    policy: Who may have how much.
    sessions: Those that are live.
    now_s: Must not go back.
    unix_s: Wall time.
    """

    def __init__(
        self,
        policy: Policy,
        *,
        sessions: Callable[[], Collection[SessionDoor]],
        now_s: Callable[[], float] = time.monotonic,
        unix_s: Callable[[], float] = time.time,
    ) -> None:
        self.policy = policy
        self._sessions = sessions
        self.now_s = now_s
        self._unix_s = unix_s
        self.shared: SharedCounts | None = None
        """None: there are no other processes."""
        self._ledger = SessionLedger()
        self.messages = MessageLedger()
        self.answers = AnswerLedger()
        self._addresses: WeakKeyDictionary[SessionDoor, str] = WeakKeyDictionary()
        self._opening: list[Who] = []
        self._limits_minutes = asyncio.Event()
        self.use(policy)
        self._warned: WeakKeyDictionary[SessionDoor, None] = WeakKeyDictionary()

    def use(self, policy: Policy) -> None:
        """From now on this holds, for sessions that are live too.  What they used before where
        nothing was limited is not counted.
        """
        self.policy = policy
        if policy.limits_minutes:
            self._limits_minutes.set()
        if self.shared is not None:
            for session in self._sessions():
                self.shared.live(session.id, self.who_of(session))

    async def begin(self, principal: Principal, address: str) -> Who:
        """Room for one session more; `opened_or_not` gives it back.

        Raises:
            ApiError: 429, a limit is reached.
            ServerFull: so is that of all processes.
        """
        who = self.who(principal, address)
        if self.shared is not None:
            try:
                refused = await self.shared.begin(who)
            except CountsAway:
                return self._begin_here(who)
            if refused == "full":
                raise ServerFull
            if refused is not None:
                raise _told(refused)
            return who
        return self._begin_here(who)

    def _begin_here(self, who: Who) -> Who:
        if not who:
            return who
        live = [*map(self.who_of, self._sessions()), *self._opening]
        exceeded = self._ledger.begin(who, live, now_s=self.now_s(), unix_s=self._unix_s())
        if exceeded is not None:
            raise _told(exceeded)
        self._opening.append(who)
        return who

    def opened_or_not(self, who: Who) -> None:
        """The session that was begun is live now, or will never be."""
        if self.shared is not None:
            self.shared.opened_or_not(who)
        if who in self._opening:
            self._opening.remove(who)

    def note(self, session: SessionDoor, address: str) -> None:
        """From where it was opened."""
        self._addresses[session] = address
        if self.shared is not None:
            self.shared.live(session.id, self.who_of(session))

    def who(self, principal: Principal, address: str) -> Who:
        return self.policy.who(
            tenant=principal.tenant,
            user=principal.user,
            key_id=principal.key_id,
            plan=principal.limits,
            address=one_client(address),
        )

    def throttle(self, principal: Principal, address: str) -> LedgerThrottle:
        """For a connection."""
        names = ("messages_per_second", "bytes_per_second")
        return LedgerThrottle(self.messages, self._holding(principal, address, names), self.now_s)

    def pace(self, principal: Principal) -> LedgerPace:
        """For a session.  An address counts no answers."""
        holding = self._holding(principal, "", ("responses_per_minute", "tokens_per_minute"))
        return LedgerPace(self.answers, holding, self.now_s)

    def _holding(self, principal: Principal, address: str, names: Sequence[str]) -> Holding:
        return Holding(lambda: self.policy, lambda: self.who(principal, address), names)

    async def running(self, _: web.Application) -> AsyncIterator[None]:
        """Sessions end with the minutes of their day, as soon as anybody's are limited."""
        async with in_background(minutes_of_the_day=self._look()):
            yield

    async def _look(self) -> None:
        await self._limits_minutes.wait()
        then_s = self.now_s()
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            now_s = self.now_s()
            try:
                await self._pass_shared_time(now_s - then_s)
            except AntiphonError as error:
                log.warning("minutes of the day are counted later: %s", error)
            else:
                then_s = now_s

    async def _pass_shared_time(self, seconds: float) -> None:
        if self.shared is None:
            self.pass_time(seconds)
            return
        live = [(session, self.who_of(session)) for session in list(self._sessions())]
        left = await self.shared.use([(who, seconds) for _, who in live])
        for (session, _), left_s in zip(live, left, strict=True):
            self._end_in_time(session, left_s)

    def pass_time(self, seconds: float) -> None:
        """So long all sessions have gone on since this was called last."""
        unix_s = self._unix_s()
        live = [(session, self.who_of(session)) for session in list(self._sessions())]
        for _, who in live:
            self._ledger.use(who, seconds, unix_s=unix_s)
        for session, who in live:
            self._end_in_time(session, self._ledger.left_s(who, unix_s))

    def _end_in_time(self, session: SessionDoor, left_s: float | None) -> None:
        if left_s is None:
            return
        if left_s == 0:
            log.info("session %s: its minutes of the day are used up", session.id)
            session.close(CloseCode.GOING_AWAY, "The minutes of this day are used up.")
        elif left_s <= WARN_BEFORE_S and session not in self._warned:
            self._warned[session] = None
            session.warn(_ending(left_s))

    async def left_s(self, tenant: str) -> float | None:
        """Of a tenant's minutes of this day; None: it may have any."""
        who = self.policy.who(tenant=tenant)
        if self.shared is not None:
            [left_s] = await self.shared.use([(who, 0.0)])
            return left_s
        return self._ledger.left_s(who, self._unix_s())

    def who_of(self, session: SessionDoor) -> Who:
        return self.who(session.about.principal, self._addresses.get(session, ""))


def _told(exceeded: Exceeded) -> Exception:
    log.info("refused: %s of %s", exceeded.what, exceeded.subject.kind)
    said = _SAID[exceeded.what].format(most=exceeded.limit)
    wait_s = min(exceeded.wait_s, DAY_S)
    return slow_down(f"The limit of {exceeded.subject} is {said}", wait_s)


def _ending(left_s: float) -> ProtocolError:
    return ProtocolError(
        "minutes_nearly_used",
        f"The minutes of this day are nearly used up: the session ends in {left_s:.0f} s or less.",
    )
