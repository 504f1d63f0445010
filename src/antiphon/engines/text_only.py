"""The end of a chain: what another engine would say, in writing, where its voice has failed."""

from __future__ import annotations

from collections.abc import AsyncIterator

from msgspec.structs import replace

from antiphon.core.effects import EngineCommand, Generate, Speculate
from antiphon.engines.engine import Abilities, Engine, EngineSession, SessionNews


class TextOnlyEngine:
    """Args:
    inner: Who answers; started and closed by its owner.
    """

    def __init__(self, inner: Engine, *, name: str = "text") -> None:
        self.name = name
        self._inner = inner

    @property
    def description(self) -> str:
        return f"{self._inner.description} Without a voice: answers are text."

    @property
    def abilities(self) -> Abilities:
        return replace(self._inner.abilities, speaks=False, voices=())

    async def start(self) -> None:
        """It is its owner who starts the other one."""

    def open(self, session_id: str) -> TextOnlySession:
        return TextOnlySession(self._inner.open(session_id))

    async def aclose(self) -> None:
        """As for `start`."""


class TextOnlySession:
    def __init__(self, inner: EngineSession) -> None:
        self._inner = inner

    def send(self, command: EngineCommand) -> None:
        if isinstance(command, Generate):
            command = replace(command, modality="text")
        elif isinstance(command, Speculate):
            command = replace(command, request=replace(command.request, modality="text"))
        self._inner.send(command)

    def __aiter__(self) -> AsyncIterator[SessionNews]:
        return aiter(self._inner)

    async def aclose(self) -> None:
        await self._inner.aclose()
