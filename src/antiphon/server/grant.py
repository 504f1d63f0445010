"""What one who begins a session may have."""

from __future__ import annotations

from msgspec import Struct

from antiphon.identity.principal import ANYONE, Principal
from antiphon.protocol.dialects.dialect import Extras
from antiphon.protocol.session import SessionPatch
from antiphon.protocol.veil import Hidden
from antiphon.runtime.door import Retention
from antiphon.runtime.hub import SessionKind

DEFAULT_MODEL = "gpt-realtime"
"""Of sessions that name none."""


class Grant(Struct, frozen=True, kw_only=True):
    """What a client secret allows its bearer; to one with a server key, what was asked for."""

    kind: SessionKind = "realtime"
    model: str
    patch: SessionPatch = SessionPatch()
    """What the session begins with; a secret's was checked when it was minted."""
    dialect: str = "ga"
    """By its name in `antiphon.protocol.dialects.registry`."""
    dialect_extras: Extras = {}
    max_sessions: int | None = None
    """How many sessions may ever be opened with it; None: any number, until it expires."""
    allowed_origins: frozenset[str] | None = None
    """Web pages that may use it; None: whatever the server lets in."""
    client_events: frozenset[str] | None = None
    """Types of client events that its connections may send (GA names); None: all."""
    hides: frozenset[Hidden] = frozenset()
    """What its connections are not to see."""
    principal: Principal = ANYONE
    """Whom its sessions belong to."""
    conversation_id: str | None = None
    """An earlier conversation that its sessions go on with; None: they begin anew."""
    retention: Retention | None = None
    """What is kept of its sessions; None: what the server keeps of all."""
    traceparent: str | None = None
    """The trace that it was minted in, and that its sessions belong to where they name none."""
    wait_for_sideband_s: float = 0
    """How long its sessions listen to nobody, until a sideband has come."""

    @property
    def end_user_id(self) -> str | None:
        """What the application calls its user."""
        return self.principal.user
