"""One turn at a worker process that recognises speech, as seen from our side."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import msgspec

from antiphon.engines.cascade.parts import Report, Transcript
from antiphon.engines.cascade.stt.wire import Audio, Cancel, Finish, Heard, Trouble
from antiphon.engines.cascade.workers import Job, WorkerPool
from antiphon.errors import EngineUnavailable

_log = logging.getLogger(__name__)

_BACKLOG_MAX_BYTES = 120 * 24_000 * 2
"""Two minutes that the worker has not taken; overflow drops the oldest audio."""


class WorkerTurn:
    """A `Recognition`.  Without a pool, or with a busy one, nothing is understood."""

    def __init__(
        self, name: str, pool: WorkerPool[Any] | None, report: Report, begin: msgspec.Struct
    ) -> None:
        self._name = name
        self._report = report
        self._backlog = bytearray()
        self._dropped_bytes = 0
        self._finished = False
        self._cancelled = False
        self._problem = ""
        self._job: Job[Any] | None = None
        if pool is None:
            return
        try:
            self._job = pool.open(self._on_news, self._on_lost, self._on_room)
        except EngineUnavailable as error:
            _log.warning("nothing is understood in a turn: %s", error)
            self._problem = f"the recogniser {name} is not available"
            return
        self._job.send(begin)

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
        self._send(Cancel())
        self._end()

    def _send(self, message: msgspec.Struct) -> None:
        if self._job:
            self._job.send(message)

    def _on_room(self) -> None:
        if not self._job or not self._backlog:
            return
        self._job.send(Audio(bytes(self._backlog)))
        self._backlog.clear()
        if self._dropped_bytes:
            _log.warning("%s is too slow: %d bytes dropped", self._name, self._dropped_bytes)
            self._dropped_bytes = 0
        if self._finished:
            self._job.send(Finish())

    def _on_news(self, news: msgspec.Struct) -> None:
        match news:
            case Heard() as heard:
                if heard.final:
                    self._end()
                self._report(
                    Transcript(
                        heard.text,
                        final=heard.final,
                        stable_chars=heard.stable_chars,
                        in_grammar=heard.in_grammar,
                        complete=heard.in_grammar,
                        language=heard.language,
                    )
                )
            case Trouble(what):
                _log.warning("%s: %s", self._name, what)

    def _on_lost(self, error: EngineUnavailable) -> None:
        _log.warning("a turn was lost: %s", error)
        self._problem = f"the recogniser {self._name} was lost in this turn"
        self._end()
        if self._finished:
            self._report_nothing()

    def _report_nothing(self) -> None:
        def report() -> None:
            if not self._cancelled:
                self._report(Transcript("", final=True, problem=self._problem))

        asyncio.get_running_loop().call_soon(report)  # Not before finish() has returned.

    def _end(self) -> None:
        if self._job:
            self._job.close()
            self._job = None
        self._backlog.clear()


class Languages:
    """Which languages a recogniser understands; says once of each other that it does not."""

    _REMEMBERED_MAX = 1_000
    """Anybody may name any language."""

    def __init__(self, name: str, *known: str) -> None:
        self._name = name
        self._known = known
        self._what = "English" if known == ("en",) else f"{len(known)} languages"
        self._refused: set[str] = set()

    def understood(self, language: str | None) -> str | None:
        """``language`` without its region, the first one known where none is named; None
        where it is not understood.
        """
        base = (language or self._known[0]).lower().replace("_", "-").split("-")[0]
        if base in self._known:
            return base
        if base not in self._refused and len(self._refused) < self._REMEMBERED_MAX:
            self._refused.add(base)
            _log.warning("%s understands %s only, not %r", self._name, self._what, base[:8])
        return None
