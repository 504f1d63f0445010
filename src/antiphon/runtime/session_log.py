"""What the journal is told of one session."""

from __future__ import annotations

import time
from collections.abc import Callable

from antiphon.core.records import Change, EngineChanged, Record, SessionChanged
from antiphon.journal.entries import (
    APART,
    Changed,
    Closed,
    ConnectionJoined,
    ConnectionLeft,
    LogEntry,
    Missed,
    Opened,
    Sounded,
    Taped,
    Timed,
    TokensChanged,
    without_audio,
)
from antiphon.journal.journal import Journal, Ticket
from antiphon.journal.redaction import Redact, redacted
from antiphon.protocol.timeline import Timeline
from antiphon.runtime.door import About

MAX_BACKLOG = 200
"""Entries of a session in which nothing has been said yet; with more of them it is kept too."""


MAX_HELD_SOUND_BYTES = 4 * 1024 * 1024
"""Of a recording in which nothing has been said yet: some twenty minutes."""


class SessionLog:
    """A session in which nothing is said leaves nothing.

    Args:
        journal: Where its conversation is kept.
        about: The session.
        model: The name that the client asked for; None: a transcription session's.
        redact: What may be kept of a text; None: all of it.
    """

    def __init__(
        self,
        journal: Journal,
        about: About,
        *,
        model: str | None,
        redact: Redact | None = None,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self.session_id = about.session_id
        self._journal = journal
        self._redact = redact
        self._now_s = now_s
        self._conversation_id = ""
        opened = Opened(
            at_s=now_s(),
            session_id=about.session_id,
            kind="transcription" if model is None else "realtime",
            model=model,
            engine=about.engine_name,
            transport=about.transport,
            end_user_id=about.end_user_id,
            tenant=about.principal.tenant,
        )
        self._backlog: list[LogEntry] | None = [opened]
        """What is told once something was said; None: something was."""
        self._held_sound_bytes = 0
        self._is_over = False

    def record(self, record: Record) -> Ticket | None:
        """None: it need not be kept yet."""
        change = self.as_kept(record.change)
        says = not isinstance(change, SessionChanged | EngineChanged)
        if isinstance(change, SessionChanged):
            self._conversation_id = change.conversation_id
        entry = Changed(
            at_s=self._now_s(),
            session_id=self.session_id,
            change=change,
            ids_used=record.ids_used,
        )
        return self._keep(entry, says=says)

    def as_kept(self, change: Change) -> Change:
        change = without_audio(change)
        return change if self._redact is None else redacted(change, self._redact)

    def joined(self, connection_id: str, *, owns: bool) -> None:
        self._keep(
            ConnectionJoined(
                at_s=self._now_s(),
                session_id=self.session_id,
                connection=connection_id,
                owns=owns,
            )
        )

    def left(self, connection_id: str) -> None:
        self._keep(
            ConnectionLeft(at_s=self._now_s(), session_id=self.session_id, connection=connection_id)
        )

    def sound(self, data: bytes) -> None:
        """A piece of the session's recording; the last ones may come when it has closed."""
        self._keep_apart(Sounded(at_s=self._now_s(), session_id=self.session_id, data=data))

    def tape(self, data: bytes) -> None:
        """A piece of the session's tape; as `sound`."""
        self._keep_apart(Taped(at_s=self._now_s(), session_id=self.session_id, data=data))

    def tokens(self, digests: tuple[bytes, ...]) -> None:
        """Which resume tokens count from now on."""
        self._keep(TokensChanged(at_s=self._now_s(), session_id=self.session_id, digests=digests))

    def timed(self, timeline: Timeline) -> None:
        """A turn has its answer."""
        self._keep(Timed(at_s=self._now_s(), session_id=self.session_id, timeline=timeline))

    def missed(self) -> None:
        """Something happened that nobody here was told of."""
        self._keep(Missed(at_s=self._now_s(), session_id=self.session_id))

    def closed(self) -> None:
        """Nothing comes after it, but for sound."""
        if self._backlog is None and not self._is_over:
            self._keep(Closed(at_s=self._now_s(), session_id=self.session_id))
        self._is_over = True

    def _keep_apart(self, entry: Sounded | Taped) -> None:
        if self._backlog is None:
            self._journal.append(self._conversation_id, entry)
        elif not self._is_over:
            self._held_sound_bytes += len(entry.data)
            self._keep(entry, says=self._held_sound_bytes > MAX_HELD_SOUND_BYTES)

    def _keep(self, entry: LogEntry, *, says: bool = False) -> Ticket | None:
        if self._is_over:
            return None
        if self._backlog is None:
            return self._journal.append(self._conversation_id, entry)
        self._backlog.append(entry)
        if not says and (len(self._backlog) <= MAX_BACKLOG or isinstance(entry, APART)):
            return None
        backlog, self._backlog = self._backlog, None
        tickets = [self._journal.append(self._conversation_id, held) for held in backlog]
        return tickets[-1]
