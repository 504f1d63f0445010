"""What all processes of a server share: one of each, held by the supervisor.

Each method is one step.  What a process has taken (places of sessions, reservations of money,
conversations that it is about to open) is given back for it when it has died.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

from antiphon.limits.ledger import Exceeded, SessionLedger
from antiphon.limits.policy import Limits, Subject
from antiphon.metering.budgets import (
    Budgets,
    LocalLedger,
    PotTold,
    Reservation,
    RestoredLedger,
    Stages,
    Standing,
)
from antiphon.metering.lines import Account, Line
from antiphon.metering.money import Nano
from antiphon.processes.services import Interface
from antiphon.server.secret_store import MemorySecretStore, SecretStore

Owners = tuple[tuple[Subject, Limits], ...]
"""All whose limits hold for a session."""


class SharedSessions(Protocol):
    """How many sessions there are, of all processes, and whose."""

    def begin(self, who: Owners) -> Exceeded | Literal["full"] | None:
        """Room for one more; None: it is taken, until `opened_or_not`."""
        ...

    def opened_or_not(self, who: Owners) -> None:
        """The session that was begun is live now (`live`), or will never be."""
        ...

    def live(self, session_id: str, who: Owners) -> None: ...

    def ended(self, session_id: str) -> None: ...

    def use(self, rows: tuple[tuple[Owners, float], ...]) -> tuple[float | None, ...]:
        """Sessions took so many seconds; what is left to each of its day, None: no limit."""
        ...


class SharedClaims(Protocol):
    """Of several that open one conversation at once, one may."""

    def claim(self, conversation_id: str) -> bool: ...

    def release(self, conversation_id: str) -> None: ...


INTERFACES: Mapping[str, Interface] = {
    "secrets": Interface(SecretStore),
    "sessions": Interface(SharedSessions),
    "claims": Interface(SharedClaims),
    "ledger": Interface(RestoredLedger),
}


class Held(NamedTuple):
    """What one process sees of the commons, by the names of `INTERFACES`."""

    services: Mapping[str, object]
    give_back: Callable[[], None]
    """The process is no more."""
    count_sessions: Callable[[], int]
    """Live ones, and those that are being opened."""


class Commons:
    """Args:
    max_sessions: Of all processes together.
    ledger: None: nothing is limited in money.
    now_s: Must not go back.
    unix_s: Wall time.
    """

    def __init__(
        self,
        *,
        max_sessions: int,
        ledger: LocalLedger | None = None,
        now_s: Callable[[], float] = time.monotonic,
        unix_s: Callable[[], float] = time.time,
    ) -> None:
        self.max_sessions = max_sessions
        self.now_s = now_s
        self.unix_s = unix_s
        self.session_ledger = SessionLedger()
        self.ledger = ledger
        self.claimed: dict[str, object] = {}
        """Conversations, and who is about to open them."""
        self.sessions: list[SessionsOfOne] = []
        self._secrets = MemorySecretStore(now_s=unix_s)

    def of_process(self) -> Held:
        sessions, claims = SessionsOfOne(self), ClaimsOfOne(self.claimed)
        self.sessions.append(sessions)
        services: dict[str, object] = {
            "secrets": self._secrets,
            "sessions": sessions,
            "claims": claims,
        }
        ledger = None if self.ledger is None else LedgerOfOne(self.ledger)
        if ledger is not None:
            services["ledger"] = ledger

        def give_back() -> None:
            self.sessions.remove(sessions)
            claims.give_back()
            if ledger is not None:
                ledger.give_back()

        return Held(services, give_back, lambda: sessions.count)


class SessionsOfOne:
    def __init__(self, commons: Commons) -> None:
        self._commons = commons
        self.opening: list[Owners] = []
        self.by_id: dict[str, Owners] = {}

    @property
    def count(self) -> int:
        return len(self.opening) + len(self.by_id)

    def begin(self, who: Owners) -> Exceeded | Literal["full"] | None:
        commons = self._commons
        if sum(each.count for each in commons.sessions) >= commons.max_sessions:
            return "full"
        if who:
            live = [
                dict(of)
                for each in commons.sessions
                for of in (*each.by_id.values(), *each.opening)
                if of
            ]
            exceeded = commons.session_ledger.begin(
                dict(who), live, now_s=commons.now_s(), unix_s=commons.unix_s()
            )
            if exceeded is not None:
                return exceeded
        self.opening.append(who)
        return None

    def opened_or_not(self, who: Owners) -> None:
        if who in self.opening:
            self.opening.remove(who)

    def live(self, session_id: str, who: Owners) -> None:
        self.by_id[session_id] = who

    def ended(self, session_id: str) -> None:
        self.by_id.pop(session_id, None)

    def use(self, rows: tuple[tuple[Owners, float], ...]) -> tuple[float | None, ...]:
        ledger, unix_s = self._commons.session_ledger, self._commons.unix_s()
        for who, seconds in rows:
            ledger.use(dict(who), seconds, unix_s=unix_s)
        return tuple(ledger.left_s(dict(who), unix_s) for who, _ in rows)


class ClaimsOfOne:
    def __init__(self, claimed: dict[str, object]) -> None:
        self._claimed = claimed

    def claim(self, conversation_id: str) -> bool:
        return self._claimed.setdefault(conversation_id, self) is self

    def release(self, conversation_id: str) -> None:
        if self._claimed.get(conversation_id) is self:
            del self._claimed[conversation_id]

    def give_back(self) -> None:
        for name in [name for name, by in self._claimed.items() if by is self]:
            del self._claimed[name]


class LedgerOfOne:
    """As `LocalLedger`, for one process: what it reserved is known to be its own."""

    def __init__(self, ledger: LocalLedger) -> None:
        self._ledger = ledger
        self._reserved: dict[int, Reservation] = {}
        self._sessions: set[str] = set()

    @property
    def budgets(self) -> Budgets:
        return self._ledger.budgets

    def use(self, budgets: Budgets, stages: Stages) -> None:
        """Each process says the same."""
        if budgets != self._ledger.budgets or stages != self._ledger.stages:
            self._ledger.use(budgets, stages)

    def to_restore(self) -> tuple[str, ...]:
        """All of them read the same lines, so those that one of them has read are enough."""
        return self._ledger.to_restore()

    def restore(self, account: Account, day: str, nano: Nano, names: tuple[str, ...]) -> None:
        self._ledger.restore(account, day, nano, names)

    def pots(self, at_ms: int) -> Sequence[PotTold]:
        return self._ledger.pots(at_ms)

    def standing(self, account: Account, session_id: str, at_ms: int) -> Standing:
        return self._ledger.standing(account, session_id, at_ms)

    def room(self, account: Account, session_id: str, at_ms: int) -> Nano | None:
        return self._ledger.room(account, session_id, at_ms)

    def reserve(
        self, account: Account, session_id: str, at_ms: int, worst: Nano
    ) -> Reservation | None:
        reservation = self._ledger.reserve(account, session_id, at_ms, worst)
        if reservation is not None:
            self._reserved[reservation.id] = reservation
            self._sessions.add(session_id)
        return reservation

    def settle(self, reservation: Reservation, nano: Nano) -> None:
        self._reserved.pop(reservation.id, None)
        self._ledger.settle(reservation, nano)

    def spend(self, line: Line) -> None:
        self._sessions.add(line.session_id)
        self._ledger.spend(line)

    def forget(self, session_id: str) -> None:
        self._sessions.discard(session_id)
        self._ledger.forget(session_id)

    def give_back(self) -> None:
        """What was reserved for answers that nobody ends any more cost what it will; the line that
        would say so is lost with its process.
        """
        for reservation in self._reserved.values():
            self._ledger.settle(reservation, 0)
        for session_id in self._sessions:
            self._ledger.forget(session_id)
