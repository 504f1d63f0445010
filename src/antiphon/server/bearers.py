"""Whose a key or a token is."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from hashlib import sha256
from typing import Protocol

from antiphon.identity.keys import KEY_PREFIX
from antiphon.identity.principal import ANYONE, Principal
from antiphon.server.api_errors import INCORRECT_KEY, SERVER_KEYS_ONLY, Unauthorized
from antiphon.server.key_store import KnownKeys, MemoryKeyStore
from antiphon.server.secret import Secret
from antiphon.server.secret_store import PREFIX as SECRET_PREFIX


class KeyRing:
    """The keys of the settings, kept as hashes and compared in constant time."""

    def __init__(self, keys: Iterable[Secret]) -> None:
        self._digests = tuple(sha256(key.reveal().encode()).digest() for key in keys)

    def __len__(self) -> int:
        return len(self._digests)

    def holds(self, key: str) -> bool:
        digest = sha256(key.encode(errors="surrogateescape")).digest()
        found = False
        for known in self._digests:
            found |= hmac.compare_digest(known, digest)
        return found


class Tokens(Protocol):
    """Who checks JSON Web Tokens."""

    async def principal(self, token: str) -> Principal:
        """Raises `Unauthorized`, with the reason."""
        ...


def looks_like_token(key: str) -> bool:
    """A JWT has three parts, the first of which is a JSON object in base64url."""
    return key.startswith("eyJ") and key.count(".") == 2


def cannot_be_guessed(key: str) -> bool:
    """Whoever made the key, it is long and random: so it does no harm to look at it at once."""
    return key.startswith((KEY_PREFIX, SECRET_PREFIX)) or looks_like_token(key)


class Bearers:
    """Args:
    keys: Of the settings: they may everything.
    known: Those that `antiphon keys` makes.
    tokens: Who checks tokens; None: there are none.
    required: Nobody comes in without a key, even while there is none.
    """

    def __init__(
        self,
        keys: Iterable[Secret] = (),
        *,
        known: KnownKeys | None = None,
        tokens: Tokens | None = None,
        required: bool = False,
    ) -> None:
        self.known = KnownKeys(MemoryKeyStore()) if known is None else known
        self._ring = KeyRing(keys)
        self._tokens = tokens
        self._required = required

    def replace_keys(self, keys: Iterable[Secret]) -> None:
        """Of the settings.  Who is in already stays."""
        self._ring = KeyRing(keys)

    @property
    def is_open(self) -> bool:
        """There are no keys: whoever reaches the server may use it.

        One that was revoked still counts: the end of the last key opens no door.
        """
        nobody = not len(self._ring) and not len(self.known) and self._tokens is None
        return nobody and not self._required

    @property
    def key_count(self) -> int:
        """Those of the settings, and those of the store that are valid."""
        return len(self._ring) + self.known.count_valid()

    async def principal(self, key: str | None) -> Principal:
        """Raises:
        Unauthorized: it is nobody's.
        """
        if self.is_open:
            return ANYONE
        if not key:
            raise Unauthorized
        if key.startswith(SECRET_PREFIX):
            raise Unauthorized(SERVER_KEYS_ONLY)
        if key.startswith(KEY_PREFIX) and (record := self.known.find(key)) is not None:
            return record.principal
        if self._ring.holds(key):
            return ANYONE
        if self._tokens is not None and looks_like_token(key):
            return await self._tokens.principal(key)
        raise Unauthorized(INCORRECT_KEY)
