"""A brain that reads out its instructions, as they stand."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from antiphon.core.effects import Generate
from antiphon.engines.cascade.parts import Grammar, SayText, Thinking, Thought


class RecitalBrain:
    name = "recital"

    async def start(self) -> None:
        """Nothing to get ready."""

    def open(self, session_id: str) -> RecitalMind:
        del session_id
        return RecitalMind()

    async def aclose(self) -> None:
        """Nothing is held."""


class RecitalMind:
    async def think(self, request: Generate) -> AsyncGenerator[Thinking, None]:
        yield SayText(request.instructions)
        yield Thought(input_tokens=0)

    def expects(self, request: Generate) -> Grammar | None:
        del request
        return None
