"""Speech recognised by faster-whisper, a turn at a time: for the larger Whispers, and GPUs."""

from __future__ import annotations

import os
from pathlib import Path

from antiphon.engines.cascade.parts import Grammar, Recognition, Report
from antiphon.engines.cascade.stt.faster_whisper_wire import Begin, News
from antiphon.engines.cascade.stt.model_files import check_folder
from antiphon.engines.cascade.stt.worker_turn import Languages, WorkerTurn
from antiphon.engines.cascade.workers import WorkerPool
from antiphon.errors import ConfigurationError

_NAME = "faster-whisper"
_WORKER = "antiphon.engines.cascade.stt.faster_whisper_worker"
TOKENIZER = "tokenizer.json"
THREADS_MAX = 4
TURNS_MAX = 256
"""At the same time; the newest is refused, and nothing is understood in it."""


class FasterWhisperRecognizer:
    """A `Recognizer`.

    Args:
        folder: A Whisper model for CTranslate2, with its ``tokenizer.json``.
        languages: What it understands.  Of several, the one of a turn that names none is
            found out.
        threads: So many turns are decoded at the same time; by default one a core, four at
            most.
    """

    def __init__(
        self, folder: Path, *, languages: tuple[str, ...] = ("en",), threads: int | None = None
    ) -> None:
        threads = threads or min(THREADS_MAX, os.cpu_count() or 1)
        self._pool: WorkerPool[News] = WorkerPool(
            _NAME,
            _WORKER,
            News,
            workers=1,
            jobs_per_worker=TURNS_MAX,
            arguments=(str(folder), str(threads)),
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
        live: bool = False,  # noqa: ARG002
    ) -> Recognition:
        """As `Recognizer.begin`; there are no words before the end."""
        if self._finds_out and not language:
            return WorkerTurn(_NAME, self._pool, report, Begin(""))
        understood = self._languages.understood(language)
        pool = None if understood is None else self._pool
        return WorkerTurn(_NAME, pool, report, Begin(understood or ""))


def check_faster_whisper(folder: Path) -> Path:
    """``folder``, if faster-whisper finds all that it needs there.

    Raises:
        ConfigurationError: a file is missing; faster-whisper would look for it in the network.
    """
    check_folder(folder)
    if not (folder / TOKENIZER).is_file():
        raise ConfigurationError(f"{folder} has no {TOKENIZER}.")
    return folder
