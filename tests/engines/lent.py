"""Parts that are started once for several promises: processes and models are slow to start."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol, TypeVar, cast


class Part(Protocol):
    async def start(self) -> None: ...

    async def aclose(self) -> None: ...


P = TypeVar("P", bound=Part)
LEAVES_NOTHING = "nothing is left behind"
"""The promise that wants a part of its own."""


class _Lent:
    def __init__(self, part: Any) -> None:
        self._part = part

    def __getattr__(self, name: str) -> Any:
        return getattr(self._part, name)

    async def start(self) -> None:
        """It has been."""

    async def aclose(self) -> None:
        """Others go on with it."""


@asynccontextmanager
async def lending(part: P) -> AsyncIterator[P]:
    """The part, started until the end, whatever whoever has it starts and closes."""
    await part.start()
    try:
        yield cast(P, _Lent(part))
    finally:
        await part.aclose()
