"""A session's meter, and what is done with its lines: kept, counted, told.

A line is appended to the journal before the events that tell of what it is for are sent, so that a
`response.done` that waits for its record has waited for its line as well.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from antiphon.core.causes import Cause, Costed, EngineBegan, Ms
from antiphon.core.effects import Effect
from antiphon.core.terms import Terms
from antiphon.identity.principal import Principal
from antiphon.journal.entries import Metered
from antiphon.journal.journal import Fate, Journal, Ticket
from antiphon.journal.line_table import LinesWanted
from antiphon.metering.bill import NOTHING, Dimension, Total, total_of
from antiphon.metering.lines import Account, Line, day_of
from antiphon.metering.meter import BilledAs, Meter, as_asked
from antiphon.metering.prices import PriceTable
from antiphon.protocol.server import ServerEvent
from antiphon.protocol.session import Session
from antiphon.protocol.unknown_names import UnknownNames
from antiphon.runtime.budget_guard import AskingAhead, BudgetGuard, Means
from antiphon.runtime.door import About
from antiphon.runtime.ledger_line import LedgerLine, known

if TYPE_CHECKING:
    from antiphon.runtime.session import LiveSession

log = logging.getLogger(__name__)
_unknown_budgets = UnknownNames(log, "budget '%s' is not in [budgets.plans]: %s holds")
RESTORED_AT_ONCE = 1_000
MAX_ALARMS = 1_000
"""Models without a price that are told, each once.  Overflow policy: further ones are not."""


class Metering:
    """Of all sessions of the process.

    Args:
        prices: What models cost.
        journal: Where lines are kept; None: they are only counted.
        billed_as: What is answered for, by its name among the prices.
        ledger: How much may be spent; None: any amount.
        means: What can be done where that comes to its end.
    """

    def __init__(
        self,
        prices: PriceTable,
        *,
        journal: Journal | None = None,
        billed_as: BilledAs = as_asked,
        ledger: LedgerLine | None = None,
        means: Means | None = None,
    ) -> None:
        self.ledger = ledger
        self.means = means or Means()
        self.prices = prices
        self.journal = journal
        self.billed_as = billed_as
        self.lost_lines = 0
        """That could not be written; each is in the log."""
        self.total = NOTHING
        """Of all lines since the process began."""
        self._alarmed: set[str] = set()
        self._on_line: list[Callable[[Line], None]] = []

    def on_line(self, told: Callable[[Line], None]) -> None:
        """Tell of each line, at once."""
        self._on_line.append(told)

    def use_prices(self, prices: PriceTable) -> None:
        """For sessions that begin from now on: one has the same prices to its end."""
        self.prices = prices
        self._alarmed.clear()  # What has no price among the new ones either is told again.

    async def restore(self, at_ms: int) -> None:
        """Read what was spent this month before it was limited: before the process began, or
        before a budget came.  A line that is written meanwhile may count twice: rather too much.

        Raises:
            JournalError: it cannot be read.
        """
        if self.ledger is None or self.journal is None or not self.ledger.budgets.any:
            return
        names = await known(self.ledger.to_restore())
        if not names:
            return
        by: tuple[Dimension, ...] = ("tenant", "user", "key", "day")
        wanted = LinesWanted(from_day=f"{day_of(at_ms)[:7]}-01")
        after: Sequence[str] | None = None
        while True:
            page = await self.journal.totals(wanted, by, after=after, limit=RESTORED_AT_ONCE)
            for (tenant, user, key, day), total in page.totals:
                account = Account(tenant, user or None, key or None)
                restored = self.ledger.restore(account, day, total.nano, names)
            if page.totals:
                await known(restored)  # One page at a time, however far the ledger is.
            if not page.has_more:
                return
            after = page.totals[-1][0]

    async def disown_lines(self, tenant: str, user: str) -> int:
        """Take the user's name from all lines that are kept; how many had it.

        Raises:
            JournalError: it could not be done.
        """
        return 0 if self.journal is None else await self.journal.disown_lines(tenant, user)

    def watch(self, session: LiveSession, terms: Terms) -> SessionMeter:
        """From its beginning on."""
        meter = self.meter(terms, session.about, session.tell)
        session.observe(meter)
        if self.ledger is not None:
            guard = BudgetGuard(session, meter.meter, self.prices, self.ledger, self.means)
            meter.guarded_by(guard)
            session.guards.add(guard.admits, answered=guard.answered)
            if not self.ledger.answers_at_once:
                session.observe(AskingAhead(guard))
        return meter

    def meter(self, terms: Terms, about: About, tell: Callable[[Cause], None]) -> SessionMeter:
        """For one session; ``tell`` gives it a cause."""
        meter = Meter(
            terms,
            self.account_of(about.principal),
            self.prices,
            conversation_id=about.conversation_id,
            billed_as=self.billed_as,
        )
        return SessionMeter(self, meter, tell)

    def account_of(self, principal: Principal) -> Account:
        """Who pays for what a bearer uses."""
        budget, ledger = principal.budget, self.ledger
        if ledger is None or not ledger.budgets.any or budget is None:
            pass  # Nobody's is limited.
        elif budget not in ledger.budgets.plans:
            _unknown_budgets.tell(budget, ledger.budgets.default_plan or "that of everyone")
        return Account(principal.tenant, principal.user, principal.key_name, budget)

    def charge(self, line: Line) -> None:
        """Keep it, count it, and tell those who want to know."""
        self.total += total_of(line)
        if line.is_unpriced:
            self._alarm(line)
        if self.journal is not None:
            entry = Metered(at_s=line.at_ms / 1000, session_id=line.session_id, line=line)
            ticket = self.journal.append(line.conversation_id, entry)
            ticket.then(lambda settled: self._settled(settled, line), hurry=False)
        for told in self._on_line:
            told(line)

    def _alarm(self, line: Line) -> None:
        if line.billed_as in self._alarmed or len(self._alarmed) >= MAX_ALARMS:
            return
        self._alarmed.add(line.billed_as)
        kinds = ", ".join(charge.kind for charge in line.charges if charge.nano is None)
        log.warning(
            "model '%s' has no price for %s: that is in no sum; add it to [[metering.prices]]",
            line.billed_as[:100],
            kinds,
        )

    def _settled(self, ticket: Ticket, line: Line) -> None:
        if ticket.fate is Fate.LOST:
            self.lost_lines += 1
            log.error(
                "the journal lost a line of the bill: %s, %d nano-dollars, tenant %s",
                line.id,
                line.nano,
                line.account.tenant,
            )


class SessionMeter:
    """An `Observer`."""

    def __init__(self, metering: Metering, meter: Meter, tell: Callable[[Cause], None]) -> None:
        self.total: Total = NOTHING
        """Of this session so far."""
        self._metering = metering
        self.meter = meter
        self.on_line: Callable[[Line], None] = lambda _: None
        self._tell = tell
        self._guard: BudgetGuard | None = None

    def guarded_by(self, guard: BudgetGuard) -> None:
        """It is told what the session costs, and of answers that nobody asked for."""
        self._guard, self.on_line = guard, guard.charged

    def saw(self, now_ms: Ms, cause: Cause, effects: Sequence[Effect]) -> None:
        for line in self.meter.saw(now_ms, cause, effects):
            self._charge(line)
            self._tell_of(line)
        if self._guard is not None and type(cause) is EngineBegan:
            self._guard.began(effects)

    def followed(self, now_ms: Ms, event: ServerEvent, session: Session) -> None:
        """As `Meter.followed`; in place of what would be seen here."""
        for line in self.meter.followed(now_ms, event, session):
            self._charge(line)

    def close(self) -> None:
        for line in self.meter.ended():
            self._charge(line)  # Nobody is told any more.
        if self._guard is not None:
            self._guard.close()

    def _charge(self, line: Line) -> None:
        self.total += total_of(line)
        self._metering.charge(line)
        self.on_line(line)

    def _tell_of(self, line: Line) -> None:
        is_response = line.kind in ("response", "speech")
        source_id = line.source_id if is_response else line.source_id.rpartition(".")[0]
        self._tell(
            Costed(
                kind=line.kind,
                source_id=source_id,
                nano_usd=line.nano,
                session_nano_usd=self.total.nano,
                is_estimated=line.is_estimated,
                is_unpriced=line.is_unpriced,
            )
        )
