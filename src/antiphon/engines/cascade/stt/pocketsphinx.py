"""Recognition by pocketsphinx, in worker processes: right after install, for English.

Free speech is understood poorly; sentences of a grammar well (see bench/stt.py).
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Sequence

from antiphon.engines.cascade.parts import Grammar, Recognition, Report, Transcript
from antiphon.engines.cascade.stt.pocketsphinx_wire import (
    Audio,
    Begin,
    Cancel,
    Finish,
    Heard,
    News,
    Pronunciations,
    Trouble,
    Unknown,
)
from antiphon.engines.cascade.workers import Job, WorkerPool
from antiphon.errors import EngineUnavailable

_log = logging.getLogger(__name__)

_NAME = "pocketsphinx"
_WORKER = "antiphon.engines.cascade.stt.pocketsphinx_worker"
_BACKLOG_MAX_BYTES = 30 * 24_000 * 2
_WAITING_TURNS_PER_WORKER = 16

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
    """

    def __init__(
        self,
        *,
        workers: int | None = None,
        turns_per_worker: int = 2,
        wait_s: float = 3.0,
        pronounce: Pronounce | None = None,
    ) -> None:
        self._pool: WorkerPool[News] = WorkerPool(
            _NAME,
            _WORKER,
            News,
            workers=workers or min(4, os.cpu_count() or 1),
            jobs_per_worker=turns_per_worker + _WAITING_TURNS_PER_WORKER,
            arguments=(str(turns_per_worker), str(wait_s)),
        )
        self._pronounce = pronounce
        self._languages_refused: set[str] = set()

    @property
    def pids(self) -> list[int]:
        return self._pool.pids

    async def start(self) -> None:
        await self._pool.start()

    async def aclose(self) -> None:
        await self._pool.aclose()

    def begin(
        self, report: Report, *, grammar: Grammar | None, language: str | None
    ) -> Recognition:
        """As `Recognizer.begin`.  The model is English: in another language the final
        transcript is empty.
        """
        base = (language or "en").lower().replace("_", "-").split("-")[0]
        if base == "en":
            return _PocketSphinxTurn(self._pool, self._pronounce, report, grammar)
        # Bounded: anybody may name any language.
        if base not in self._languages_refused and len(self._languages_refused) < 1000:
            self._languages_refused.add(base)
            _log.warning("%s understands English only, not %r", _NAME, base[:8])
        return _PocketSphinxTurn(None, None, report, None)


class _PocketSphinxTurn:
    """Without a pool, or with a busy one, nothing is understood."""

    def __init__(
        self,
        pool: WorkerPool[News] | None,
        pronounce: Pronounce | None,
        report: Report,
        grammar: Grammar | None,
    ) -> None:
        self._report = report
        self._pronounce = pronounce
        self._backlog = bytearray()
        self._dropped_bytes = 0
        self._finished = False
        self._cancelled = False
        self._asking: asyncio.Task[None] | None = None
        self._job: Job[News] | None = None
        if pool is None:
            return
        try:
            self._job = pool.open(self._on_news, self._on_lost, self._on_room)
        except EngineUnavailable as error:
            _log.warning("nothing is understood in a turn: %s", error)
            return
        if grammar:
            self._job.send(Begin(grammar.key, grammar.jsgf, grammar.pronunciations))
        else:
            self._job.send(Begin("", "", {}))

    def feed(self, pcm: bytes) -> None:
        if self._finished or not self._job:
            return
        if not self._job.congested and not self._backlog:
            self._job.send(Audio(pcm))
            return
        self._backlog += pcm
        if (excess := len(self._backlog) - _BACKLOG_MAX_BYTES) > 0:
            del self._backlog[: excess + excess % 2]
            self._dropped_bytes += excess

    def finish(self) -> None:
        if self._finished:
            return
        self._finished = True
        if not self._job:
            self._report_nothing()
        elif not self._backlog:
            self._job.send(Finish())

    def cancel(self) -> None:
        self._finished = self._cancelled = True
        if self._job:
            self._job.send(Cancel())
        self._end()

    def _on_room(self) -> None:
        if not self._job or not self._backlog:
            return
        self._job.send(Audio(bytes(self._backlog)))
        self._backlog.clear()
        if self._dropped_bytes:
            _log.warning("%s is too slow: %d bytes dropped", _NAME, self._dropped_bytes)
            self._dropped_bytes = 0
        if self._finished:
            self._job.send(Finish())

    def _on_news(self, news: News) -> None:
        match news:
            case Heard(text, final, stable_chars, in_grammar):
                if final:
                    self._end()
                self._report(
                    Transcript(
                        text,
                        final=final,
                        stable_chars=stable_chars,
                        in_grammar=in_grammar,
                        complete=in_grammar,
                    )
                )
            case Unknown(words):
                self._asking = asyncio.create_task(self._answer(words))
            case Trouble(what):
                _log.warning("%s: %s", _NAME, what)

    async def _answer(self, words: tuple[str, ...]) -> None:
        known: dict[str, str] = {}
        if self._pronounce:
            try:
                known = await self._pronounce(words)
            except EngineUnavailable as error:
                _log.warning("%d words of a grammar stay unknown: %s", len(words), error)
        if self._job:
            self._job.send(Pronunciations(known))

    def _on_lost(self, error: EngineUnavailable) -> None:
        _log.warning("a turn was lost: %s", error)
        self._end()
        if self._finished:
            self._report_nothing()

    def _report_nothing(self) -> None:
        def report() -> None:
            if not self._cancelled:
                self._report(Transcript("", final=True))

        asyncio.get_running_loop().call_soon(report)  # Not before finish() has returned.

    def _end(self) -> None:
        if self._job:
            self._job.close()
            self._job = None
        if self._asking:
            self._asking.cancel()
        self._backlog.clear()
