"""One turn at a worker process that recognises speech, as seen from our side."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import msgspec

from antiphon.engines.cascade.parts import Report, Transcript
from antiphon.engines.cascade.stt.wire import MEDIA_RATE_HZ, Audio, Cancel, Finish, Heard, Trouble
from antiphon.engines.cascade.workers import Job, WorkerPool
from antiphon.errors import EngineUnavailable

_log = logging.getLogger(__name__)

_BACKLOG_MAX_BYTES = 120 * MEDIA_RATE_HZ * 2
"""Two minutes that the worker has not taken; overflow drops the oldest audio."""
SIGN_OF_LIFE_S = 1.5
"""A worker that gives none for so long once a turn is over hangs: the user is asked to say it
again, which is better than silence, and the worker is replaced."""


class WorkerTurn:
    """A `Recognition`.  Without a pool, or with a busy one, nothing is understood.

    ``sign_of_life_s``: how long the worker may be silent to everybody once the turn is over.
    """

    def __init__(
        self,
        name: str,
        pool: WorkerPool[Any] | None,
        report: Report,
        begin: msgspec.Struct,
        *,
        sign_of_life_s: float = SIGN_OF_LIFE_S,
    ) -> None:
        self._name = name
        self._sign_of_life_s = sign_of_life_s
        self._report = report
        self._backlog = bytearray()
        self._lost_s = 0.0
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
            self._lost_s += excess / (2 * MEDIA_RATE_HZ)

    def finish(self) -> None:
        if self._finished:
            return
        self._finished = True
        if not self._job:
            self._report_nothing()
            return
        if not self._backlog:
            self._job.send(Finish())
        self._await_a_sign(self._job)

    def _await_a_sign(self, job: Job[Any]) -> None:
        later = asyncio.get_running_loop().call_later
        silence = job.silence()

        def look() -> None:
            if self._job is not job:
                return
            if silence.is_over:
                self._await_a_sign(job)  # It may stand still later.
            elif left_s := silence.left_s(self._sign_of_life_s):
                later(left_s, look)  # It had no time to give one.
            elif not job.replace_worker():
                self._await_a_sign(job)  # It is starting.

        job.ask_for_a_sign()
        later(self._sign_of_life_s, look)

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
        if self._lost_s:
            _log.warning("%s is too slow: %.1f s of audio were dropped", self._name, self._lost_s)
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
                        while_spoken=heard.while_spoken,
                        aside=heard.aside,
                        lost_s=self._lost_s if heard.final else 0.0,
                    )
                )
            case Trouble(what, lost_s):
                _log.warning("%s: %s", self._name, what)
                self._lost_s += lost_s

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
