"""A process's end of the bus to its supervisor."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

import msgspec

from antiphon.errors import AntiphonError
from antiphon.processes.commons import INTERFACES
from antiphon.processes.messages import (
    NOBODY_WAITS,
    Answer,
    Answers,
    Ask,
    Asked,
    Call,
    Freest,
    FromProcess,
    LinkTo,
    Question,
    Returned,
    ToProcess,
    question_in,
    raw,
)

log = logging.getLogger(__name__)

T = TypeVar("T")
CALL_TIMEOUT_S: Final = 5.0
MAX_WAITING: Final = 10_000
"""Overflow policy: a further call fails at once, as it would by the time it is answered."""


class BusLost(AntiphonError):
    """The supervisor does not answer."""


class Bus:
    """Args:
    send: Gives the supervisor a message.
    """

    def __init__(self, send: Callable[[FromProcess], None]) -> None:
        self.send = send
        self._ids = itertools.count(NOBODY_WAITS + 1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._answering: Callable[[Question], Awaitable[object]] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_lost = False

    def answer_by(self, answering: Callable[[Question], Awaitable[object]]) -> None:
        """Whoever asks from now on is told what this says."""
        self._answering = answering

    # --- Asking --------------------------------------------------------------

    async def call(self, service: str, method: str, *arguments: object) -> Any:
        """Raises:
        BusLost: nobody knows whether it was done.
        AntiphonError: what the method raises.
        """
        returned = await self._answer_to(
            lambda number: Call(number, service, method, raw(arguments))
        )
        return INTERFACES[service].value(method, returned)

    def tell(self, service: str, method: str, *arguments: object) -> None:
        """Call what returns nothing; it is done before all that is called later."""
        self.send(Call(NOBODY_WAITS, service, method, raw(arguments)))

    async def ask(self, question: Question, kind: type[T]) -> Mapping[str, T]:
        """What all others say who answer in time, by their names.

        Raises:
            BusLost: nobody was asked.
        """
        answers: Answers = await self._answer_to(lambda number: Ask(number, raw(question)))
        return {
            name: msgspec.msgpack.decode(value, type=kind) for name, value in answers.values.items()
        }

    def tell_others(self, question: Question) -> None:
        self.send(Ask(NOBODY_WAITS, raw(question)))

    async def link_to(self, process: str) -> int:
        """The number by which the connection will come that was asked for.

        Raises:
            BusLost: there is no such process any more.
        """
        returned = await self._answer_to(lambda number: LinkTo(number, process))
        if not msgspec.msgpack.decode(returned.value):
            raise BusLost(f"process {process} cannot be reached")
        return int(returned.id)

    async def freest(self) -> str:
        """The process that has the most room for one more session.

        Raises:
            BusLost: nobody knows.
        """
        returned = await self._answer_to(Freest)
        return msgspec.msgpack.decode(returned.value, type=str)

    async def _answer_to(self, message: Callable[[int], FromProcess]) -> Any:
        if self._is_lost or len(self._waiting) >= MAX_WAITING:
            raise BusLost("the supervisor is gone, or has too much to do")
        number = next(self._ids)
        waiting = self._waiting[number] = asyncio.get_running_loop().create_future()
        self.send(message(number))
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                return await waiting
        except TimeoutError:
            raise BusLost(f"the supervisor did not answer within {CALL_TIMEOUT_S:g} s") from None
        finally:
            del self._waiting[number]

    # --- Being told ----------------------------------------------------------

    def received(self, message: ToProcess) -> None:
        match message:
            case Returned() | Answers():
                waiting = self._waiting.get(message.id)
                if waiting is not None and not waiting.done():
                    waiting.set_result(message)
            case Asked():
                task = asyncio.get_running_loop().create_task(self._answer(message))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    def lost(self) -> None:
        """The supervisor is no more."""
        self._is_lost = True
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(BusLost("the supervisor has ended"))

    async def _answer(self, asked: Asked) -> None:
        question = question_in(asked.question)
        if self._answering is None:
            return
        try:
            value = await self._answering(question)
        except Exception:
            log.exception("%s could not be answered", type(question).__name__)
            return
        if asked.id != NOBODY_WAITS:
            self.send(Answer(asked.id, raw(value)))
