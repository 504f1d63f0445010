"""The seams of a server, kept with the supervisor: what `antiphon.server` asks of one process is
asked here of all of them.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, Literal

from antiphon.identity.principal import ANYONE, Principal
from antiphon.limits.ledger import Exceeded, RateLedger
from antiphon.limits.policy import Limits, Subject, Who
from antiphon.metering.budgets import Budgets, PotTold, Reservation, Stages, Standing
from antiphon.metering.lines import Account, Line
from antiphon.metering.money import Nano
from antiphon.processes.bus import Bus, BusLost
from antiphon.processes.commons import INTERFACES, Owners
from antiphon.processes.messages import NOBODY_WAITS, Call, Guessed, Returned, Taken, raw
from antiphon.runtime.kept_conversations import ConversationInUse
from antiphon.server.auth import Gate
from antiphon.server.grant import Grant
from antiphon.server.secret_store import DEFAULT_TTL_S, Minted

log = logging.getLogger(__name__)

TELL_EVERY_S: Final = 0.1
"""How long messages that were let through, and wrong keys, may count in this process alone."""
MAX_GUESSING: Final = 1_000


class SecretsOfAll:
    """A `SecretStore`."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def mint(self, grant: Grant, ttl_s: int = DEFAULT_TTL_S) -> Minted:
        minted: Minted = await self._bus.call("secrets", "mint", grant, ttl_s)
        return minted

    async def check(self, value: str, *, origin: str | None = None) -> Grant:
        grant: Grant = await self._bus.call("secrets", "check", value, origin)
        return grant

    async def redeem(self, value: str, *, origin: str | None = None) -> Grant:
        grant: Grant = await self._bus.call("secrets", "redeem", value, origin)
        return grant

    async def give_back(self, value: str) -> None:
        await self._bus.call("secrets", "give_back", value)

    async def revoke(self, secret_id: str, *, by: Principal = ANYONE) -> bool:
        revoked: bool = await self._bus.call("secrets", "revoke", secret_id, by)
        return revoked


class CountsOfAll:
    """`SharedCounts`."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def begin(self, who: Who) -> Exceeded | Literal["full"] | None:
        calling = asyncio.ensure_future(self._bus.call("sessions", "begin", _owners(who)))
        refused: Exceeded | Literal["full"] | None
        try:
            refused = await asyncio.shield(calling)
        except asyncio.CancelledError:
            # A place that is given to one who has gone is given back.
            calling.add_done_callback(lambda done: self._unwanted(done, who))
            raise
        return refused

    def _unwanted(self, begun: asyncio.Future[Any], who: Who) -> None:
        if not begun.cancelled() and begun.exception() is None and begun.result() is None:
            self.opened_or_not(who)

    def opened_or_not(self, who: Who) -> None:
        self._bus.tell("sessions", "opened_or_not", _owners(who))

    def live(self, session_id: str, who: Who) -> None:
        self._bus.tell("sessions", "live", session_id, _owners(who))

    def ended(self, session_id: str) -> None:
        self._bus.tell("sessions", "ended", session_id)

    async def use(self, rows: Sequence[tuple[Who, float]]) -> Sequence[float | None]:
        asked = tuple((_owners(who), seconds) for who, seconds in rows)
        left: Sequence[float | None] = await self._bus.call("sessions", "use", asked)
        return left


class RatesOfAll:
    """Tells the other processes what was let through here, and counts what was there.

    All of it is counted, up to `TELL_EVERY_S` late; what was let through too early is waited for
    by those who come next, so that the rate holds over all processes.

    Args:
        tell: The others.
    """

    def __init__(
        self,
        of: Literal["messages", "answers"],
        ledger: RateLedger,
        tell: Callable[[Taken], None],
    ) -> None:
        self._of = of
        self._ledger = ledger
        self._tell = tell
        self._untold: dict[Subject, tuple[Limits, int, int]] = {}
        ledger.on_taken = self._took

    def _took(self, who: Who, count: int, size: int) -> None:
        if not self._untold:
            asyncio.get_running_loop().call_later(TELL_EVERY_S, self._tell_others)
        for subject, limits in who.items():
            _, counted, sizes = self._untold.get(subject, (limits, 0, 0))
            self._untold[subject] = (limits, counted + count, sizes + size)

    def _tell_others(self) -> None:
        untold, self._untold = self._untold, {}
        rows = tuple((subject, *row) for subject, row in untold.items())
        self._tell(Taken(self._of, rows))

    def heard(self, taken: Taken, now_s: float) -> None:
        for subject, limits, count, size in taken.rows:
            self._ledger.charge(subject, limits, count, size, now_s)


class GuessesOfAll:
    """Tells the other processes of wrong keys that were shown here.

    Overflow policy: of more than `MAX_GUESSING` addresses in `TELL_EVERY_S` the others are counted
    here alone.

    Args:
        tell: The others.
    """

    def __init__(self, gate: Gate, tell: Callable[[Guessed], None]) -> None:
        self._gate = gate
        self._tell = tell
        self._untold: Counter[str] = Counter()
        gate.on_guess = self._guessed

    def _guessed(self, address: str) -> None:
        if not self._untold:
            asyncio.get_running_loop().call_later(TELL_EVERY_S, self._tell_others)
        if address in self._untold or len(self._untold) < MAX_GUESSING:
            self._untold[address] += 1

    def _tell_others(self) -> None:
        untold, self._untold = self._untold, Counter()
        self._tell(Guessed(dict(untold)))

    def heard(self, guessed: Guessed) -> None:
        for address, count in guessed.counts.items():
            self._gate.guessed_elsewhere(address, count)


class ClaimsOfAll:
    """Args:
    elsewhere: The other process that has a conversation.
    """

    def __init__(self, bus: Bus, elsewhere: Callable[[str], Any]) -> None:
        self._bus = bus
        self._elsewhere = elsewhere

    @asynccontextmanager
    async def claiming(self, conversation_id: str) -> AsyncIterator[None]:
        """No process opens the conversation in the body.

        Raises:
            ConversationInUse: another has it, or is about to.
        """
        claimed = await self._bus.call("claims", "claim", conversation_id)
        if not claimed:
            raise _in_use(conversation_id)
        try:
            if await self._elsewhere(conversation_id) is not None:
                raise _in_use(conversation_id)
            yield
        finally:
            self._bus.tell("claims", "release", conversation_id)


class LedgerOfAll:
    """A `RestoredLedger`, for a thread that may wait for its answers (`FarLedgerLine`).

    Args:
        budgets: As the settings say them, to each process the same.
        ask: Carries a call out; raises `BusLost` where nobody answers in time.
        tell: The same, without an answer.
    """

    def __init__(
        self,
        budgets: Budgets,
        ask: Callable[[Call], Returned],
        tell: Callable[[Call], object],
    ) -> None:
        self.budgets = budgets
        self._ask = ask
        self._tell = tell

    def use(self, budgets: Budgets, stages: Stages) -> None:
        self.budgets = budgets
        self._told("use", budgets, stages)

    def to_restore(self) -> tuple[str, ...]:
        try:
            names: tuple[str, ...] = self._asked("to_restore")
        except BusLost:
            return ()
        return names

    def restore(self, account: Account, day: str, nano: Nano, names: tuple[str, ...]) -> None:
        self._told("restore", account, day, nano, names)

    def pots(self, at_ms: int) -> Sequence[PotTold]:
        try:
            pots: Sequence[PotTold] = self._asked("pots", at_ms)
        except BusLost:
            return ()
        return pots

    def standing(self, account: Account, session_id: str, at_ms: int) -> Standing:
        try:
            standing: Standing = self._asked("standing", account, session_id, at_ms)
        except BusLost:
            return Standing(None)
        return standing

    def room(self, account: Account, session_id: str, at_ms: int) -> Nano | None:
        try:
            room: Nano | None = self._asked("room", account, session_id, at_ms)
        except BusLost:
            return None
        return room

    def reserve(
        self, account: Account, session_id: str, at_ms: int, worst: Nano
    ) -> Reservation | None:
        try:
            reservation: Reservation | None
            reservation = self._asked("reserve", account, session_id, at_ms, worst)
        except BusLost:
            # This process ends too when its supervisor has: nobody is cut off for that.
            log.warning("nobody answers for the budgets: an answer goes unreserved")
            return Reservation(0, worst, ())
        return reservation

    def settle(self, reservation: Reservation, nano: Nano) -> None:
        self._told("settle", reservation, nano)

    def spend(self, line: Line) -> None:
        self._told("spend", line)

    def forget(self, session_id: str) -> None:
        self._told("forget", session_id)

    def _asked(self, method: str, *given: object) -> Any:
        # There is one question at a time, so that any number will do.
        returned = self._ask(Call(1, "ledger", method, raw(given)))
        return INTERFACES["ledger"].value(method, returned)

    def _told(self, method: str, *given: object) -> None:
        try:
            self._tell(Call(NOBODY_WAITS, "ledger", method, raw(given)))
        except BusLost:
            log.warning("nobody listens for the budgets: %s is lost", method)


def _owners(who: Who) -> Owners:
    return tuple(who.items())


def _in_use(conversation_id: str) -> ConversationInUse:
    return ConversationInUse(
        f"Conversation '{conversation_id}' is in use by a live session; end that first."
    )
