"""How conversations are kept, by a server or for one session."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from antiphon.core.causes import Ms
from antiphon.journal.journal import Journal
from antiphon.journal.redaction import Redact
from antiphon.runtime.door import Retention
from antiphon.runtime.outbox import HOLD_MS
from antiphon.runtime.recorder import Encoding


class Keeping(Struct, frozen=True, kw_only=True):
    """That conversations are kept, and where."""

    journal: Journal
    hold_ms: Ms = HOLD_MS
    """How long an acknowledgement waits for its record to be durable."""
    refuses_in_trouble: bool = False
    """No session shall begin while the journal is in trouble."""
    retention: Retention = "items"
    """Of sessions that ask for nothing else."""
    redact: Redact | None = None
    """What may be kept of a text; None: all of it."""
    encoding: Callable[[], Encoding] | None = None
    """What a recording is written with; None: sound cannot be recorded."""
    tapes: bool = False
    """Of sessions whose sound is kept, a tape is kept too."""

    def asked_for(self, retention: Retention | None) -> Keeping | None:
        """For a session that asks for ``retention``; None: it is not kept."""
        if retention is None:
            return self
        return None if retention == "none" else replace(self, retention=retention)

    @property
    def records_sound(self) -> bool:
        return self.retention == "items+audio" and self.encoding is not None
