"""Functions that the server carries out itself: their calls are the engine's to see, nobody else's.

A response in which the engine calls one goes on once that is answered: the engine is asked again,
and what it says then is more of the same response.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator

from msgspec.structs import replace

from antiphon.core.causes import EngineCalled
from antiphon.core.effects import Effect
from antiphon.core.items import Entry
from antiphon.core.records import Recorder, ServerCall, ServerCallChanged
from antiphon.protocol.items import Item

MAX_KEPT = 64
"""Overflow policy: of the calls that later answers are shown, the oldest is left out."""
MAX_ROUNDS = 4
"""How often a response goes on; the last time it is offered no such functions any more."""


class ServerCalls:
    """Args:
    recorder: Where they are told to a log.
    past: Those of the conversation that goes on.
    """

    def __init__(self, recorder: Recorder, past: Iterable[ServerCall] = ()) -> None:
        self._recorder = recorder
        self._open: ServerCall | None = None
        """Its arguments are still coming."""
        self._kept: deque[ServerCall] = deque(past, maxlen=MAX_KEPT)
        self._asked: dict[str, dict[str, ServerCall]] = {}
        """Of responses that run: what was called since the engine was asked last, by item."""
        self._rounds: dict[str, int] = {}
        self._paused: set[str] = set()
        """Responses whose engine has ended its part."""

    def grow(
        self,
        news: EngineCalled,
        response_id: str,
        after: str | None,
        new_id: Callable[[], str],
        out: list[Effect],
    ) -> str | None:
        """More of a call's arguments.  Returns all of them, once they are whole."""
        call = self._open
        if call is None or call.call_id != news.call_id:
            call = ServerCall(
                item_id=new_id(), after=after, call_id=news.call_id, name=news.name, arguments=""
            )
        call = replace(call, arguments=call.arguments + news.arguments)
        if not news.ended:
            self._open = call
            return None
        self._open = None
        self._kept.append(call)
        self._asked.setdefault(response_id, {})[call.item_id] = call
        self._recorder.tell(ServerCallChanged(call), out)
        return call.arguments

    def answer(
        self, call_id: str, output: str, new_id: Callable[[], str], out: list[Effect]
    ) -> None:
        waiting = {call.item_id: call for call in self._kept}
        for asked in self._asked.values():
            waiting |= asked  # Also what is older than those that are kept.
        for call in waiting.values():
            if call.call_id == call_id and call.output is None:
                told = replace(call, output=output, output_id=new_id())
                self._put(told)
                self._recorder.tell(ServerCallChanged(told), out)

    def _put(self, told: ServerCall) -> None:
        for at, call in enumerate(self._kept):
            if call.item_id == told.item_id:
                self._kept[at] = told
        for asked in self._asked.values():
            if told.item_id in asked:
                asked[told.item_id] = told

    def pause(self, response_id: str) -> bool:
        """The engine has ended its part.  Returns whether there is more to come."""
        self._open = None
        if not self._asked.get(response_id):
            return False
        self._paused.add(response_id)
        return True

    def is_answered(self, response_id: str) -> bool:
        asked = self._asked.get(response_id, {})
        return all(call.output is not None for call in asked.values())

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

    @property
    def any_kept(self) -> bool:
        """Whether `among` adds anything."""
        return bool(self._kept)

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
