"""The conversation's items, in order."""

from __future__ import annotations

from collections.abc import Iterator

from antiphon.core.faults import Fault
from antiphon.core.items import MAX_AUDIO_BYTES, Entry

MAX_ITEMS = 10_000
"""Overflow policy: a client's new item is refused; a session's hour does not get there by voice."""


class History:
    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._order: list[str] = []
        self._audio: dict[str, int] = {}
        """How many bytes of audio an item brought, oldest first."""
        self._audio_bytes = 0
        self._reserved: set[str] = set()

    def __iter__(self) -> Iterator[Entry]:
        return (self._entries[item_id] for item_id in self._order)

    def __len__(self) -> int:
        return len(self._order)

    def get(self, item_id: str) -> Entry | None:
        return self._entries.get(item_id)

    @property
    def held_audio_bytes(self) -> int:
        """The audio of all items, also of those that are not finished."""
        return sum(_audio_size(entry) for entry in self)

    @property
    def last_id(self) -> str | None:
        return self._order[-1] if self._order else None

    def previous_id(self, item_id: str) -> str | None:
        """The id before an item; None for the first one, and for one that is gone."""
        if item_id not in self._entries:
            return None
        # Nearly always asked of a new item, so look from the end.
        at = len(self._order) - 1
        while self._order[at] != item_id:
            at -= 1
        return self._order[at - 1] if at else None

    def reserve(self, item_id: str) -> None:
        """An item that is to come has its id already: nobody else may take it."""
        self._reserved.add(item_id)

    def release(self, item_id: str) -> None:
        self._reserved.discard(item_id)

    def is_reserved(self, item_id: str) -> bool:
        return item_id in self._reserved

    def check_place(self, previous_item_id: str | None) -> None:
        """Raises:
        Fault: there is no such item to put something after.
        """
        if len(self._order) >= MAX_ITEMS:
            raise Fault(
                "invalid_request_error",
                f"The conversation already has {MAX_ITEMS} items; delete some first.",
            )
        if (
            previous_item_id
            and previous_item_id != "root"
            and previous_item_id not in self._entries
        ):
            raise Fault(
                "item_create_invalid_previous_item_id",
                f"Error creating item: the item with id '{previous_item_id}' does not exist.",
                param="previous_item_id",
            )

    def insert(self, entry: Entry, previous_item_id: str | None = None) -> None:
        """Put an entry after another; None or "" is the end, "root" the front."""
        assert entry.id not in self._entries, entry.id
        self._entries[entry.id] = entry
        if not previous_item_id:
            self._order.append(entry.id)
        elif previous_item_id == "root":
            self._order.insert(0, entry.id)
        else:
            self._order.insert(self._order.index(previous_item_id) + 1, entry.id)

    def delete(self, item_id: str) -> None:
        del self._entries[item_id]
        self._order.remove(item_id)
        self._audio_bytes -= self._audio.pop(item_id, 0)

    def has_call(self, call_id: str) -> bool:
        return any(e.type == "function_call" and e.call_id == call_id for e in self)

    def keep_audio(self, entry: Entry) -> None:
        """Count a finished entry's audio, and forget the oldest where it is too much."""
        size = _audio_size(entry)
        if not size or entry.id not in self._entries or entry.id in self._audio:
            return
        self._audio[entry.id] = size
        self._audio_bytes += size
        while self._audio_bytes > MAX_AUDIO_BYTES:
            oldest = next(iter(self._audio))
            self._audio_bytes -= self._audio.pop(oldest)
            for part in self._entries[oldest].parts:
                part.pcm = bytearray()


def _audio_size(entry: Entry) -> int:
    return sum(len(part.pcm) for part in entry.parts)
