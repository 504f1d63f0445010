"""Speech recognised by sherpa-onnx, word by word, in one worker process for all sessions."""

from __future__ import annotations

import os
from pathlib import Path

from antiphon.engines.cascade.parts import Grammar, Recognition, Report
from antiphon.engines.cascade.stt.sherpa_wire import Begin, News
from antiphon.engines.cascade.stt.worker_turn import WorkerTurn
from antiphon.engines.cascade.workers import WorkerPool

_NAME = "sherpa"
_WORKER = "antiphon.engines.cascade.stt.sherpa_worker"
THREADS_MAX = 4
TURNS_MAX = 256
"""At the same time; the newest is refused, and nothing is understood in it."""


class SherpaRecognizer:
    """A `Recognizer`.

    Args:
        folder: A streaming network, as of `find_sherpa_ears`.
        threads: Of the CPU; by default one a core, four at most.
    """

    def __init__(self, folder: Path, *, threads: int | None = None) -> None:
        threads = threads or min(THREADS_MAX, os.cpu_count() or 1)
        self._pool: WorkerPool[News] = WorkerPool(
            _NAME,
            _WORKER,
            News,
            workers=1,
            jobs_per_worker=TURNS_MAX,
            arguments=(str(folder), str(threads)),
        )

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
        language: str | None,  # noqa: ARG002
        live: bool = False,  # noqa: ARG002
    ) -> Recognition:
        """As `Recognizer.begin`; words come while they are spoken, in the network's language."""
        return WorkerTurn(_NAME, self._pool, report, Begin())
