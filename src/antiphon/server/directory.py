"""Finding a live session by its id, or by that of its call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, Protocol

from msgspec import Struct

from antiphon.core.terms import Activity
from antiphon.metering.bill import Total
from antiphon.protocol.session import Session
from antiphon.runtime.door import SessionDoor
from antiphon.runtime.hub import Hub, SessionKind
from antiphon.runtime.supervision import Supervised
from antiphon.server.quality import Quality


class ListedConnection(Struct, frozen=True):
    id: str
    role: Literal["owner", "sideband"]


class ListedCost(Struct, frozen=True):
    nano_usd: int
    unpriced_lines: int
    """What costs nobody knows how much, and is not in it."""


class ListedSession(Struct, frozen=True, kw_only=True):
    """An entry of `GET /v1/antiphon/sessions`.  Nothing in it tells what was said."""

    id: str
    object: str = "antiphon.session"
    type: SessionKind
    conversation_id: str
    model: str | None
    engine: str
    transport: str
    state: Activity | Literal["ended"]
    began_at: int
    expires_at: int
    tenant: str
    user: str | None
    end_user_id: str | None
    """The older name of ``user``."""
    key: str | None
    """What the operator calls the API key that it was opened with, or that minted its secret."""
    cost: ListedCost | None
    """None: nobody counts."""
    muted: bool
    """By the operator: the session hears silence in place of its user."""
    quality: Quality
    connections: tuple[ListedConnection, ...]


class Directory(Protocol):
    """Who is live: in this process, or in any of several."""

    async def find(self, name: str) -> SessionDoor | None:
        """The session with this id ("sess_…"), or of the call with this id ("rtc_…")."""
        ...

    async def elsewhere(self, name: str) -> str | None:
        """The other process that has it: a session by its id or its call's, a live conversation, a
        session by its resume token.
        """
        ...

    async def listed(self) -> Sequence[ListedSession]: ...


class LocalDirectory:
    """Of this process alone.

    Args:
        hub: Whose sessions they are.
        of_call: A call's id to its session.
        qualities: How sessions are doing now; asked once for each list.
    """

    def __init__(
        self,
        hub: Hub,
        *,
        of_call: Callable[[str], SessionDoor | None],
        qualities: Callable[[], Callable[[SessionDoor], Quality]] = lambda: lambda _: Quality(),
    ) -> None:
        self._hub = hub
        self._of_call = of_call
        self._qualities = qualities

    async def find(self, name: str) -> SessionDoor | None:
        return self._hub.get(name) or self._of_call(name)

    async def elsewhere(self, name: str) -> str | None:
        del name
        return None  # There is no other.

    def has(self, name: str) -> bool:
        """It is in this process, by any of the names of `elsewhere`."""
        hub = self._hub
        if (hub.get(name) or self._of_call(name) or hub.conversations.live_in(name)) is not None:
            return True
        # Of a session that has ended too: it leads on to the conversation.
        return hub.resume_tokens.find(name) is not None

    async def listed(self) -> Sequence[ListedSession]:
        quality_of = self._qualities()
        return [listed(s, self._hub.spent_by(s), quality_of(s)) for s in self._hub.sessions]


def listed(
    session: SessionDoor, spent: Total | None = None, quality: Quality | None = None
) -> ListedSession:
    """What the list says of a session."""
    settings = session.settings
    return ListedSession(
        id=session.id,
        type="realtime" if isinstance(settings, Session) else "transcription",
        conversation_id=session.about.conversation_id,
        model=settings.model if isinstance(settings, Session) else None,
        engine=session.about.engine_name,
        transport=session.about.transport,
        state=session.state,
        began_at=session.about.began_at,
        expires_at=settings.expires_at,
        tenant=session.about.principal.tenant,
        user=session.about.principal.user,
        end_user_id=session.about.principal.user,
        key=session.about.principal.key_name,
        cost=None if spent is None else ListedCost(spent.nano, spent.unpriced_lines),
        muted=isinstance(session, Supervised) and session.supervision.is_muted,
        quality=quality or Quality(),
        connections=tuple(
            ListedConnection(name, role) for name, role in session.connection_roles.items()
        ),
    )
