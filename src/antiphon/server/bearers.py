"""Whose a key or a token is."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Protocol

from msgspec.structs import replace

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

    @property
    def names(self) -> frozenset[str]:
        """Of its keys, as `find` gives them."""
        return frozenset(map(_name_of, self._digests))

    def find(self, key: str) -> str | None:
        """What the key is called here, which tells nothing of it; None: it is not one of these."""
        digest = sha256(key.encode(errors="surrogateescape")).digest()
        found = False
        for known in self._digests:
            found |= hmac.compare_digest(known, digest)
        return _name_of(digest) if found else None


def _name_of(digest: bytes) -> str:
    """The same in each process; too short to check guesses at a key by."""
    return sha256(b"antiphon settings key " + digest).digest()[:4].hex()


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
    ends_removed: What a key of the settings has opened and minted is over with it.
    """

    def __init__(
        self,
        keys: Iterable[Secret] = (),
        *,
        known: KnownKeys | None = None,
        tokens: Tokens | None = None,
        required: bool = False,
        ends_removed: bool = False,
    ) -> None:
        self.ends_removed = ends_removed
        self.known = KnownKeys(MemoryKeyStore()) if known is None else known
        self._ring = KeyRing(keys)
        self._tokens = tokens
        self._required = required
        self._on_removed: Callable[[frozenset[str]], None] = lambda _: None

    def replace_keys(self, keys: Iterable[Secret]) -> None:
        """Of the settings."""
        before, self._ring = self._ring, KeyRing(keys)
        if removed := before.names - self._ring.names:
            self._on_removed(removed)

    def when_removed(self, callback: Callable[[frozenset[str]], None]) -> None:
        """Call back with the names of keys that are no longer in the settings."""
        self._on_removed = callback

    def is_revoked(self, principal: Principal) -> bool:
        """The key that it came by, or that minted its secret, opens nothing any more."""
        name = principal.settings_key
        if self.ends_removed and name is not None and name not in self._ring.names:
            return True
        return principal.key_id is not None and self.known.is_revoked(principal.key_id)

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
        if (name := self._ring.find(key)) is not None:
            return replace(ANYONE, settings_key=name)
        if self._tokens is not None and looks_like_token(key):
            return await self._tokens.principal(key)
        raise Unauthorized(INCORRECT_KEY)
