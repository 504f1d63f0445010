"""A recogniser in one worker process for all sessions, whose threads share the weights.

In a process of its own: a fault in the library, or the memory of a long turn, is not the
server's.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from antiphon.engines.cascade.parts import Grammar, Recognition, Report
from antiphon.engines.cascade.stt.worker_turn import SIGN_OF_LIFE_S, Languages, WorkerTurn
from antiphon.engines.cascade.workers import WorkerPool

THREADS_MAX = 4
TURNS_MAX = 256
"""At the same time; the newest is refused, and nothing is understood in it."""

Begin = Callable[[str, bool], msgspec.Struct]
"""What a turn begins with, in the worker's words: its language, "" where it is to be found out or
does not matter, and whether somebody reads the words while they are spoken."""


class OneProcessRecognizer:
    """A `Recognizer`; takes no notice of grammars."""

    def __init__(
        self,
        name: str,
        module: str,
        news: Any,
        *,
        model: Path,
        begin: Begin,
        languages: tuple[str, ...] = (),
        threads: int | None = None,
        sign_of_life_s: float = SIGN_OF_LIFE_S,
    ) -> None:
        """Nothing is started yet.

        Args:
            name: For errors and logs.
            module: The worker; it is told ``model`` and how many threads.
            news: The union of messages that it may send.
            model: A file or folder.
            begin: As of `Begin`.
            languages: What it understands.  Of several, the one of a turn that names none is
                found out.  Empty: whatever its model does.
            threads: By default one a core, four at most.
            sign_of_life_s: As of `WorkerTurn`.
        """
        threads = threads or min(THREADS_MAX, os.cpu_count() or 1)
        self._name = name
        self._pool: WorkerPool[Any] = WorkerPool(
            name,
            module,
            news,
            workers=1,
            jobs_per_worker=TURNS_MAX,
            arguments=(str(model), str(threads)),
        )
        self._begin = begin
        self._sign_of_life_s = sign_of_life_s
        self._languages = Languages(name, *languages) if languages else None
        self._finds_out = len(languages) > 1

    @property
    def pids(self) -> list[int]:
        return self._pool.pids

    async def start(self) -> None:
        await self._pool.start()

    async def aclose(self) -> None:
        await self._pool.aclose()

    def begin(
        self,
        report: Report,
        *,
        grammar: Grammar | None,  # noqa: ARG002
        language: str | None,
        live: bool = False,
    ) -> Recognition:
        """As `Recognizer.begin`; in a language that it does not understand, nothing is."""
        understood: str | None = ""
        if self._languages is not None and (language or not self._finds_out):
            understood = self._languages.understood(language)
        pool = None if understood is None else self._pool
        begin = self._begin(understood or "", live)
        return WorkerTurn(self._name, pool, report, begin, sign_of_life_s=self._sign_of_life_s)
