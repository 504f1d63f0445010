"""Where the time of one answered turn went: the same thing in logs, metrics, the journal, on tapes
and for clients.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

TurnKind = Literal["spoken", "pushed", "typed", "unasked"]
"""A pause ended it; the client committed it; it was text; or the client just wanted an answer."""

TimelineEnd = Literal["played", "sent", "written"]
"""The first sound was played by the server; or sent, and the client plays; or it is the first
word of a written answer.
"""


class Segment(Struct, frozen=True):
    """A stretch of the wait.

    ``name`` is that of a part (`antiphon.telemetry.timeline`), or several of them joined by "+".
    """

    name: str
    duration_ms: int


class Timeline(Struct, frozen=True, kw_only=True):
    """One turn that was answered; times are the session's."""

    response_id: str
    kind: TurnKind
    began_ms: int
    """The user's last word: what waiting begins with."""
    ended_ms: int
    """The first sound of the answer, or its first word where it is written."""
    ends_with: TimelineEnd
    segments: tuple[Segment, ...]
    """Contiguous: together they are the whole wait."""

    @property
    def duration_ms(self) -> int:
        return self.ended_ms - self.began_ms

    def __str__(self) -> str:
        parts = ", ".join(f"{s.name} {s.duration_ms}" for s in self.segments)
        return f"{self.kind} turn answered ({self.ends_with}) after {self.duration_ms} ms: {parts}"
