"""What a token's claims say of its bearer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from antiphon.errors import AntiphonError
from antiphon.identity.keys import MAX_USER_CHARS, KeyInvalid, check_tenant
from antiphon.identity.principal import ALL_SCOPES, DEFAULT_TENANT, Principal, Scope

MAX_REFERENCE_CHARS: Final = 100


class ClaimsUnusable(AntiphonError):
    """The token is genuine, and does not say what it must."""


class ClaimNames(Struct, frozen=True, kw_only=True):
    """Which claims are looked at; dots lead into objects (``realm_access.roles``)."""

    user: str = "sub"
    tenant: str | None = None
    """None: all are of ``default_tenant``."""
    scopes: str | None = None
    """None: all have ``default_scopes``."""
    scope_prefix: str = ""
    limits: str | None = None
    budget: str | None = None
    default_tenant: str = DEFAULT_TENANT
    default_scopes: frozenset[Scope] = frozenset(("call",))


def principal_of(claims: Mapping[str, Any], names: ClaimNames) -> Principal:
    """Raises:
    ClaimsUnusable
    """
    tenant = names.default_tenant
    if names.tenant is not None:
        tenant = _text(claims, names.tenant, MAX_REFERENCE_CHARS) or ""
        try:
            check_tenant(tenant)
        except KeyInvalid:
            raise ClaimsUnusable(f"its claim '{names.tenant}' names no tenant") from None
    scopes = names.default_scopes
    if names.scopes is not None:
        scopes = _scopes(_found(claims, names.scopes), names.scope_prefix)
    user = _text(claims, names.user, MAX_USER_CHARS)
    if user is None:
        raise ClaimsUnusable(f"its claim '{names.user}' names no user")
    return Principal(
        tenant=tenant,
        user=user,
        scopes=scopes,
        limits=_reference(claims, names.limits),
        budget=_reference(claims, names.budget),
    )


def _scopes(said: object, prefix: str) -> frozenset[Scope]:
    """What is no scope of ours is somebody else's."""
    words = said.split() if isinstance(said, str) else said
    if not isinstance(words, list):
        return frozenset()
    named = {
        word.removeprefix(prefix)
        for word in words
        if isinstance(word, str) and word.startswith(prefix)
    }
    return ALL_SCOPES & named


def _reference(claims: Mapping[str, Any], name: str | None) -> str | None:
    return None if name is None else _text(claims, name, MAX_REFERENCE_CHARS)


def _text(claims: Mapping[str, Any], name: str, max_chars: int) -> str | None:
    """Raises:
    ClaimsUnusable: it is something else.
    """
    value = _found(claims, name)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > max_chars:
        raise ClaimsUnusable(f"its claim '{name}' is no text of at most {max_chars} characters")
    return value


def _found(claims: Mapping[str, Any], name: str) -> object:
    """By its whole name first: many have dots of their own (``https://example.com/tenant``)."""
    if name in claims:
        return claims[name]
    value: object = claims
    for part in name.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value
