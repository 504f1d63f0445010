"""How much may be spent, and what follows from how much is: a ledger of pots.

Before a response the worst that it can cost is reserved; its lines settle that.  A response may
begin as long as what is spent and reserved is less than the limit.  So one that was reserved may go
beyond it, and no second: whatever sessions share the pot, it ends at most one reserved turn beyond.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

from msgspec import Struct
from msgspec.structs import replace

from antiphon.metering.lines import Account, Line, day_of
from antiphon.metering.money import Nano

Stage = Literal["tell", "cheaper", "text", "end"]
Scope = Literal["session", "user", "key", "tenant"]
Period = Literal["session", "day", "month"]


class Limits(Struct, frozen=True, kw_only=True):
    """None: any amount."""

    session: Nano | None = None
    user_day: Nano | None = None
    user_month: Nano | None = None
    key_day: Nano | None = None
    key_month: Nano | None = None
    tenant_day: Nano | None = None
    tenant_month: Nano | None = None

    @property
    def any(self) -> bool:
        return any(getattr(self, name) is not None for name in self.__struct_fields__)

    def narrowed(self, other: Limits) -> Limits:
        """Of each, the lesser of both."""
        least = {}
        for name in self.__struct_fields__:
            both = (getattr(self, name), getattr(other, name))
            least[name] = min((one for one in both if one is not None), default=None)
        return Limits(**least)


NO_LIMITS = Limits()


class Budgets(Struct, frozen=True, kw_only=True):
    """What the operator allows: whom, and how much."""

    everyone: Limits = NO_LIMITS
    tenants: Mapping[str, Limits] = {}
    """By name: what stands for such a tenant in place of ``tenant_day`` and ``tenant_month``."""
    plans: Mapping[str, Limits] = {}
    """By name, for keys and tokens that name one.  They narrow what everyone has."""
    default_plan: str | None = None
    """Of those who name none, or one that is not there."""

    @property
    def any(self) -> bool:
        return any(limits.any for limits in self._all)

    def of(self, account: Account) -> Limits:
        """All that holds for the account."""
        limits, own = self.everyone, self.tenants.get(account.tenant)
        if own is not None:
            limits = replace(limits, tenant_day=own.tenant_day, tenant_month=own.tenant_month)
        plan = self.plans.get(account.budget or "")
        if plan is None:
            plan = self.plans.get(self.default_plan or "", NO_LIMITS)
        return limits.narrowed(plan)

    @property
    def limited(self) -> frozenset[str]:
        """What is limited for anybody, by the names of `Limits`."""
        names = Limits.__struct_fields__
        return frozenset(
            n for n in names if any(getattr(each, n) is not None for each in self._all)
        )

    @property
    def _all(self) -> Iterable[Limits]:
        return (self.everyone, *self.tenants.values(), *self.plans.values())


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
    """One that is told what was spent before it began, and tells how far each pot is."""

    @property
    def budgets(self) -> Budgets: ...

    def use(self, budgets: Budgets, stages: Stages) -> None:
        """From now on these hold.  What is counted already goes on being counted."""
        ...

    def to_restore(self) -> tuple[str, ...]:
        """What is limited and was not counted before, by the names of `Limits`: whoever is told
        restores it, and is the only one that is told.
        """
        ...

    def restore(self, account: Account, day: str, nano: Nano, names: tuple[str, ...]) -> None:
        """What was spent then, as the lines say that were kept; it counts for these alone."""
        ...

    def pots(self, at_ms: int) -> Sequence[PotTold]:
        """Those of the day and the month, sessions' own left out."""
        ...


class _Place(NamedTuple):
    """Which pot: whose it is, and for how long."""

    scope: Scope
    period: Period
    since: str
    """The day or the month; "": of a session."""
    tenant: str
    owner: str
    """The session, the user, the key; "": the tenant itself."""

    @property
    def name(self) -> str:
        if self.scope == "session":
            return f"session/{self.owner}"
        owner = f"/{self.owner}" if self.owner else ""
        return f"{self.since}/{self.scope}/{self.tenant}{owner}"

    @property
    def limited_by(self) -> str:
        return self.scope if self.scope == "session" else f"{self.scope}_{self.period}"


class _Pot:
    __slots__ = ("limit", "place", "reserved", "spent")

    def __init__(self, place: _Place) -> None:
        self.place = place
        self.limit: Nano | None = None
        """The one that was asked about last: of those who share a pot, each may have its own."""
        self.spent: Nano = 0
        self.reserved: Nano = 0


class PotTold(Struct, frozen=True, kw_only=True):
    """How far a pot is."""

    scope: Scope
    period: Period
    since: str
    tenant: str
    owner: str
    """The user's id, the key's name; "": the tenant itself."""
    limit: Nano
    spent: Nano
    reserved: Nano
    stage: Stage | None


class LocalLedger:
    """Of one process.  What was spent before it began is told by `restore`.

    A pot of a kind that is limited for anybody is kept for everybody: a user who comes with another
    key is the same one.  Pots of days that are over are dropped once a later day is seen, so that
    it holds those who came this month.
    """

    def __init__(self, budgets: Budgets | Limits, stages: Stages | None = None) -> None:
        self.budgets = Budgets(everyone=budgets) if isinstance(budgets, Limits) else budgets
        self._limited = self.budgets.limited
        self._unrestored = self._limited
        self.stages = stages or Stages()
        self._pots: dict[str, _Pot] = {}
        self._next = 1
        self._newest_day = ""

    def use(self, budgets: Budgets, stages: Stages) -> None:
        """From now on these hold.  What is counted already goes on being counted."""
        new = budgets.limited - self._limited
        self.budgets, self.stages = budgets, stages
        self._limited |= new
        self._unrestored |= new
        for pot in self._pots.values():
            pot.limit = None

    def to_restore(self) -> tuple[str, ...]:
        unrestored, self._unrestored = self._unrestored, frozenset()
        return tuple(sorted(unrestored))

    def restore(self, account: Account, day: str, nano: Nano, names: tuple[str, ...]) -> None:
        """What was spent then, as the lines say that were kept; it counts for these alone."""
        for place in self._places(account, "", day):
            if place.scope != "session" and place.limited_by in names:
                self._pot(place).spent += nano

    def standing(self, account: Account, session_id: str, at_ms: int) -> Standing:
        found = Standing(None)
        for place, limit in self._limits(account, session_id, day_of(at_ms)):
            used = self._used(place, limit)
            stage = self.stages.at(used, limit)
            standing = Standing(stage, place.scope, place.period, limit, used)
            if standing.rank > found.rank:
                found = standing
        return found

    def room(self, account: Account, session_id: str, at_ms: int) -> Nano | None:
        limits = self._limits(account, session_id, day_of(at_ms))
        return min((limit - self._used(place, limit) for place, limit in limits), default=None)

    def reserve(
        self, account: Account, session_id: str, at_ms: int, worst: Nano
    ) -> Reservation | None:
        self._turn_to(day_of(at_ms))
        room = self.room(account, session_id, at_ms)
        if room is not None and room <= 0:
            return None
        return self.hold(account, session_id, at_ms, worst)

    def hold(self, account: Account, session_id: str, at_ms: int, worst: Nano) -> Reservation:
        """Reserve it, whether there is room or not: somebody else has looked."""
        day = day_of(at_ms)
        self._turn_to(day)
        places = list(self._places(account, session_id, day))
        for place in places:
            self._pot(place).reserved += worst
        for place, limit in self._limits(account, session_id, day):
            self._pot(place).limit = limit
        self._next += 1
        return Reservation(self._next - 1, worst, tuple(place.name for place in places))

    def settle(self, reservation: Reservation, nano: Nano) -> None:
        for name in reservation.pots:
            if (pot := self._pots.get(name)) is not None:
                pot.reserved -= reservation.nano
                pot.spent += nano

    def spend(self, line: Line) -> None:
        self._turn_to(line.day)
        for place in self._places(line.account, line.session_id, line.day):
            self._pot(place).spent += line.nano

    def forget(self, session_id: str) -> None:
        self._pots.pop(f"session/{session_id}", None)

    def pots(self, at_ms: int) -> Sequence[PotTold]:
        """Those of the day and the month, sessions' own left out."""
        return list(self._told(at_ms))

    # --- For a ledger of several ---------------------------------------------

    def pots_of(
        self, account: Account, session_id: str, day: str, names: Iterable[str] | None = None
    ) -> list[str]:
        """Names of the pots that the account spends from then; ``names``: of these limits alone."""
        places = self._places(account, session_id, day)
        return [place.name for place in places if names is None or place.limited_by in names]

    def limits_of(
        self, account: Account, session_id: str, day: str
    ) -> list[tuple[str, Standing, Nano]]:
        """Of each pot that has a limit for the account: its name, whose it is, and the limit."""
        return [
            (place.name, Standing(None, place.scope, place.period, limit), limit)
            for place, limit in self._limits(account, session_id, day)
        ]

    def spent(self) -> dict[str, Nano]:
        """In each pot, as far as it is known here."""
        return {name: pot.spent for name, pot in self._pots.items()}

    @staticmethod
    def name_of(pot: PotTold) -> str:
        return _Place(pot.scope, pot.period, pot.since, pot.tenant, pot.owner).name

    # --- Steps ---------------------------------------------------------------

    def _told(self, at_ms: int) -> Iterator[PotTold]:
        day = day_of(at_ms)
        for name in sorted(self._pots):
            pot, place = self._pots[name], self._pots[name].place
            if place.since not in (day, day[:7]):
                continue
            limit = pot.limit
            if limit is None:
                limit = getattr(self.budgets.of(_account_of(place)), place.limited_by)
            if limit is not None:
                yield PotTold(
                    scope=place.scope,
                    period=place.period,
                    since=place.since,
                    tenant=place.tenant,
                    owner=place.owner,
                    limit=limit,
                    spent=pot.spent,
                    reserved=pot.reserved,
                    stage=self.stages.at(pot.spent + pot.reserved, limit),
                )

    def _pot(self, place: _Place) -> _Pot:
        name = place.name
        if (pot := self._pots.get(name)) is None:
            pot = self._pots[name] = _Pot(place)
        return pot

    def _used(self, place: _Place, limit: Nano) -> Nano:
        pot = self._pots.get(place.name)
        if pot is None:
            return 0
        pot.limit = limit
        return pot.spent + pot.reserved

    def _limits(self, account: Account, session_id: str, day: str) -> Iterator[tuple[_Place, Nano]]:
        """Each pot that has a limit for the account, and that limit."""
        limits = self.budgets.of(account)
        for place in self._places(account, session_id, day):
            if (limit := getattr(limits, place.limited_by)) is not None:
                yield place, limit

    def _places(self, account: Account, session_id: str, day: str) -> Iterator[_Place]:
        """Each pot that the account spends from."""
        tenant, limited = account.tenant, self._limited
        if "session" in limited:
            yield _Place("session", "session", "", tenant, session_id)
        periods: tuple[tuple[Period, str], ...] = (("day", day), ("month", day[:7]))
        for period, since in periods:
            if f"user_{period}" in limited and account.user is not None:
                yield _Place("user", period, since, tenant, account.user)
            if f"key_{period}" in limited and account.key is not None:
                yield _Place("key", period, since, tenant, account.key)
            if f"tenant_{period}" in limited:
                yield _Place("tenant", period, since, tenant, "")

    def _turn_to(self, day: str) -> None:
        """Drop what nobody can spend from any more, but for what is still reserved in it."""
        if day <= self._newest_day:
            return
        self._newest_day = day
        alive = ("", day, day[:7])
        over = [
            name
            for name, pot in self._pots.items()
            if pot.place.since not in alive and not pot.reserved
        ]
        for name in over:
            del self._pots[name]


def _account_of(place: _Place) -> Account:
    """Whose pot it is, as far as that tells."""
    return Account(
        place.tenant,
        place.owner if place.scope == "user" else None,
        place.owner if place.scope == "key" else None,
    )


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
