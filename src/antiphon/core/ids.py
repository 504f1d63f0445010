"""Ids in the shapes of the API: a prefix and 21 letters and digits."""

from __future__ import annotations


class Ids:
    """Unique ids from a seed and a counter, so that a replayed tape makes the same ones."""

    SEED_LENGTH = 13

    def __init__(self, seed: str) -> None:
        assert len(seed) == self.SEED_LENGTH, f"a seed has {self.SEED_LENGTH} characters"
        self._seed = seed
        self._event_prefix = f"event_{seed}"
        self._count = 0

    def new(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}_{self._seed}{self._count:08d}"

    def event(self) -> str:
        self._count += 1
        return f"{self._event_prefix}{self._count:08d}"
