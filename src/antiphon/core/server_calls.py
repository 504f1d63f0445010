"""Functions that the server carries out itself: their calls are the engine's to see, nobody else's.

A response in which the engine calls one goes on once that is answered: the engine is asked again,
and what it says then is more of the same response.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from antiphon.core.causes import EngineCalled
from antiphon.core.items import Entry
from antiphon.protocol.items import FunctionCall, FunctionCallOutput, Item

MAX_KEPT = 64
"""Overflow policy: of the calls that later answers are shown, the oldest is left out."""
MAX_ROUNDS = 4
"""How often a response goes on; the last time it is offered no such functions any more."""


@dataclass(slots=True)
class _Call:
    after: str | None
    """The item before it; None: it is the first."""
    item_id: str
    call_id: str
    name: str
    asked: str = ""
    """Its arguments."""
    told: str | None = None
    """Its output."""
    told_id: str = ""

    def items(self) -> Iterator[Item]:
        yield FunctionCall(
            id=self.item_id,
            status="completed",
            name=self.name,
            call_id=self.call_id,
            arguments=self.asked,
        )
        if self.told is not None:
            yield FunctionCallOutput(
                id=self.told_id, status="completed", call_id=self.call_id, output=self.told
            )


class ServerCalls:
    def __init__(self) -> None:
        self._open: _Call | None = None
        """Its arguments are still coming."""
        self._kept: deque[_Call] = deque(maxlen=MAX_KEPT)
        self._asked: dict[str, list[_Call]] = {}
        """Of responses that run: what was called since the engine was asked last."""
        self._rounds: dict[str, int] = {}
        self._paused: set[str] = set()
        """Responses whose engine has ended its part."""

    def grow(
        self, news: EngineCalled, response_id: str, after: str | None, new_id: Callable[[], str]
    ) -> str | None:
        """More of a call's arguments.  Returns all of them, once they are whole."""
        call = self._open
        if call is None or call.call_id != news.call_id:
            call = self._open = _Call(after, new_id(), news.call_id, news.name)
        call.asked += news.arguments
        if not news.ended:
            return None
        self._open = None
        self._kept.append(call)
        self._asked.setdefault(response_id, []).append(call)
        return call.asked

    def answer(self, call_id: str, output: str, new_id: Callable[[], str]) -> None:
        for call in self._kept:
            if call.call_id == call_id and call.told is None:
                call.told, call.told_id = output, new_id()

    def pause(self, response_id: str) -> bool:
        """The engine has ended its part.  Returns whether there is more to come."""
        self._open = None
        if not self._asked.get(response_id):
            return False
        self._paused.add(response_id)
        return True

    def is_answered(self, response_id: str) -> bool:
        return all(call.told is not None for call in self._asked.get(response_id, ()))

    def is_paused(self, response_id: str) -> bool:
        return response_id in self._paused

    def go_on(self, response_id: str) -> bool:
        """Returns whether it may call again."""
        self._paused.discard(response_id)
        self._asked.pop(response_id, None)
        self._rounds[response_id] = self._rounds.get(response_id, 0) + 1
        return self._rounds[response_id] < MAX_ROUNDS

    def end(self, response_id: str) -> None:
        """The response is over; its calls stay known."""
        self._open = None
        self._paused.discard(response_id)
        self._asked.pop(response_id, None)
        self._rounds.pop(response_id, None)

    def among(self, entries: Iterable[Entry], shown: Callable[[Entry], Item]) -> Iterator[Item]:
        """The items as an engine is to see them, with the calls where they were made."""
        if not self._kept:
            yield from map(shown, entries)
            return
        yield from self._after(None)
        for entry in entries:
            yield shown(entry)
            yield from self._after(entry.id)

    def _after(self, item_id: str | None) -> Iterator[Item]:
        for call in self._kept:
            if call.after == item_id:
                yield from call.items()
