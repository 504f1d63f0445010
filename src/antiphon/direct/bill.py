"""What a call costs that another server holds, and the end of its budget.

Nobody asks here before an answer begins there.  So it is reserved for as it begins, and where
nothing is left it is stopped, and the call hung up.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Protocol

from antiphon.metering.budgets import Reservation, Standing
from antiphon.metering.lines import Account, Line
from antiphon.protocol.server import ResponseCreated, ServerEvent
from antiphon.protocol.session import Session
from antiphon.runtime.foreseen import Foreseen
from antiphon.runtime.ledger_line import Entry, LedgerLine, when_known
from antiphon.runtime.metering import SessionMeter

LAST_BILL_S = 3.0
"""How long the bill of an answer that was stopped is waited for."""


class Budgeted(Protocol):
    """What is asked of the call."""

    def on_budget(self, standing: Standing) -> None:
        """So much is spent that those who look on are told."""
        ...

    def stop_answering(self) -> None: ...

    def on_spent(self) -> None:
        """Nothing is left: the call must end."""
        ...


class CallBill:
    """Args:
    meter: Its lines.
    foreseen: What its next answer may cost.
    ledger: How much may be spent; None: any amount.
    """

    def __init__(
        self, call: Budgeted, meter: SessionMeter, foreseen: Foreseen, ledger: LedgerLine | None
    ) -> None:
        self.meter = meter
        self._call = call
        self._foreseen = foreseen
        self._ledger = ledger
        self._began_s = asyncio.get_running_loop().time()
        self._reserved: dict[str, Reservation] = {}
        """By ids of responses."""
        self._asked: set[str] = set()
        """Those about which the ledger has not said anything yet."""
        self._told_rank = 0
        self._ending: asyncio.TimerHandle | None = None
        meter.on_line = self._charged

    def saw(self, event: ServerEvent, session: Session) -> None:
        """The other server told of it; ``session`` is as it is then."""
        now_s = asyncio.get_running_loop().time()
        self.meter.followed(round((now_s - self._began_s) * 1000), event, session)
        if isinstance(event, ResponseCreated) and self._ledger is not None:
            self._reserve(event.response.id, self._ledger)

    def close(self) -> None:
        """The call is over."""
        if self._ending is not None:
            self._ending.cancel()
        self.meter.close()
        if self._ledger is not None:
            for reservation in self._reserved.values():
                self._ledger.settle(reservation, 0)
            self._reserved.clear()
            self._asked.clear()
            self._ledger.forget(self.meter.meter.session_id)
            self._ledger = None

    # --- Steps ---------------------------------------------------------------

    def _reserve(self, response_id: str, ledger: LedgerLine) -> None:
        self._asked.add(response_id)
        entry = ledger.enter(*self._who, self._foreseen.worst(None))
        when_known(entry, partial(self._known, response_id, ledger))

    def _known(self, response_id: str, ledger: LedgerLine, entry: Entry) -> None:
        reservation = entry.reservation
        if response_id not in self._asked:  # It is over already.
            if reservation is not None:
                ledger.settle(reservation, 0)
            return
        self._asked.discard(response_id)
        if reservation is not None:
            self._reserved[response_id] = reservation
            return
        self._call.stop_answering()
        if self._ending is None:
            loop = asyncio.get_running_loop()
            self._ending = loop.call_later(LAST_BILL_S, self._call.on_spent)

    def _charged(self, line: Line) -> None:
        if line.kind == "response":
            self._foreseen.note(line)
        if self._ledger is None:
            return
        self._asked.discard(line.source_id)
        reservation = self._reserved.pop(line.source_id, None)
        if reservation is None:
            self._ledger.spend(line)
        else:
            self._ledger.settle(reservation, line.nano)
        when_known(self._ledger.standing(*self._who), self._stands)

    def _stands(self, standing: Standing) -> None:
        if self._ledger is None:
            return
        if standing.stage is not None and standing.rank > self._told_rank:
            self._told_rank = standing.rank
            self._call.on_budget(standing)
        if standing.stage == "end" and not self._reserved:
            self._call.on_spent()

    @property
    def _who(self) -> tuple[Account, str, int]:
        meter = self.meter.meter
        return meter.account, meter.session_id, meter.at_ms
