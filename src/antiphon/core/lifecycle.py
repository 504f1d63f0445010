"""Lifecycles as tables: which move leads from which phase to which.

A move that a table does not hold is a bug of ours, so it is an assertion.  The tests
check that every row is walked; the docs print the tables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Generic, TypeVar

P = TypeVar("P", bound=Enum)
M = TypeVar("M", bound=Enum)


class Lifecycle(Generic[P, M]):
    """A named table of moves."""

    observer: Callable[[str, Enum, Enum], None] | None = None
    """Told of every step of every table, where set (by a test)."""

    def __init__(self, name: str, moves: Mapping[tuple[P, M], P]) -> None:
        self.name = name
        self.moves = dict(moves)

    def next(self, phase: P, move: M) -> P:
        assert (phase, move) in self.moves, f"{self.name}: no move {move.name} from {phase.name}"
        if Lifecycle.observer is not None:
            Lifecycle.observer(self.name, phase, move)
        return self.moves[phase, move]

    def allows(self, phase: P, move: M) -> bool:
        return (phase, move) in self.moves
