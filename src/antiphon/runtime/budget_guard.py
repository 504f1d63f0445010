"""Budgets that act while a session goes on: before each answer it is asked whether it may begin.

What has to follow (a cheaper engine, no more voice, the end) is done where nothing of an answer has
been heard yet, so that nobody is cut off.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from antiphon.core.causes import (
    BudgetReached,
    Cause,
    EngineErred,
    EngineFailed,
    EngineSpoke,
    Ms,
)
from antiphon.core.effects import Effect, Generate, InputDropped, TurnBegan
from antiphon.core.faults import Fault
from antiphon.engines.engine import Engine
from antiphon.errors import EngineUnavailable
from antiphon.metering.budgets import ORDER, Reservation, Stage, Standing
from antiphon.metering.lines import Account, Line
from antiphon.metering.meter import Meter
from antiphon.metering.money import Nano, proportion
from antiphon.metering.prices import PriceTable
from antiphon.protocol.closes import CloseCode
from antiphon.protocol.server import ErrorDetail, Response, ResponseCreated, ResponseDone
from antiphon.runtime.foreseen import Foreseen
from antiphon.runtime.ledger_line import Entry, LedgerLine, when_known
from antiphon.runtime.observer import Observer

log = logging.getLogger(__name__)

AFTER_SOUND_S = 0.5
LAST_WORDS_S = 15.0
"""How long a farewell may take to begin."""
MORE_PERCENT = 25
"""What is asked for ahead, beyond what the last answer might have cost: the next one sees more."""
SPENT = "The budget is spent; the session ends here."
MOVED = "The budget is nearly spent: "


class Guarded(Protocol):
    """What a guard asks of its session."""

    @property
    def id(self) -> str: ...

    @property
    def engine(self) -> Engine:
        """The one that serves."""
        ...

    def ask(self, command: Generate) -> None:
        """Let the engine be asked for the answer, now that this is decided."""
        ...

    def observe(self, observer: Observer) -> None: ...

    def tell(self, cause: Cause) -> None: ...

    def move(self, *, model: str | None = None, voice: str | None = None) -> None: ...

    def go_on_with(self, engine: Engine, message: str, code: str) -> None: ...

    def close(self, code: int, reason: str) -> None: ...


class Means(Struct, frozen=True, kw_only=True):
    """What can be done where a budget comes to its end."""

    cheaper_model: str | None = None
    text_only: Callable[[Engine], Engine] | None = None
    farewell: Engine | None = None
    """None: the session ends without words."""
    asked: Callable[[Engine], Engine | None] = lambda _: None
    """For one that answers of itself, the same where it waits to be asked."""


class BudgetGuard:
    """Every session's, whether or not anybody's money is limited now; told of each line.

    Where the ledger is far away, an answer is held back until it has said whether there is money
    for it; so that few wait, it is asked while the user still speaks (`ask_ahead`).
    """

    def __init__(
        self,
        session: Guarded,
        meter: Meter,
        prices: PriceTable,
        ledger: LedgerLine,
        means: Means,
    ) -> None:
        self._session = session
        self._meter = meter
        self._ledger = ledger
        self._means = means
        self._reserved: dict[str, Reservation] = {}
        """By ids of responses, and names of their further rounds."""
        self._held: dict[str, Generate] = {}
        """Answers about which the ledger has not said anything yet, by the same names."""
        self._ahead: Future[Entry] | None = None
        """What was asked before there was an answer to ask for."""
        self._asked_nano: Nano = 0
        """Whether there is so much, for that answer."""
        self._last: Generate | None = None
        """What was asked for last, where it is of use for that."""
        self._sound: dict[str, Nano] = {}
        """What that of answers cost whose lines follow."""
        self._done: Stage | None = None
        """What has been done so far."""
        self._foreseen = Foreseen(meter, prices)
        self._worst = 0

    # --- Before an answer ----------------------------------------------------

    def admits(self, command: Generate) -> bool:
        """Whether the engine is to be asked for it now.  Where not, the session has moved on, and
        asks again by itself.
        """
        if self._done == "end":
            return self._session.engine is self._means.farewell
        if not self._ledger.budgets.any:
            return True
        name = command.response_id
        if name in self._reserved:
            return True  # Asked again, of another engine.
        if name in self._held:
            self._held[name] = command
            return False
        if not self._ledger.answers_at_once:
            self._last = command
        entry = self._entry(command)
        if entry.done():
            return self._decide(command, entry.result())
        self._held[name] = command
        when_known(entry, partial(self._known_late, name))
        return False

    def _entry(self, command: Generate) -> Future[Entry]:
        worst = self._foreseen.worst(command)
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            is_refused = ahead.done() and ahead.result().reservation is None
            if self._asked_nano >= worst and not is_refused:
                return ahead
            when_known(ahead, self._give_back)
        return self._ledger.enter(*self._who, worst)

    def _known_late(self, name: str, entry: Entry) -> None:
        command = self._held.pop(name, None)
        if command is None:  # It has ended meanwhile.
            self._give_back(entry)
        elif self._decide(command, entry):
            self._session.ask(command)

    def _decide(self, command: Generate, entry: Entry) -> bool:
        standing, reservation = entry
        # One beside the conversation's moves nothing: another may be heard just now.
        moves = not command.out_of_band and standing.stage != "end"
        if self._done == "end" or (moves and self._goes_further(standing)):
            self._give_back(entry)
            return False
        if reservation is None:
            self._refuse(command, standing)
            return False
        self._worst = reservation.nano
        self._reserved[command.response_id] = reservation
        return True

    def _give_back(self, entry: Entry) -> None:
        if entry.reservation is not None:
            self._ledger.settle(entry.reservation, 0)

    def answered(self, response: Response) -> None:
        """It is over; what is held back of it will not be asked for."""
        self._held.pop(response.id, None)
        if response.conversation_id is not None:  # Its further rounds go by other names.
            for name in self._held.keys() - self._meter.running:
                del self._held[name]

    def ask_ahead(self) -> None:
        """Somebody speaks: there will be an answer, probably like the last one."""
        if self._ahead is not None or self._done == "end" or self._begins:
            return
        if self._ledger.budgets.any:
            speaks = self._session.engine.abilities.speaks
            last = self._foreseen.worst(self._last, speaks=speaks)
            self._asked_nano = proportion(100 + MORE_PERCENT, last, 100)
            self._ahead = self._ledger.enter(*self._who, self._asked_nano)

    def nothing_said(self) -> None:
        """There will be no answer."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            when_known(ahead, self._give_back)

    # --- What it cost --------------------------------------------------------

    def charged(self, line: Line) -> None:
        """What was reserved for it is settled."""
        if not self._reserved and not self._ledger.budgets.any:
            return
        if line.kind == "speech" and line.source_id in self._reserved:
            self._sound[line.source_id] = line.nano
            return  # It is a part of what was reserved for its answer, whose line follows.
        reservation = None
        if line.kind == "response" and not line.is_correction:
            reservation = self._settled_by(line)
            self._foreseen.note(line)
        if reservation is None:
            self._ledger.spend(line)
        else:
            self._ledger.settle(reservation, line.nano + self._sound.pop(line.source_id, 0))
        if self._done == "end":
            return
        is_time = line.kind == "time"
        when_known(self._ledger.standing(*self._who), partial(self._stands, is_time=is_time))

    def _stands(self, standing: Standing, *, is_time: bool) -> None:
        """After a line; ``is_time``: of the time that went by."""
        if self._done == "end":
            return
        if standing.stage == "tell":
            self._goes_further(standing)
        elif self._reserved or self._held:
            pass  # What runs may end.
        elif standing.stage == "end" and (self._begins or is_time):
            self._end(standing)
        elif self._begins:
            when_known(self._ledger.room(*self._who), self._has_room)

    def _settled_by(self, line: Line) -> Reservation | None:
        """What was reserved for the answer.  Its line has its further rounds too, those after
        functions that the server carried out.
        """
        if line.in_conversation:
            for name in self._reserved.keys() - self._meter.running - {line.source_id}:
                self._ledger.settle(self._reserved.pop(name), 0)
        return self._reserved.pop(line.source_id, None)

    def close(self) -> None:
        self._done = "end"
        self.nothing_said()
        self._held.clear()
        for reservation in self._reserved.values():
            self._ledger.settle(reservation, 0)
        self._reserved.clear()
        self._ledger.forget(self._session.id)

    # --- What follows --------------------------------------------------------

    def _goes_further(self, standing: Standing) -> bool:
        """Do what follows, if it was not done; returns whether another engine serves now."""
        if standing.rank <= ORDER.index(self._done):
            return False
        before, self._done = ORDER.index(self._done), standing.stage
        self._tell(standing)
        try:
            for stage in reversed(ORDER[before + 1 : standing.rank + 1]):
                if self._do(stage):
                    return True
        except (EngineUnavailable, Fault) as error:
            log.warning("session %s: budget: %s", self._session.id, error)
        return False

    def _do(self, stage: Stage | None) -> bool:
        means = self._means
        if stage == "cheaper" and means.cheaper_model is not None:
            self._session.move(model=means.cheaper_model)
            return True
        if stage == "text" and means.text_only is not None:
            if not self._session.engine.abilities.speaks:
                return False
            written = means.text_only(self._session.engine)
            self._session.go_on_with(written, MOVED + "answers are text now.", "budget_text")
            return True
        return False

    def _refuse(self, command: Generate, standing: Standing) -> None:
        if command.out_of_band:
            self._session.tell(EngineFailed(command.response_id, SPENT, "budget_exceeded"))
        else:
            self._end(standing)

    def _end(self, standing: Standing) -> None:
        self._done = "end"
        self._tell(replace(standing, stage="end"))
        detail = ErrorDetail(type="insufficient_quota", code="budget_exceeded", message=SPENT)
        self._session.tell(EngineErred(detail))
        log.info("session %s: its %s budget is spent", self._session.id, standing.scope)
        farewell = self._means.farewell
        self._session.observe(LastWords(self._session, farewell))
        if farewell is not None:
            self._session.go_on_with(farewell, SPENT, "budget_exceeded")

    def _tell(self, standing: Standing) -> None:
        assert standing.stage is not None, "there is something to tell"
        self._session.tell(
            BudgetReached(
                stage=standing.stage,
                scope=standing.scope,
                period=standing.period,
                limit_nano_usd=standing.limit,
                spent_nano_usd=standing.spent,
            )
        )

    # --- An engine that answers of itself ------------------------------------

    def began(self, effects: Sequence[Effect]) -> None:
        """It is reserved for all the same; without room, the end comes after it."""
        if self._done == "end" or not self._ledger.budgets.any:
            return
        for effect in effects:
            if isinstance(effect, ResponseCreated):
                self._worst = self._foreseen.worst(
                    None, speaks=self._session.engine.abilities.speaks
                )
                entry = self._ledger.enter(*self._who, self._worst)
                when_known(entry, partial(self._reserve_begun, effect.response.id))

    def _reserve_begun(self, name: str, entry: Entry) -> None:
        if self._done == "end" or name not in self._meter.running:
            self._give_back(entry)
        elif entry.reservation is not None:
            self._reserved[name] = entry.reservation

    def _has_room(self, room: Nano | None) -> None:
        """For so much more; None: for any amount."""
        if self._done == "end" or room is None or room >= 2 * self._worst:
            return
        waits = self._means.asked(self._session.engine)
        if waits is not None:
            message = MOVED + "each answer is asked for now."
            self._session.go_on_with(waits, message, "budget_asked")

    @property
    def _begins(self) -> bool:
        return self._session.engine.abilities.full_duplex

    # --- How much ------------------------------------------------------------

    @property
    def _who(self) -> tuple[Account, str, int]:
        return self._meter.account, self._session.id, self._meter.at_ms


class AskingAhead:
    """An `Observer` that lets a guard ask while the user still speaks."""

    def __init__(self, guard: BudgetGuard) -> None:
        self._guard = guard

    def saw(self, now_ms: Ms, cause: Cause, effects: Sequence[Effect]) -> None:
        del now_ms, cause
        for effect in effects:
            if type(effect) is TurnBegan:
                self._guard.ask_ahead()
            elif type(effect) is InputDropped:
                self._guard.nothing_said()

    def close(self) -> None: ...


class LastWords:
    """An `Observer` of a session whose budget is spent: it ends once the farewell was heard.

    Args:
        farewell: Who says it; None: it ends at once.
    """

    def __init__(self, session: Guarded, farewell: Engine | None) -> None:
        self._session = session
        self._farewell = farewell
        self._sound_ends_s = 0.0
        self._loop = asyncio.get_running_loop()
        delay_s = 0.0 if farewell is None else LAST_WORDS_S
        self._timer = self._loop.call_later(delay_s, self._end)

    def saw(self, now_ms: Ms, cause: Cause, effects: Sequence[Effect]) -> None:
        del now_ms
        now_s = self._loop.time()
        if isinstance(cause, EngineSpoke):
            self._sound_ends_s = max(self._sound_ends_s, now_s) + len(cause.pcm) / 48_000
        if self._farewell is None or self._session.engine is not self._farewell:
            return
        for effect in effects:
            if not isinstance(effect, ResponseDone) or effect.response.conversation_id is None:
                continue
            if effect.response.status != "failed":
                self._timer.cancel()
                at_s = max(self._sound_ends_s, now_s) + AFTER_SOUND_S
                self._timer = self._loop.call_at(at_s, self._end)

    def close(self) -> None:
        self._timer.cancel()

    def _end(self) -> None:
        self._session.close(CloseCode.NORMAL, SPENT)
