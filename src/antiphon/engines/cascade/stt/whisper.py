"""Free speech by Whisper on CTranslate2, in one worker process for all sessions.

In a process of its own: a fault in the library, or the memory of a long turn, is not the
server's.  Threads there share the weights.
"""

from __future__ import annotations

import os
from pathlib import Path

from antiphon.engines.cascade.parts import Grammar, Recognition, Report
from antiphon.engines.cascade.stt.whisper_wire import Begin, News
from antiphon.engines.cascade.stt.worker_turn import Languages, WorkerTurn
from antiphon.engines.cascade.workers import WorkerPool

_NAME = "whisper"
_WORKER = "antiphon.engines.cascade.stt.whisper_worker"
THREADS_MAX = 4
TURNS_MAX = 256
"""At the same time; the newest is refused, and nothing is understood in it."""


class WhisperRecognizer:
    """A `Recognizer`.

    Args:
        model: The folder with a Whisper model for CTranslate2.
        languages: What it understands.  Of several, the one of a turn that names none is
            found out.
        threads: So many turns are decoded at the same time; by default one a core, four
            at most.
    """

    def __init__(
        self, model: Path, *, languages: tuple[str, ...] = ("en",), threads: int | None = None
    ) -> None:
        threads = threads or min(THREADS_MAX, os.cpu_count() or 1)
        self._pool: WorkerPool[News] = WorkerPool(
            _NAME,
            _WORKER,
            News,
            workers=1,
            jobs_per_worker=TURNS_MAX,
            arguments=(str(model), str(threads)),
        )
        self._languages = Languages(_NAME, *languages)
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
        """As `Recognizer.begin`; takes no notice of grammars."""
        if self._finds_out and not language:
            return WorkerTurn(_NAME, self._pool, report, Begin("", live))
        understood = self._languages.understood(language)
        pool = None if understood is None else self._pool
        return WorkerTurn(_NAME, pool, report, Begin(understood or "", live))
