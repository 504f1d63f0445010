"""What faults there are, as data: each is a name, what it strikes, and one sentence.

The sentences are the docstrings of the functions that make them; `docs/guides/mock.md` has them
as a table (`scripts/fault_table.py`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal, get_args

from aiohttp import web

from antiphon.errors import AntiphonError
from antiphon.mock.fault import Fault, Place
from antiphon.mock.outcomes import Filter, Refuses

FOR_EVER_MS = 24 * 60 * 60 * 1000

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Refusal = Callable[[web.Request, Handler, int], Awaitable[web.StreamResponse]]
"""Answers a request in the handler's place, or spoils its answer; the last is its ``ms``."""
MakesFilter = Callable[[int], Filter]
Needs = Literal["websocket", "call"]


@dataclass(frozen=True, kw_only=True)
class FaultKind:
    name: str
    place: Place
    sentence: str
    ms: int | None = None
    """How long it takes, unless it is told; None: it takes no time."""
    needs: Needs | None = None
    """The only kind of connection that it strikes."""
    refusal: Refusal | None = None
    filters: MakesFilter | None = None
    refuses: Refuses | None = None
    """Of these three one is there."""


FAULTS: dict[str, FaultKind] = {}


class UnknownFault(AntiphonError):
    """There is no fault of that name."""


def kind_of(fault: Fault) -> FaultKind:
    """Raises:
    UnknownFault: with the name that comes nearest.
    """
    kind = FAULTS.get(fault.name)
    if kind is None:
        close = get_close_matches(fault.name, FAULTS, n=1)
        hint = f"Did you mean '{close[0]}'?" if close else "`antiphon mock --faults` lists all."
        raise UnknownFault(f"There is no fault '{fault.name[:100]}'. {hint}")
    return kind


def by_place() -> list[FaultKind]:
    """All, in the order in which a call meets them."""
    return [kind for place in get_args(Place) for kind in FAULTS.values() if kind.place == place]


def refusal(
    place: Place, *, ms: int | None = None, needs: Needs | None = None
) -> Callable[[Refusal], Refusal]:
    """Adds a function that refuses requests."""

    def add(made: Refusal) -> Refusal:
        _add(made, place, ms, needs, refusal=made)
        return made

    return add


def fault(
    place: Place, *, ms: int | None = None, needs: Needs | None = None
) -> Callable[[MakesFilter], MakesFilter]:
    """Adds a function that makes a filter for one connection, turn or response."""

    def add(made: MakesFilter) -> MakesFilter:
        _add(made, place, ms, needs, filters=made)
        return made

    return add


def refused_event(made: Refuses) -> Refuses:
    """Adds a function that refuses events of the client."""
    _add(made, "connection", None, None, refuses=made)
    return made


def _add(made: Any, place: Place, ms: int | None, needs: Needs | None, **how: Any) -> None:
    name = made.__name__
    assert name not in FAULTS, f"there are two faults '{name}'"
    sentence = " ".join(made.__doc__.split())
    FAULTS[name] = FaultKind(name=name, place=place, sentence=sentence, ms=ms, needs=needs, **how)
