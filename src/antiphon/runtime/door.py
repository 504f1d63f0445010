"""What others see of a live session: transports, the server, companions in the same process."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal, Protocol

from msgspec import Struct

from antiphon.core.terms import Activity
from antiphon.errors import ProtocolError
from antiphon.identity.principal import ANYONE, Principal
from antiphon.protocol.client import ClientEvent
from antiphon.protocol.session import AnySession
from antiphon.runtime.connection import Connection
from antiphon.runtime.media import Playback

Retention = Literal["none", "items", "items+audio"]
"""What is kept of a session: nothing, what was said in words, or its sound too."""


class About(Struct, frozen=True, kw_only=True):
    """What is known of a session when it opens."""

    session_id: str
    engine_name: str
    transport: Literal["websocket", "webrtc"]
    """How the media come."""
    began_at: int
    """Unix time."""
    conversation_id: str
    """Of the conversation, which may outlive the session where they are kept."""
    principal: Principal = ANYONE
    """Whom it belongs to."""

    @property
    def end_user_id(self) -> str | None:
        """What the application calls its user."""
        return self.principal.user

    def is_seen_by(self, principal: Principal) -> bool:
        return principal.sees(self.principal.tenant, self.principal.user)


class SessionDoor(Protocol):
    """Everything happens on the event loop; no method waits."""

    @property
    def id(self) -> str: ...

    # --- For connections -----------------------------------------------------

    def attach(
        self,
        connection: Connection,
        *,
        owns: bool = True,
        may_send: Collection[str] | None = None,
        after: str | None = None,
    ) -> None:
        """Join; `session.created` is the first event the connection is sent.

        When the last connection that owns the session detaches, the session ends, at once or
        after a while (`Terms.linger_ms`).

        Args:
            connection: Closed at once where the session has ended already.
            owns: False for a sideband, which may come and go.
            may_send: Types of client events it may send; None: all.
            after: The last event that it knows of, "" for none: it is told what came since.
                Where that is gone, it is told so, and shown the items.
        """
        ...

    def resume(
        self,
        connection: Connection,
        *,
        token: str,
        may_send: Collection[str] | None = None,
        after: str | None = None,
        shows_items: bool = False,
        playback: Playback | None = None,
        played: int | None = None,
    ) -> None:
        """The owner is back, by ``token``; other arguments as for `attach`, and `Hub.open`.

        It is told what it missed, and the connection that it had is closed.  With ``shows_items``
        all items follow: the client has forgotten them, as a page that was loaded anew.
        ``played`` is the RTP timestamp of the last packet of the former call that it played: what
        left after that is played again.
        """
        ...

    def detach(self, connection: Connection, *, for_good: bool = False) -> None:
        """The connection is gone; nothing is sent to it any more.

        With ``for_good`` the client said goodbye: the session does not wait for it.
        """
        ...

    def receive(self, connection: Connection, event: ClientEvent) -> None:
        """What a connection that is not (or no longer) attached sends is ignored."""
        ...

    def refuse(self, connection: Connection, error: ProtocolError) -> None:
        """A message was no client event: answer with one `error`, change nothing."""
        ...

    # --- For transports that own playout -------------------------------------

    def hear(self, pcm: bytes) -> None:
        """Microphone audio, 16-bit mono at 24 kHz."""
        ...

    @property
    def awaits_silence(self) -> bool:
        """Whether something may follow from a silence as it passes: it ends a turn, say.  Else it
        may be heard late, in long pieces, as long as it is heard before what comes after it.
        """
        ...

    def drained(self) -> None:
        """All speech that was given to the playback has left."""
        ...

    # --- For the operator ----------------------------------------------------

    def move(self, *, model: str | None = None, voice: str | None = None) -> None:
        """Let the engine of another model go on with the session: its items and ids stay.  What
        is being said ends, and is said anew.

        Raises:
            EngineUnavailable, Fault: it cannot; nothing has changed.
        """
        ...

    # --- For those who look on -----------------------------------------------

    @property
    def about(self) -> About: ...

    @property
    def settings(self) -> AnySession: ...

    @property
    def state(self) -> Activity | Literal["ended"]: ...

    @property
    def connection_roles(self) -> Mapping[str, Literal["owner", "sideband"]]:
        """Ids of those that are attached, in the order in which they came."""
        ...

    @property
    def keeps_a_seat(self) -> bool:
        """Its owner can come back to it (`resume`)."""
        ...

    def close(self, code: int, reason: str) -> None:
        """Hang up on everyone, now."""
        ...

    def warn(self, error: ProtocolError) -> None:
        """Tell all who are connected of something that is nobody's message's fault."""
        ...

    def be_taken_over(self) -> None:
        """End, truthfully, because another session goes on with the conversation."""
        ...

    async def ended(self) -> None:
        """Wait until a session that has ended has let go of its engine."""
        ...
