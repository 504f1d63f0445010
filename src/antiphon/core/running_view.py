"""The whole conversation as an answer sees it, kept as it grows.

Each answer asks for all of it, and little has changed since the last one: so what each item counts
and how engines see it is kept in order, up to the first item that has changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from antiphon.core.items import CallEntry, Entry, OutputEntry
from antiphon.core.usage import Tokens
from antiphon.protocol.items import Item


class Whole(NamedTuple):
    entries: tuple[Entry, ...]
    items: tuple[Item, ...]
    """The entries as engines see them."""
    tokens: Tokens
    has_orphans: bool
    """There is a function's output whose call is gone."""


class RunningView:
    """Args:
    count: What an item counts now.
    show: How engines see it now.
    """

    def __init__(self, count: Callable[[Entry], Tokens], show: Callable[[Entry], Item]) -> None:
        self._count = count
        self._show = show
        self._places: dict[str, int] = {}
        """Of those that are kept."""
        self._entries: list[Entry] = []
        self._items: list[Item] = []
        self._counts: list[Tokens] = []
        self._text = self._audio = self._image = 0
        self._calls: Counter[str] = Counter()
        self._outputs: Counter[str] = Counter()
        self._whole: Whole | None = None
        """Where nothing has changed since it was made."""

    def changed(self, item_id: str) -> None:
        """An item is another than it was, or is gone."""
        if (place := self._places.get(item_id)) is not None:
            self._keep(place)

    def inserted(self, after: str | None) -> None:
        """One has come after that item; None: before all others, "": behind them."""
        self._whole = None
        if after is None:
            self._keep(0)
        elif after and (place := self._places.get(after)) is not None:
            self._keep(place + 1)

    def whole(self, order: Sequence[str], entries: Mapping[str, Entry]) -> Whole:
        """``order`` has the ids of all items that there are now."""
        if self._whole is None:
            for item_id in order[len(self._entries) :]:
                self._add(entries[item_id])
            self._whole = Whole(
                tuple(self._entries),
                tuple(self._items),
                Tokens(self._text, self._audio, self._image),
                not self._calls.keys() >= self._outputs.keys(),
            )
        return self._whole

    def _add(self, entry: Entry) -> None:
        count = self._count(entry)
        self._places[entry.id] = len(self._entries)
        self._entries.append(entry)
        self._items.append(self._show(entry))
        self._counts.append(count)
        self._sum(count, 1)
        if isinstance(entry, CallEntry):
            self._calls[entry.call_id] += 1
        elif isinstance(entry, OutputEntry):
            self._outputs[entry.call_id] += 1

    def _keep(self, places: int) -> None:
        """Only so many of the first."""
        self._whole = None
        while len(self._entries) > places:
            entry = self._entries.pop()
            del self._places[entry.id]
            self._items.pop()
            self._sum(self._counts.pop(), -1)
            if isinstance(entry, CallEntry):
                _take_one(self._calls, entry.call_id)
            elif isinstance(entry, OutputEntry):
                _take_one(self._outputs, entry.call_id)

    def _sum(self, count: Tokens, times: int) -> None:
        self._text += times * count.text
        self._audio += times * count.audio
        self._image += times * count.image


def _take_one(counted: Counter[str], name: str) -> None:
    counted[name] -= 1
    if not counted[name]:
        del counted[name]
