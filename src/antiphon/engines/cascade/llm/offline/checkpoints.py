"""What a conversation had come to after each input, so that editing history undoes it.

The server owns the history and may drop or change items; a mind keeps, for each input
that it answered, the state before and after, and finds its place by what is still there.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from antiphon.engines.cascade.llm.offline.situation import Situation

_MAX_KEPT = 512
_START = ""


class _Kept(Struct, frozen=True):
    key: str
    before: Situation
    after: Situation


class Place(Struct, frozen=True):
    state: Situation
    new: tuple[str, ...]
    """Keys of the inputs that this state has not seen."""


class Checkpoints:
    def __init__(self, start: Situation) -> None:
        self._kept = [_Kept(_START, start, start)]

    def find(self, keys: Sequence[str], *, again: bool) -> Place:
        """Where a conversation stands whose inputs are ``keys``, oldest first.

        ``again``: the last input is to be answered once more, as if for the first time.
        """
        for kept in reversed(self._kept):
            if kept.key in keys:
                at = keys.index(kept.key)
                if again and at == len(keys) - 1:
                    return Place(kept.before, (kept.key,))
                return Place(kept.after, tuple(keys[at + 1 :]))
        return Place(self._kept[0].after, tuple(keys))

    def keep(self, key: str | None, before: Situation, after: Situation) -> None:
        """Input ``key`` was answered; None: something was said before any input."""
        key = key or _START
        earlier = next((kept for kept in self._kept if kept.key == key), None)
        if earlier and before is earlier.after:  # Something more was said to the same input.
            before = earlier.before
        if key == _START:
            self._kept[0] = _Kept(_START, before, after)
            return
        self._kept = [kept for kept in self._kept if kept.key != key]
        self._kept.append(_Kept(key, before, after))
        if len(self._kept) > _MAX_KEPT:
            del self._kept[1]
