"""How much may be spent, and what follows from how much is: a ledger of pots.

Before a response the worst that it can cost is reserved; its lines settle that.  A response may
begin as long as what is spent and reserved is less than the limit.  So one that was reserved may go
beyond it, and no second: whatever sessions share the pot, it ends at most one reserved turn beyond.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Protocol

from msgspec import Struct

from antiphon.metering.lines import Account, Line, day_of
from antiphon.metering.money import Nano

Stage = Literal["tell", "cheaper", "text", "end"]
Scope = Literal["session", "user", "tenant"]
Period = Literal["session", "day", "month"]


class Limits(Struct, frozen=True, kw_only=True):
    """None: any amount."""

    session: Nano | None = None
    user_day: Nano | None = None
    user_month: Nano | None = None
    tenant_day: Nano | None = None
    tenant_month: Nano | None = None

    @property
    def any(self) -> bool:
        return any(getattr(self, name) is not None for name in self.__struct_fields__)


class Stages(Struct, frozen=True, kw_only=True):
    """From which share of a limit on what follows, in percent."""

    tell: int = 80
    cheaper: int = 90
    text: int = 95

    def at(self, used: Nano, limit: Nano) -> Stage | None:
        if used >= limit:
            return "end"
        for stage, percent in (("text", self.text), ("cheaper", self.cheaper), ("tell", self.tell)):
            if 100 * used >= percent * limit:
                return stage  # type: ignore[return-value]
        return None


ORDER: tuple[Stage | None, ...] = (None, "tell", "cheaper", "text", "end")


class Standing(Struct, frozen=True):
    """How far the pot is that is nearest to its end."""

    stage: Stage | None
    scope: Scope = "session"
    period: Period = "session"
    limit: Nano = 0
    spent: Nano = 0

    @property
    def rank(self) -> int:
        return ORDER.index(self.stage)


class Reservation(Struct, frozen=True):
    id: int
    nano: Nano
    pots: tuple[str, ...]


class Ledger(Protocol):
    """Where all sessions that share a budget ask, in this process or in several."""

    def standing(self, account: Account, session_id: str, at_ms: int) -> Standing: ...

    def reserve(
        self, account: Account, session_id: str, at_ms: int, worst: Nano
    ) -> Reservation | None:
        """None: all is spent, or reserved."""
        ...

    def room(self, account: Account, session_id: str, at_ms: int) -> Nano | None:
        """What is neither spent nor reserved; None: there is no limit."""
        ...

    def settle(self, reservation: Reservation, nano: Nano) -> None:
        """It cost that much, on the day on which it was reserved: over midnight too, no pot takes
        more than was reserved in it.
        """
        ...

    def spend(self, line: Line) -> None:
        """What was not reserved."""
        ...

    def forget(self, session_id: str) -> None:
        """The session is over."""
        ...


class RestoredLedger(Ledger, Protocol):
    """One that is told what was spent before it began."""

    def restore(self, tenant: str, user: str, day: str, nano: Nano) -> None:
        """What was spent then, as the lines say that were kept."""
        ...


class _Pot:
    __slots__ = ("reserved", "spent")

    def __init__(self) -> None:
        self.spent: Nano = 0
        self.reserved: Nano = 0


class LocalLedger:
    """Of one process.  What was spent before it began is told by `restore`.

    Pots of days that are over are dropped once a later day is seen, so that it holds those who
    came this month.
    """

    def __init__(self, limits: Limits, stages: Stages | None = None) -> None:
        self.limits = limits
        self._stages = stages or Stages()
        self._pots: dict[str, _Pot] = {}
        self._next = 1
        self._newest_day = ""

    def restore(self, tenant: str, user: str, day: str, nano: Nano) -> None:
        """What was spent then, as the lines say that were kept."""
        for name, _, _, period in self._of(Account(tenant, user or None), "", day):
            if period != "session":
                self._pot(name).spent += nano

    def standing(self, account: Account, session_id: str, at_ms: int) -> Standing:
        found = Standing(None)
        for name, limit, scope, period in self._of(account, session_id, day_of(at_ms)):
            pot = self._pots.get(name)
            used = 0 if pot is None else pot.spent + pot.reserved
            standing = Standing(self._stages.at(used, limit), scope, period, limit, used)
            if standing.rank > found.rank:
                found = standing
        return found

    def room(self, account: Account, session_id: str, at_ms: int) -> Nano | None:
        rooms = []
        for name, limit, _, _ in self._of(account, session_id, day_of(at_ms)):
            pot = self._pots.get(name)
            rooms.append(limit - (0 if pot is None else pot.spent + pot.reserved))
        return min(rooms, default=None)

    def reserve(
        self, account: Account, session_id: str, at_ms: int, worst: Nano
    ) -> Reservation | None:
        day = day_of(at_ms)
        self._turn_to(day)
        room = self.room(account, session_id, at_ms)
        if room is not None and room <= 0:
            return None
        names = tuple(name for name, *_ in self._of(account, session_id, day))
        for name in names:
            self._pot(name).reserved += worst
        self._next += 1
        return Reservation(self._next - 1, worst, names)

    def settle(self, reservation: Reservation, nano: Nano) -> None:
        for name in reservation.pots:
            if (pot := self._pots.get(name)) is not None:
                pot.reserved -= reservation.nano
                pot.spent += nano

    def spend(self, line: Line) -> None:
        self._turn_to(line.day)
        for name, *_ in self._of(line.account, line.session_id, line.day):
            self._pot(name).spent += line.nano

    def forget(self, session_id: str) -> None:
        self._pots.pop(f"session/{session_id}", None)

    # --- Steps ---------------------------------------------------------------

    def _pot(self, name: str) -> _Pot:
        return self._pots.setdefault(name, _Pot())

    def _of(
        self, account: Account, session_id: str, day: str
    ) -> Iterator[tuple[str, Nano, Scope, Period]]:
        """Each pot that has a limit: its name, the limit, whose it is, and for how long."""
        limits, tenant = self.limits, account.tenant
        if limits.session is not None:
            yield f"session/{session_id}", limits.session, "session", "session"
        periods: tuple[tuple[Period, str], ...] = (("day", day), ("month", day[:7]))
        for period, when in periods:
            limit = getattr(limits, f"user_{period}")
            if limit is not None and account.user is not None:
                yield f"{when}/user/{tenant}/{account.user}", limit, "user", period
            limit = getattr(limits, f"tenant_{period}")
            if limit is not None:
                yield f"{when}/tenant/{tenant}", limit, "tenant", period

    def _turn_to(self, day: str) -> None:
        """Drop what nobody can spend from any more, but for what is still reserved in it."""
        if day <= self._newest_day:
            return
        self._newest_day = day
        over = [
            name
            for name, pot in self._pots.items()
            if not name.startswith(("session/", f"{day}/", f"{day[:7]}/")) and not pot.reserved
        ]
        for name in over:
            del self._pots[name]


def worst_of(
    rates: dict[str, Nano | None], *, context: dict[str, int], most_out: int, speaks: bool
) -> Nano:
    """The most that an answer can cost: all that it sees unheard before, all that it may say said.

    ``rates``: for a million tokens; one that is not known counts as nothing here, and is alarmed
    elsewhere.
    """
    seen = sum(count * (rates.get(f"{kind}_in") or 0) for kind, count in context.items())
    text, audio = rates.get("text_out") or 0, rates.get("audio_out") or 0
    said = most_out * (max(text, audio) if speaks else text)
    return -(-(seen + said) // 1_000_000)
