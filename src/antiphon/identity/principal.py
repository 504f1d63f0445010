"""Who somebody is: whom a session belongs to, and what its bearer may do."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, Literal, get_args

from msgspec import Struct
from msgspec.structs import replace

Scope = Literal["mint", "call", "sideband", "read", "operate"]
"""What a key opens.  ``mint``: make and revoke client secrets.  ``call``: open sessions.
``sideband``: find live sessions, join them, hang them up.  ``read``: read and fork conversations.
``operate``: supervise live sessions, erase conversations, keys, the audit log.
"""
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
ALL_SCOPES: Final[frozenset[Scope]] = frozenset(SCOPES)
SECRET_SCOPES: Final[frozenset[Scope]] = frozenset(("call",))
"""Of client secrets, whatever minted them."""
DEFAULT_TENANT: Final = "default"


class Principal(Struct, frozen=True, kw_only=True):
    """Whoever showed a key, a token or a client secret."""

    tenant: str = DEFAULT_TENANT
    """Who pays: an organisation, a customer.  The default one is the operator's own."""
    user: str | None = None
    """What the application calls its end user: an opaque id, for its operator."""
    key_id: str | None = None
    """Of the API key, also of the one that minted a secret; None: a key of the settings, a token
    (JWT), or a server without keys.
    """
    key_name: str | None = None
    """What its operator calls that key."""
    settings_key: str | None = None
    """Tells keys of the settings apart, also for secrets that they minted; shown to nobody."""
    scopes: frozenset[Scope] = ALL_SCOPES
    limits: str | None = None
    """Name of the limits of this bearer, beside those of its tenant; None: no others."""
    budget: str | None = None
    """Name of the budget of this bearer, beside that of its tenant; None: no other."""
    client_events: frozenset[str] | None = None
    """Types of client events that its connections may send (GA names); None: all."""
    retention: Literal["none", "items", "items+audio"] | None = None
    """What is kept of its sessions where they ask for nothing else; None: the server's rule."""

    def sees(self, tenant: str, user: str | None) -> bool:
        """Whether what belongs to them is there for this principal.

        Who is bound to a user sees that user's alone; who is of the default tenant, all tenants'.
        """
        if self.user is not None and (self.tenant, self.user) != (tenant, user):
            return False
        return self.tenant in (tenant, DEFAULT_TENANT)

    def may(self, *scopes: Scope) -> bool:
        """Whether one of ``scopes`` is among its own; of none of them: yes."""
        return not scopes or not self.scopes.isdisjoint(scopes)

    def secret_for(self, user: str | None) -> Principal:
        """The bearer of a client secret that this one mints for ``user``; None: for nobody else."""
        return replace(self, user=self.user or user, scopes=SECRET_SCOPES)


ANYONE: Final = Principal()
"""Whoever shows a key of the settings, or reaches a server that has no keys."""


def fewer_events(
    allowed: frozenset[str] | None, asked: Collection[str] | None
) -> frozenset[str] | None:
    """What is in both lists; None is the list of all."""
    if asked is None:
        return allowed
    return frozenset(asked) if allowed is None else allowed & frozenset(asked)
