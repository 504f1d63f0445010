"""Budgets that act while a session goes on: before each answer it is asked whether it may begin.

What has to follow (a cheaper engine, no more voice, the end) is done where nothing of an answer has
been heard yet, so that nobody is cut off.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
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
from antiphon.core.effects import Effect, Generate
from antiphon.core.faults import Fault
from antiphon.engines.engine import Engine
from antiphon.errors import EngineUnavailable
from antiphon.metering.budgets import ORDER, Reservation, RestoredLedger, Stage, Standing
from antiphon.metering.lines import Account, Line
from antiphon.metering.meter import Meter
from antiphon.metering.money import Nano
from antiphon.metering.prices import PriceTable
from antiphon.protocol.closes import CloseCode
from antiphon.protocol.server import ErrorDetail, ResponseCreated, ResponseDone
from antiphon.runtime.foreseen import Foreseen
from antiphon.runtime.observer import Observer

log = logging.getLogger(__name__)

AFTER_SOUND_S = 0.5
LAST_WORDS_S = 15.0
"""How long a farewell may take to begin."""
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
    """Every session's, whether or not anybody's money is limited now; told of each line."""

    def __init__(
        self,
        session: Guarded,
        meter: Meter,
        prices: PriceTable,
        ledger: RestoredLedger,
        means: Means,
    ) -> None:
        self._session = session
        self._meter = meter
        self._ledger = ledger
        self._means = means
        self._reserved: dict[str, Reservation] = {}
        """By ids of responses, and names of their further rounds."""
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
        if command.response_id in self._reserved:
            return True  # Asked again, of another engine.
        standing = self._standing()
        # One beside the conversation's moves nothing: another may be heard just now.
        moves = not command.out_of_band and standing.stage != "end"
        if moves and self._goes_further(standing):
            return False
        worst = self._foreseen.worst(command)
        reservation = self._ledger.reserve(*self._who, worst)
        if reservation is None:
            self._refuse(command)
            return False
        self._worst = worst
        self._reserved[command.response_id] = reservation
        return True

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
        standing = self._standing()
        if standing.stage == "tell":
            self._goes_further(standing)
        elif self._reserved:
            pass  # What runs may end.
        elif standing.stage == "end" and (self._begins or line.kind == "time"):
            self._end(standing)
        elif self._begins and self._has_no_room_for_two():
            self._stop_beginning()

    def _settled_by(self, line: Line) -> Reservation | None:
        """What was reserved for the answer.  Its line has its further rounds too, those after
        functions that the server carried out.
        """
        if line.in_conversation:
            for name in self._reserved.keys() - self._meter.running - {line.source_id}:
                self._ledger.settle(self._reserved.pop(name), 0)
        return self._reserved.pop(line.source_id, None)

    def close(self) -> None:
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

    def _refuse(self, command: Generate) -> None:
        if command.out_of_band:
            self._session.tell(EngineFailed(command.response_id, SPENT, "budget_exceeded"))
        else:
            self._end(self._standing())

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
                reservation = self._ledger.reserve(*self._who, self._worst)
                if reservation is not None:
                    self._reserved[effect.response.id] = reservation

    def _has_no_room_for_two(self) -> bool:
        room = self._ledger.room(*self._who)
        return room is not None and room < 2 * self._worst

    def _stop_beginning(self) -> None:
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

    def _standing(self) -> Standing:
        return self._ledger.standing(*self._who)


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
