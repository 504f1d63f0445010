"""Ephemeral client secrets: what they allow, until when, and how often.

A secret itself is not kept, only its SHA-256 hash: whoever reads the store, or a dump of its
memory, learns nothing to connect with.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from typing import Literal, Protocol

from msgspec import Struct

from antiphon.errors import AntiphonError
from antiphon.identity.principal import ANYONE, Principal
from antiphon.server.grant import Grant

PREFIX = "ek_"
"""agents-js, in a browser, refuses a key that begins otherwise."""
SECRET_BYTES = 24
MIN_TTL_S = 10
MAX_TTL_S = 7200
DEFAULT_TTL_S = 600
REMEMBER_S = 600
"""How long an expired secret is told that it has expired, and not that it is unknown."""


MAX_SECRETS = 10_000
FULL = (
    "All {max_secrets} client secrets of this server are valid still; revoke some, give them "
    "shorter lives, or try again later."
)


class Minted(Struct, frozen=True):
    id: str
    """Names the secret in logs, and to revoke it; no secret itself."""
    value: str
    expires_at: int
    """Unix seconds."""

    def __repr__(self) -> str:
        return f"Minted(id={self.id!r}, value=***, expires_at={self.expires_at})"


class SecretRefused(AntiphonError):
    """A client secret does not open a session (now, from there)."""

    def __init__(
        self, reason: Literal["unknown", "expired", "revoked", "spent", "origin"], message: str
    ) -> None:
        super().__init__(message)
        self.reason = reason


class SecretStoreFull(AntiphonError):
    """As many secrets are valid as the store holds."""


class _Entry:
    def __init__(self, secret_id: str, digest: bytes, grant: Grant, expires_at: int) -> None:
        self.id = secret_id
        self.digest = digest
        self.grant = grant
        self.expires_at = expires_at
        self.revoked = False
        self.opened = 0


def unknown() -> SecretRefused:
    return SecretRefused(
        "unknown", "Incorrect API key provided: there is no such client secret here."
    )


def check_opens(
    grant: Grant, *, opened: int, is_revoked: bool, has_expired: bool, origin: str | None
) -> None:
    """Raises:
    SecretRefused: a secret of which this is known opens no session now.
    """
    if is_revoked:
        raise SecretRefused("revoked", "The client secret was revoked; ask for a new one.")
    if has_expired:
        raise SecretRefused("expired", "The client secret has expired; ask for a new one.")
    if grant.max_sessions is not None and opened >= grant.max_sessions:
        raise SecretRefused(
            "spent",
            f"The client secret has opened the {grant.max_sessions} sessions that it may; "
            "ask for a new one.",
        )
    if grant.allowed_origins is not None and (origin or "").lower() not in grant.allowed_origins:
        raise SecretRefused(
            "origin", "The client secret may not be used from this web page (or without one)."
        )


class SecretStore(Protocol):
    """Where client secrets are: this process's memory, or a database that several share.

    Each method is one step: of two that redeem the last session of a secret at once, one is
    refused.
    """

    async def mint(self, grant: Grant, ttl_s: int = DEFAULT_TTL_S) -> Minted:
        """Make a secret; this is the only time its value is seen.

        Raises:
            SecretStoreFull: too many secrets are valid.
        """
        ...

    async def check(self, value: str, *, origin: str | None = None) -> Grant:
        """What a secret allows.

        Args:
            value: As the client showed it.
            origin: The `Origin` header of the request.

        Raises:
            SecretRefused: it opens no session now.
        """
        ...

    async def redeem(self, value: str, *, origin: str | None = None) -> Grant:
        """`check`, and count one session as opened."""
        ...

    async def give_back(self, value: str) -> None:
        """The session that was counted by `redeem` was not opened after all."""
        ...

    async def revoke(self, secret_id: str, *, by: Principal = ANYONE) -> bool:
        """Let a secret open nothing more.  Sessions that it has opened go on.

        Returns:
            Whether there was such a secret, still valid, that ``by`` may see.
        """
        ...


class MemorySecretStore:
    """The client secrets of one process; a restart forgets them.

    Overflow policy: of secrets that no longer open anything the store forgets; those that do
    are never pushed out, so that beyond ``max_secrets`` of them nothing more is minted.
    """

    def __init__(
        self,
        *,
        max_secrets: int = MAX_SECRETS,
        now_s: Callable[[], float] = time.time,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        """Args:
        now_s: wall time, in Unix seconds.
        random_bytes: so many bytes that nobody can guess.
        """
        self._max_secrets = max_secrets
        self._now_s = now_s
        self._random_bytes = random_bytes
        self._by_digest: dict[bytes, _Entry] = {}
        self._by_id: dict[str, _Entry] = {}

    def __len__(self) -> int:
        return len(self._by_digest)

    async def mint(self, grant: Grant, ttl_s: int = DEFAULT_TTL_S) -> Minted:
        assert MIN_TTL_S <= ttl_s <= MAX_TTL_S, "the request was checked"
        if len(self._by_digest) >= self._max_secrets:
            self._forget()
        if len(self._by_digest) >= self._max_secrets:
            raise SecretStoreFull(FULL.format(max_secrets=self._max_secrets))
        value, secret_id = new_secret(self._random_bytes)
        entry = _Entry(secret_id, digest(value), grant, int(self._now_s()) + ttl_s)
        self._by_digest[entry.digest] = entry
        self._by_id[entry.id] = entry
        return Minted(entry.id, value, entry.expires_at)

    async def check(self, value: str, *, origin: str | None = None) -> Grant:
        return self._valid(value, origin).grant

    async def redeem(self, value: str, *, origin: str | None = None) -> Grant:
        entry = self._valid(value, origin)
        entry.opened += 1
        return entry.grant

    async def give_back(self, value: str) -> None:
        entry = self._by_digest.get(digest(value))
        if entry is not None and entry.opened:
            entry.opened -= 1

    async def revoke(self, secret_id: str, *, by: Principal = ANYONE) -> bool:
        entry = self._by_id.get(secret_id)
        if entry is None or entry.revoked or entry.expires_at <= self._now_s():
            return False
        if not by.sees(entry.grant.principal.tenant, entry.grant.principal.user):
            return False
        entry.revoked = True
        return True

    def _valid(self, value: str, origin: str | None) -> _Entry:
        shown = digest(value)
        # The dictionary compares hashes, whose bytes nobody can choose; so how long it takes
        # says nothing about a secret.
        entry = self._by_digest.get(shown)
        if entry is None or not hmac.compare_digest(entry.digest, shown):
            raise unknown()
        check_opens(
            entry.grant,
            opened=entry.opened,
            is_revoked=entry.revoked,
            has_expired=entry.expires_at <= self._now_s(),
            origin=origin,
        )
        return entry

    def _forget(self) -> None:
        now_s = self._now_s()
        useless = [e for e in self._by_digest.values() if _is_useless(e, now_s)]
        long_ago = [e for e in useless if e.expires_at + REMEMBER_S <= now_s]
        # What was valid a moment ago is worth a good error message, while there is room.
        for entry in long_ago or useless:
            del self._by_digest[entry.digest], self._by_id[entry.id]


def new_secret(random_bytes: Callable[[int], bytes]) -> tuple[str, str]:
    """The value of a secret, and its id."""

    def token(size: int) -> str:
        """``size`` random bytes in letters, digits, ``-`` and ``_``."""
        return base64.urlsafe_b64encode(random_bytes(size)).rstrip(b"=").decode()

    return PREFIX + token(SECRET_BYTES), f"cs_{token(12)}"


def _is_useless(entry: _Entry, now_s: float) -> bool:
    spent = entry.grant.max_sessions is not None and entry.opened >= entry.grant.max_sessions
    return entry.revoked or spent or entry.expires_at <= now_s


def digest(value: str) -> bytes:
    """All that is kept of a secret."""
    return hashlib.sha256(value.encode(errors="surrogateescape")).digest()
