"""Recognition by pocketsphinx, in worker processes: right after install, for English.

Free speech is understood poorly; sentences of a grammar well (see bench/recognition.py).
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from antiphon.engines.cascade.parts import Grammar, Recognition, Report
from antiphon.engines.cascade.stt.pocketsphinx_wire import (
    ALL,
    GRAMMARS,
    Begin,
    News,
    Pronunciations,
    Unknown,
)
from antiphon.engines.cascade.stt.worker_turn import Languages, WorkerTurn
from antiphon.engines.cascade.workers import WorkerPool
from antiphon.errors import EngineUnavailable

_log = logging.getLogger(__name__)

_NAME = "pocketsphinx"
_WORKER = "antiphon.engines.cascade.stt.pocketsphinx_worker"
SIGN_OF_LIFE_S = 3.0
"""While it decodes it holds Python's lock, for most of a second where there is time."""
_WAITING_TURNS_PER_WORKER, _WAITING_WITH_GRAMMARS = 16, 256

Pronounce = Callable[[Sequence[str]], Awaitable[dict[str, str]]]
"""From words to ARPAbet; words that cannot be pronounced are missing in the answer."""


class PocketSphinxRecognizer:
    """A `Recognizer`.

    Args:
        workers: Processes; by default one a core, four at most.
        turns_per_worker: So many turns at the same time; each has decoders of its own,
            made when first needed.  More turns wait.
        wait_s: So long may such a turn wait after its end; then nothing was understood.
        pronounce: Tells how to say words of a grammar that the dictionary lacks.
            Without it, alternatives with such words are never heard.
        grammars_only: A fifth of the memory and a tenth of the time: says which sentence
            of the turn's grammar comes nearest, if one is whole, and nothing else.  It
            does not judge whether that sentence was meant.
    """

    def __init__(
        self,
        *,
        workers: int | None = None,
        turns_per_worker: int = 2,
        wait_s: float = 3.0,
        pronounce: Pronounce | None = None,
        grammars_only: bool = False,
    ) -> None:
        self._pool: WorkerPool[News] = WorkerPool(
            _NAME,
            _WORKER,
            News,
            workers=workers or min(4, os.cpu_count() or 1),
            jobs_per_worker=turns_per_worker
            + (_WAITING_WITH_GRAMMARS if grammars_only else _WAITING_TURNS_PER_WORKER),
            arguments=(
                str(turns_per_worker),
                str(wait_s),
                GRAMMARS if grammars_only else ALL,
            ),
        )
        self._pronounce = pronounce
        self._languages = Languages(_NAME, "en")

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
        grammar: Grammar | None,
        language: str | None,
        live: bool = False,  # noqa: ARG002
    ) -> Recognition:
        """As `Recognizer.begin`.  The model is English: in another language the final
        transcript is empty.
        """
        if self._languages.understood(language) is None:
            return _PocketSphinxTurn(None, None, report, None)
        return _PocketSphinxTurn(self._pool, self._pronounce, report, grammar)


class _PocketSphinxTurn(WorkerTurn):
    def __init__(
        self,
        pool: WorkerPool[News] | None,
        pronounce: Pronounce | None,
        report: Report,
        grammar: Grammar | None,
    ) -> None:
        self._pronounce = pronounce
        self._asking: asyncio.Task[None] | None = None
        begin = Begin("", "", {})
        if grammar:
            begin = Begin(grammar.key, grammar.jsgf, grammar.pronunciations)
        super().__init__(_NAME, pool, report, begin, sign_of_life_s=SIGN_OF_LIFE_S)

    def _on_news(self, news: msgspec.Struct) -> None:
        if isinstance(news, Unknown):
            self._asking = asyncio.create_task(self._answer(news.words))
        else:
            super()._on_news(news)

    async def _answer(self, words: tuple[str, ...]) -> None:
        known: dict[str, str] = {}
        if self._pronounce:
            try:
                known = await self._pronounce(words)
            except EngineUnavailable as error:
                _log.warning("%d words of a grammar stay unknown: %s", len(words), error)
        self._send(Pronunciations(known))

    def _end(self) -> None:
        super()._end()
        if self._asking:
            self._asking.cancel()
