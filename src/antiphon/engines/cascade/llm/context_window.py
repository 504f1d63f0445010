"""What of a conversation a model's context takes, where the server says that it is full.  Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from antiphon.protocol.items import FunctionCall, FunctionCallOutput, Item


class ContextWindow:
    """One conversation's cut: it stays where it is until the context is full again.

    Core keeps to a number of tokens that it estimates; the server knows better.
    """

    def __init__(self) -> None:
        self._first_id: str | None = None

    def view(self, items: Sequence[Item]) -> tuple[Item, ...]:
        """``items`` from the last cut on."""
        for at, item in enumerate(items):
            if self._first_id is not None and item.id == self._first_id:
                return tuple(items[at:])
        return tuple(items)

    def keep(self, items: Sequence[Item]) -> None:
        """Begin here from now on."""
        first = items[0].id if items else None
        self._first_id = first if isinstance(first, str) else None


def newer_half(items: Sequence[Item]) -> tuple[Item, ...]:
    """The newest items that are at most half of all; the last one stays, with its call.

    Half at once: the prompt's beginning, which the server may have in its cache, then stays
    the same for as long as the conversation needs to grow as long again.
    """
    sizes = [len(msgspec.json.encode(item)) for item in items]
    start, left, last = 0, sum(sizes), _first_of_last(items)
    while start < last and left > sum(sizes) / 2:
        left -= sizes[start]
        start += 1
    return tuple(items[start:])


def _first_of_last(items: Sequence[Item]) -> int:
    """Where the last item begins; for a function's output, where its call is."""
    last = len(items) - 1
    if not items or not isinstance(item := items[last], FunctionCallOutput):
        return last
    calls = (
        at
        for at, call in enumerate(items)
        if isinstance(call, FunctionCall) and call.call_id == item.call_id
    )
    return next(calls, last)
