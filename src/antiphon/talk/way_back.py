"""The way back to a session whose connection was lost: docs/guides/resuming.md.  Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from antiphon.protocol.server import ServerEvent, SessionCreated
from antiphon.protocol.session import Resume
from antiphon.talk.served import resume_of

Continues = Literal["session", "conversation"]


@dataclass(frozen=True)
class Way:
    """What a new connection asks for.

    Attributes:
        conversation_id: What goes on, if not the session itself.
        token: Leads to the session; None: the server gave none.
        after: The last event that arrived.
    """

    conversation_id: str
    token: str | None = None
    after: str = ""


class WayBack:
    """Attributes:
    continues: What the last connection came back to; None: it was new.
    has_gap: Some of what was missed cannot be told any more.
    is_lost: The server had nothing to come back to.
    """

    def __init__(self) -> None:
        self.continues: Continues | None = None
        self.has_gap = False
        self.is_lost = False
        self._conversation_id: str | None = None
        self._token: str | None = None
        self._after = ""

    def received(self, event: ServerEvent) -> None:
        if isinstance(event, SessionCreated):
            self._greeted(resume_of(event.session))
        if isinstance(event.event_id, str) and event.event_id:
            self._after = event.event_id

    def _greeted(self, resume: Resume | None) -> None:
        self.is_lost = False
        self._conversation_id = None if resume is None else resume.conversation_id
        self._token = None if resume is None else resume.token
        self.continues = None if resume is None else resume.continues
        self.has_gap = resume is not None and resume.gap

    @property
    def way(self) -> Way | None:
        """None: the server keeps nothing."""
        if self._conversation_id is None:
            return None
        return Way(self._conversation_id, self._token, self._after)

    def forget(self) -> None:
        """The server has nothing to come back to."""
        self._conversation_id = self._token = None
        self.is_lost = True
