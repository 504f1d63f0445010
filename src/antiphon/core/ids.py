"""Ids in the shapes of the API: a prefix and 21 letters and digits."""

from __future__ import annotations


class Ids:
    """Unique ids from a seed and a counter, so that a replayed tape makes the same ones."""

    SEED_LENGTH = 13

    def __init__(self, seed: str, used: int = 0) -> None:
        assert len(seed) == self.SEED_LENGTH, f"a seed has {self.SEED_LENGTH} characters"
        self._seed = seed
        self._event_prefix = f"event_{seed}"
        self.used = used
        """How many were made; another `Ids` that begins there makes those that would follow."""

    def new(self, prefix: str) -> str:
        self.used += 1
        return f"{prefix}_{self._seed}{self.used:08d}"

    def event(self) -> str:
        self.used += 1
        return f"{self._event_prefix}{self.used:08d}"

    def made(self, name: str) -> bool:
        """Whether a name is an id of ours (or is made to look like one)."""
        return name.partition("_")[2].startswith(self._seed)
