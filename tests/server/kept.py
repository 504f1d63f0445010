"""What an object keeps, however it is packed: to show that a secret is not among it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def kept(thing: object, _seen: set[int] | None = None) -> Iterator[str]:
    """Every text and every run of bytes that can be reached from ``thing``.

    It looks at attributes, slots and containers, never at what an object shows of itself.
    """
    seen = set[int]() if _seen is None else _seen
    if id(thing) in seen:
        return
    seen.add(id(thing))
    if isinstance(thing, str):
        yield thing
    elif isinstance(thing, bytes | bytearray):
        yield bytes(thing).decode(errors="replace")
    else:
        for part in _parts(thing):
            yield from kept(part, seen)


def _parts(thing: Any) -> Iterator[object]:
    if isinstance(thing, Mapping):
        for pair in thing.items():
            yield from pair
    elif isinstance(thing, list | tuple | set | frozenset):
        yield from thing
    elif not isinstance(thing, type):
        yield from getattr(thing, "__dict__", {}).values()
        for kind in type(thing).__mro__:
            slots = vars(kind).get("__slots__", ())
            for name in (slots,) if isinstance(slots, str) else slots:
                yield getattr(thing, name, None)
