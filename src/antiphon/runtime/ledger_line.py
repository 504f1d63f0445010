"""A line to the ledger of budgets, which may be far away: what is told there waits for nobody, and
what is asked is known at once, or later.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, NamedTuple, TypeVar

from antiphon.metering.budgets import (
    Budgets,
    PotTold,
    Reservation,
    RestoredLedger,
    Stages,
    Standing,
)
from antiphon.metering.lines import Account, Line
from antiphon.metering.money import Nano

log = logging.getLogger(__name__)

T = TypeVar("T")
MAX_WAITING: Final = 10_000
"""Overflow policy: what more is told is lost, and answers go unreserved; the log says so."""


class Entry(NamedTuple):
    """Of one who is about to spend."""

    standing: Standing
    """As it was before."""
    reservation: Reservation | None
    """None: all is spent, or reserved."""


class LedgerLine:
    """To one in the memory of this process: all is known at once.  Methods as of `RestoredLedger`;
    what is told and asked is done in that order.
    """

    answers_at_once = True
    """Nothing need be asked ahead."""

    def __init__(self, ledger: RestoredLedger) -> None:
        self._ledger = ledger

    @property
    def budgets(self) -> Budgets:
        return self._ledger.budgets

    def use(self, budgets: Budgets, stages: Stages) -> None:
        self._do(lambda: self._ledger.use(budgets, stages), None)

    def enter(self, account: Account, session_id: str, at_ms: int, worst: Nano) -> Future[Entry]:
        """How far it is, and a reservation of ``worst``."""

        def enter() -> Entry:
            standing = self._ledger.standing(account, session_id, at_ms)
            return Entry(standing, self._ledger.reserve(account, session_id, at_ms, worst))

        return self._do(enter, Entry(Standing(None), Reservation(0, worst, ())))

    def standing(self, account: Account, session_id: str, at_ms: int) -> Future[Standing]:
        return self._do(lambda: self._ledger.standing(account, session_id, at_ms), Standing(None))

    def room(self, account: Account, session_id: str, at_ms: int) -> Future[Nano | None]:
        return self._do(lambda: self._ledger.room(account, session_id, at_ms), None)

    def settle(self, reservation: Reservation, nano: Nano) -> None:
        self._do(lambda: self._ledger.settle(reservation, nano), None)

    def spend(self, line: Line) -> None:
        self._do(lambda: self._ledger.spend(line), None)

    def forget(self, session_id: str) -> None:
        self._do(lambda: self._ledger.forget(session_id), None)

    def to_restore(self) -> Future[tuple[str, ...]]:
        return self._do(self._ledger.to_restore, ())

    def restore(
        self, account: Account, day: str, nano: Nano, names: tuple[str, ...]
    ) -> Future[None]:
        return self._do(lambda: self._ledger.restore(account, day, nano, names), None)

    def pots(self, at_ms: int) -> Future[Sequence[PotTold]]:
        return self._do(lambda: self._ledger.pots(at_ms), ())

    def close(self) -> None:
        """Nobody is asked any more; what was told is still done."""

    def _do(self, what: Callable[[], T], instead: T) -> Future[T]:
        """``instead``: what is said where it cannot be done."""
        del instead
        done: Future[T] = Future()
        done.set_result(what())
        return done


class FarLedgerLine(LedgerLine):
    """To one that is waited for: a thread does that, one question after the other, so that the
    event loop never does.
    """

    answers_at_once = False

    def __init__(self, ledger: RestoredLedger) -> None:
        super().__init__(ledger)
        self._budgets = ledger.budgets
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="antiphon-ledger")
        self._asked = self._answered = 0
        """How many questions: the one counts on the event loop, the other in the thread."""
        self._is_full = self._is_closed = False

    @property
    def budgets(self) -> Budgets:
        return self._budgets

    def use(self, budgets: Budgets, stages: Stages) -> None:
        self._budgets = budgets
        super().use(budgets, stages)

    def close(self) -> None:
        self._is_closed = True
        self._thread.shutdown(wait=False)

    def _do(self, what: Callable[[], T], instead: T) -> Future[T]:
        is_full = self._asked - self._answered >= MAX_WAITING
        if is_full and not self._is_full:
            log.error("budgets: %d questions wait; what more is spent is lost", MAX_WAITING)
        self._is_full = is_full
        if is_full or self._is_closed:
            lost: Future[T] = Future()
            lost.set_result(instead)
            return lost
        self._asked += 1

        def ask() -> T:
            try:
                return what()
            except Exception:
                log.exception("budgets: a question failed")
                return instead
            finally:
                self._answered += 1

        return self._thread.submit(ask)


def when_known(future: Future[T], then: Callable[[T], None]) -> None:
    """Now, or on the event loop once it is known."""
    if future.done():
        then(future.result())
        return
    loop = asyncio.get_running_loop()

    def tell(future: Future[T]) -> None:
        with contextlib.suppress(RuntimeError):  # The loop is closed: nobody waits any more.
            loop.call_soon_threadsafe(then, future.result())

    future.add_done_callback(tell)


async def known(future: Future[T]) -> T:
    return future.result() if future.done() else await asyncio.wrap_future(future)
