"""Those who are asked before each answer of a session: whether it may be afforded, and so soon."""

from __future__ import annotations

from collections.abc import Callable

from antiphon.core.effects import Generate
from antiphon.protocol.server import Response


class Guards:
    def __init__(self) -> None:
        self._asked: list[Callable[[Generate], bool]] = []
        self._told: list[Callable[[Response], None]] = []

    def add(
        self,
        admits: Callable[[Generate], bool],
        *,
        answered: Callable[[Response], None] | None = None,
    ) -> None:
        """Args:
        admits: Whether the engine is to be asked for an answer now.  Where it is not, who was
            asked sees to what follows, and those who came later are not asked.
        answered: Told of each that is over.
        """
        self._asked.append(admits)
        if answered is not None:
            self._told.append(answered)

    def admit(self, command: Generate) -> bool:
        return all(admits(command) for admits in self._asked)

    def answered(self, response: Response) -> None:
        for told in self._told:
            told(response)

    def clear(self) -> None:
        self._asked.clear()
        self._told.clear()
