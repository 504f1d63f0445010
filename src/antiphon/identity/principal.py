"""Who somebody is: whom a session belongs to, and what its bearer may do."""

from __future__ import annotations

from typing import Final, Literal, get_args

from msgspec import Struct

Scope = Literal["mint", "call", "sideband", "read", "operate"]
"""What a key opens: mint and revoke client secrets; open sessions; join one as a sideband; read and
erase conversations; see and move live sessions, keys and the audit log.
"""
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
ALL_SCOPES: Final[frozenset[Scope]] = frozenset(SCOPES)
DEFAULT_TENANT: Final = "default"


class Principal(Struct, frozen=True, kw_only=True):
    """Whoever showed a key, a token or a client secret."""

    tenant: str = DEFAULT_TENANT
    """Who pays: an organisation, a customer.  Keys of the settings are of the default one."""
    user: str | None = None
    """What the application calls its end user: an opaque id, for its operator."""
    key_id: str | None = None
    """Of the API key, also of the one that minted a secret; None: the key of the settings, a token
    (JWT), or a server without keys.
    """
    key_name: str | None = None
    """What its operator calls that key."""
    scopes: frozenset[Scope] = ALL_SCOPES
    limits: str | None = None
    """Name of the limits of this bearer, beside those of its tenant; None: no others."""
    budget: str | None = None
    """Name of the budget of this bearer, beside that of its tenant; None: no other."""


ANYONE: Final = Principal()
"""Whoever shows a key of the settings, or reaches a server that has no keys."""
