"""Whether the session is there, and what a connection came back to.  Pure."""

from __future__ import annotations

from antiphon.protocol.session import AnySession, Session
from antiphon.talk import notices
from antiphon.talk.notices import Notice
from antiphon.talk.served import served_by
from antiphon.talk.way_back import WayBack


class Link:
    """Attributes:
    is_up: The session has our settings: it may be spoken to.
    is_torn: The connection was lost, and what was under way may go on.
    connections: How often it came up.
    """

    def __init__(self) -> None:
        self.is_up = False
        self.is_torn = False
        self.connections = 0
        self.way_back = WayBack()
        self._engine = ""

    def lost(self) -> None:
        """The connection is gone."""
        self.is_up = False
        way = self.way_back.way
        self.is_torn = way is not None and way.token is not None

    def mended(self) -> bool:
        """A session is there again.  Returns whether what was under way goes on in it."""
        was_torn, self.is_torn = self.is_torn, False
        return not was_torn or self.way_back.continues == "session"

    @property
    def is_new_conversation(self) -> bool:
        """It was up before, and the server knows nothing of what was said."""
        return self.connections > 1 and self.way_back.continues is None

    def came_up(self, session: AnySession) -> list[Notice]:
        """It has our settings.  Returns what the user is told."""
        self.is_up = True
        self.connections += 1
        self._engine, voice = served_by(session)
        again = self.connections > 1
        told: list[Notice] = [
            notices.Connected(
                session_id=session.id,
                model=session.model if isinstance(session, Session) else "",
                engine=self._engine,
                voice=voice,
                again=again,
                goes_on=self.way_back.continues if again else None,
            )
        ]
        if again and self.way_back.has_gap:
            told.append(notices.Note(text="some of what was said meanwhile is missing"))
        return told

    def changed(self, session: AnySession) -> list[Notice]:
        """Its settings are others now.  Returns what the user is told."""
        before, (self._engine, _) = self._engine, served_by(session)
        if self._engine in ("", before):
            return []
        return [notices.Note(text=f"engine {self._engine} answers now")]
