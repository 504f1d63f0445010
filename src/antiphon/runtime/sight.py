"""What a session shows of itself: each turn's timeline to the log, the journal and its clients, and
all facts to those who count them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from antiphon.core.causes import Cause, Ms, Timed
from antiphon.core.effects import Effect
from antiphon.core.terms import Terms
from antiphon.protocol.timeline import Timeline
from antiphon.runtime.door import About
from antiphon.telemetry.facts import Answered, Fact, SessionEnded
from antiphon.telemetry.timeline import by_name
from antiphon.telemetry.watch import Watch

log = logging.getLogger(__name__)


class Watcher(Protocol):
    """Is told the facts of all sessions.  Never waits."""

    def watch(self, about: About, terms: Terms) -> Callable[[Ms, str, Fact], None]:
        """For one that opens: takes each fact, when it was, and the engine's name."""
        ...


class Sight:
    """An `Observer`.

    A bug in here must not end a session: it is told once, and the session goes on unwatched.

    Args:
        tell: Gives the session a cause.
        keep: Writes a timeline down; None: nothing is kept of the session.
    """

    def __init__(
        self,
        about: About,
        terms: Terms,
        watchers: Sequence[Watcher],
        *,
        tell: Callable[[Cause], None],
        keep: Callable[[Timeline], None] | None,
    ) -> None:
        self._session_id = about.session_id
        self._watch: Watch | None = Watch(terms)
        self._sinks = [watcher.watch(about, terms) for watcher in watchers]
        self._tell = tell
        self._keep = keep
        self._now_ms: Ms = 0

    def saw(self, now_ms: Ms, cause: Cause, effects: Sequence[Effect]) -> None:
        watch = self._watch
        if watch is None:
            return
        self._now_ms = now_ms
        try:
            for fact in watch.saw(now_ms, cause, effects):
                self._pass_on(watch.engine, fact)
        except Exception:
            self._watch = None
            log.exception("session %s: is not watched any more", self._session_id)

    def close(self) -> None:
        watch, self._watch = self._watch, None
        if watch is None:
            return
        try:
            self._pass_on(watch.engine, SessionEnded())
        except Exception:
            log.exception("session %s: its end is not watched", self._session_id)

    def _pass_on(self, engine: str, fact: Fact) -> None:
        for sink in self._sinks:
            sink(self._now_ms, engine, fact)
        if isinstance(fact, Answered):
            self._log(fact.timeline)
            self._tell(Timed(fact.timeline))
            if self._keep is not None:
                self._keep(fact.timeline)

    def _log(self, timeline: Timeline) -> None:
        log.info(
            "session %s: %s",
            self._session_id,
            timeline,
            extra={
                "session_id": self._session_id,
                "response_id": timeline.response_id,
                "turn_kind": timeline.kind,
                "latency_ms": timeline.duration_ms,
                "parts_ms": by_name(timeline.segments),
                "ends_with": timeline.ends_with,
            },
        )
