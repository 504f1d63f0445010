"""Filters that faults are made of.  Each is for one occasion: it remembers what it did."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from antiphon.mock.outcomes import Altered, Filter, Later, Outcome
from antiphon.protocol.server import ServerEvent

Kind = type[Any] | tuple[type[Any], ...]
Make = Callable[[Any], Iterable[Outcome]]
"""Outcomes of an event of the kind that a filter waits for."""


def once(kind: Kind, make: Make, *, number: int = 1) -> Filter:
    """The ``number``-th event of a kind becomes what ``make`` has of it; all others pass."""
    seen = 0

    def filtered(event: ServerEvent) -> Iterable[Outcome]:
        nonlocal seen
        if isinstance(event, kind):
            seen += 1
            if seen == number:
                return make(event)
        return (event,)

    return filtered


def each(kind: Kind, make: Make) -> Filter:
    """Every event of a kind does."""
    return lambda event: make(event) if isinstance(event, kind) else (event,)


def dropped(kind: Kind) -> Filter:
    return each(kind, lambda _: ())


def doubled(kind: Kind) -> Filter:
    return each(kind, lambda event: (event, event))


def before(kind: Kind, *outcomes: Outcome, number: int = 1) -> Filter:
    return once(kind, lambda event: (*outcomes, event), number=number)


def after(kind: Kind, *outcomes: Outcome, number: int = 1) -> Filter:
    return once(kind, lambda event: (event, *outcomes), number=number)


def delayed(kind: Kind, ms: int) -> Filter:
    return each(kind, lambda event: (Later(event, ms),))


def swapped(kind: Kind) -> Filter:
    """The first event of a kind changes places with the one behind it."""
    held: list[ServerEvent] = []
    done = False

    def filtered(event: ServerEvent) -> Iterable[Outcome]:
        nonlocal done
        if held:
            done = True
            return (event, held.pop())
        if isinstance(event, kind) and not done:
            held.append(event)
            return ()
        return (event,)

    return filtered


def altered(kind: Kind, alter: Callable[[bytes], bytes], *, number: int = 1) -> Filter:
    """What is written of one event is changed."""
    return once(kind, lambda event: (Altered(event, alter),), number=number)


def with_fields(**fields: Any) -> Callable[[bytes], bytes]:
    """The message with fields set anew; one that is None is taken out."""

    def alter(message: bytes) -> bytes:
        event = msgspec.json.decode(message) | fields
        return msgspec.json.encode({name: v for name, v in event.items() if v is not None})

    return alter
