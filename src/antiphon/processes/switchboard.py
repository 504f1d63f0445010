"""The supervisor's side of the bus: who is there, who asked whom, who gets the next client.

It does no I/O: whoever carries bytes gives it messages, and a way to send.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Raw

from antiphon.processes.commons import INTERFACES, Commons, Held
from antiphon.processes.messages import (
    NOBODY_WAITS,
    Answer,
    Answers,
    Ask,
    Asked,
    Call,
    Drains,
    Failed,
    Freest,
    FromProcess,
    LinkTo,
    Load,
    Question,
    Raised,
    Ready,
    Returned,
    ToProcess,
    question_in,
    raw,
)

log = logging.getLogger(__name__)

ANSWER_TIMEOUT_S: Final = 2.0
"""Who has not answered by then is left out."""
SILENT_S: Final = 2.0
"""One that has not told its load for so long gets no clients while another does."""
WORTH_A_WAY_ROUND: Final = 2
"""So many sessions fewer."""


class Line:
    """One process, as the supervisor sees it.

    Args:
        name: Of the process.
        send: Gives it a message.
        held: What it sees of the commons.
    """

    def __init__(self, name: str, send: Callable[[ToProcess], None], held: Held) -> None:
        self.name = name
        self.send = send
        self.held = held
        self._load = Load(sessions=0)
        self._loop = asyncio.get_running_loop()
        self._told_s = self._loop.time()
        self.sent_clients = 0
        """Since it told its load."""
        self.ready: asyncio.Future[Ready] = self._loop.create_future()
        """Fails with what it says of itself, or when it ends before."""

    @property
    def is_ready(self) -> bool:
        return self.ready.done() and self.ready.exception() is None

    @property
    def weight(self) -> tuple[bool, int]:
        """Who has the least gets the next client.  Late ones, which would refuse it, come last, and
        frozen ones too.
        """
        is_silent = self._loop.time() - self._told_s > SILENT_S
        sessions = max(self._load.sessions, self.held.count_sessions())
        return is_silent or not self._load.takes_sessions, sessions + self.sent_clients

    def tells(self, load: Load) -> None:
        self._load, self._told_s, self.sent_clients = load, self._loop.time(), 0


class CannotServe(Exception):
    """A process ended before it could be sent clients."""


class _Waiting:
    """A question that some have yet to answer."""

    def __init__(self, whom: set[str], told: Callable[[dict[str, Raw]], None]) -> None:
        self.missing = whom
        self.values: dict[str, Raw] = {}
        self.told = told
        self.timer: asyncio.TimerHandle | None = None


class Switchboard:
    """Args:
    commons: What all share.
    link: Connects two processes by their names; False: it cannot.
    """

    def __init__(self, commons: Commons, link: Callable[[str, str, int], bool]) -> None:
        self._commons = commons
        self._link = link
        self._lines: dict[str, Line] = {}
        self._waiting: dict[int, _Waiting] = {}
        self._ids = itertools.count(NOBODY_WAITS + 1)
        self._drains = Drains(on=False)

    @property
    def lines(self) -> Mapping[str, Line]:
        return self._lines

    # --- Coming and going ----------------------------------------------------

    def joined(self, name: str, send: Callable[[ToProcess], None]) -> Line:
        line = Line(name, send, self._commons.of_process())
        self._lines[name] = line
        return line

    def left(self, line: Line) -> None:
        """It has ended, however."""
        if self._lines.get(line.name) is not line:
            return
        del self._lines[line.name]
        line.held.give_back()
        if not line.ready.done():
            line.ready.set_exception(CannotServe(f"process {line.name} ended while it started"))
            line.ready.exception()  # Whoever waits is told; where nobody does, it is no news.
        for number in list(self._waiting):
            self._answered(number, line.name, None)

    def choose(self) -> list[Line]:
        """Who may get the next client, the best first."""
        there = [line for line in self._lines.values() if line.is_ready]
        return sorted(there, key=lambda line: line.weight)

    def _freer_than(self, line: Line) -> Line:
        """The best place for what has come to ``line``: another only where that is clearly better,
        as it costs a way round.
        """
        best = next(iter(self.choose()), line)
        (refuses, sessions), (best_refuses, best_sessions) = line.weight, best.weight
        is_better = refuses and not best_refuses
        is_freer = refuses == best_refuses and best_sessions + WORTH_A_WAY_ROUND <= sessions
        return best if is_better or is_freer else line

    # --- Messages ------------------------------------------------------------

    def received(self, line: Line, message: FromProcess) -> None:
        match message:
            case Call():
                returned = self.carry_out(line, message)
                if message.id != NOBODY_WAITS:
                    line.send(returned)
            case Ask():
                self._pass_on(line, message)
            case Answer():
                self._answered(message.id, line.name, message.value)
            case LinkTo():
                is_linked = self._link(line.name, message.process, message.id)
                line.send(Returned(message.id, raw(is_linked)))
            case Freest():
                line.send(Returned(message.id, raw(self._freer_than(line).name)))
            case Load():
                line.tells(message)
            case Ready():
                if self._drains.on:
                    line.send(Asked(NOBODY_WAITS, raw(self._drains)))
                line.ready.set_result(message)
            case Failed():
                line.ready.set_exception(CannotServe(message.message))

    def carry_out(self, line: Line, call: Call) -> Returned:
        """A call of what all share: each is one step, in the order in which they come."""
        service, interface = line.held.services.get(call.service), INTERFACES.get(call.service)
        if service is None or interface is None:
            log.error("process %s calls '%s', which is not there", line.name, call.service)
            return Returned(call.id, raised=Raised("AntiphonError", ("there is no such service",)))
        return interface.carry_out(service, call)

    async def ask_all(self, question: Question, within_s: float) -> dict[str, Raw | None]:
        """Of all processes that serve; None: it did not answer in time."""
        told: asyncio.Future[dict[str, Raw]] = asyncio.get_running_loop().create_future()

        def tell(values: dict[str, Raw]) -> None:
            if not told.done():
                told.set_result(values)

        whom = {name for name, line in self._lines.items() if line.is_ready}
        self._ask(whom, raw(question), tell, within_s)
        values = await told
        return {name: values.get(name) for name in sorted(whom)}

    def tell_all(self, question: Question) -> None:
        self._note(question)
        for line in self._lines.values():
            line.send(Asked(NOBODY_WAITS, raw(question)))

    # --- Steps ---------------------------------------------------------------

    def _note(self, question: Question) -> None:
        """One that is started anew shall drain too."""
        if isinstance(question, Drains) and question.on is not None:
            self._drains = question

    def _pass_on(self, line: Line, asked: Ask) -> None:
        self._note(question_in(asked.question))
        others = {name for name, other in self._lines.items() if other is not line}
        if asked.id == NOBODY_WAITS:
            for name in others:
                self._lines[name].send(Asked(NOBODY_WAITS, asked.question))
            return
        others = {name for name in others if self._lines[name].is_ready}
        self._ask(others, asked.question, lambda values: line.send(Answers(asked.id, values)))

    def _ask(
        self,
        whom: set[str],
        question: Raw,
        told: Callable[[dict[str, Raw]], None],
        within_s: float = ANSWER_TIMEOUT_S,
    ) -> None:
        if not whom:
            told({})
            return
        number = next(self._ids)
        waiting = self._waiting[number] = _Waiting(set(whom), told)
        loop = asyncio.get_running_loop()
        waiting.timer = loop.call_later(within_s, self._give_up, number)
        for name in whom:
            self._lines[name].send(Asked(number, question))

    def _answered(self, number: int, name: str, value: Raw | None) -> None:
        waiting = self._waiting.get(number)
        if waiting is None or name not in waiting.missing:
            return
        waiting.missing.discard(name)
        if value is not None:
            waiting.values[name] = value
        if not waiting.missing:
            self._done(number)

    def _give_up(self, number: int) -> None:
        missing = ", ".join(sorted(self._waiting[number].missing))
        log.warning("no answer in time from process %s", missing)
        self._done(number)

    def _done(self, number: int) -> None:
        waiting = self._waiting.pop(number)
        if waiting.timer is not None:
            waiting.timer.cancel()
        waiting.told(waiting.values)
