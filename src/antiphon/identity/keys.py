"""API keys: what is known of each, and how its value is made and told apart.

The value itself is kept nowhere: only its SHA-256 hash.  It holds 192 random bits, so that neither
a slow hash nor a salt would make it any harder to guess.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from typing import Final, Literal, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from antiphon.errors import AntiphonError
from antiphon.identity.principal import (
    ALL_SCOPES,
    DEFAULT_TENANT,
    SCOPES,
    Principal,
    Scope,
    fewer_events,
)

KEY_PREFIX: Final = "ak_"
KEY_BYTES: Final = 24
SHOWN_LETTERS: Final = 4
MAX_NAME_CHARS: Final = 100
MAX_USER_CHARS: Final = 512
_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,99}")


class KeyInvalid(AntiphonError):
    """What a key shall be is not possible."""

    def __init__(self, param: str, message: str) -> None:
        super().__init__(message)
        self.param = param


class KeyRecord(Struct, frozen=True, kw_only=True):
    """All that is kept of a key."""

    id: str
    """Names it in logs, and to revoke it; no secret itself."""
    name: str
    digest: bytes
    hint: str
    """The last letters of its value, to recognise it by."""
    tenant: str = DEFAULT_TENANT
    user: str | None = None
    scopes: frozenset[Scope] = ALL_SCOPES
    limits: str | None = None
    budget: str | None = None
    client_events: frozenset[str] | None = None
    retention: Literal["none", "items", "items+audio"] | None = None
    """The last six as of `Principal`."""
    created_at: int
    """All times in Unix seconds."""
    expires_at: int | None = None
    """None: never."""
    revoked_at: int | None = None

    @property
    def principal(self) -> Principal:
        return Principal(
            tenant=self.tenant,
            user=self.user,
            key_id=self.id,
            key_name=self.name,
            scopes=self.scopes,
            limits=self.limits,
            budget=self.budget,
            client_events=self.client_events,
            retention=self.retention,
        )

    def is_valid(self, now_s: float) -> bool:
        return self.revoked_at is None and (self.expires_at is None or now_s < self.expires_at)


class KeyWish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a new key shall be; fields as of `KeyRecord`."""

    name: str
    tenant: str = DEFAULT_TENANT
    user: str | None = None
    scopes: tuple[Scope, ...] = SCOPES
    limits: str | None = None
    budget: str | None = None
    client_events: tuple[str, ...] | None = None
    retention: Literal["none", "items", "items+audio"] | None = None
    expires_at: int | None = None


class NewKey(NamedTuple):
    record: KeyRecord
    value: str
    """Shown this once."""

    def __repr__(self) -> str:
        return f"NewKey({self.record.id}, ***)"


def digest(value: str) -> bytes:
    """All that is kept of a key's value."""
    return hashlib.sha256(value.encode(errors="surrogateescape")).digest()


def new_key(wish: KeyWish, *, now_s: float, random_bytes: Callable[[int], bytes]) -> NewKey:
    """Args:
        wish: What it shall be.
        now_s: Unix time.
        random_bytes: So many that nobody can guess.

    Raises:
        KeyInvalid: It cannot be that.
    """
    check(wish, now_s)
    value = KEY_PREFIX + _letters(random_bytes(KEY_BYTES))
    record = KeyRecord(
        id="key_" + _letters(random_bytes(12)),
        name=wish.name.strip(),
        digest=digest(value),
        hint=value[-SHOWN_LETTERS:],
        tenant=wish.tenant,
        user=wish.user,
        scopes=frozenset(wish.scopes),
        limits=wish.limits,
        budget=wish.budget,
        client_events=None if wish.client_events is None else frozenset(wish.client_events),
        retention=wish.retention,
        created_at=int(now_s),
        expires_at=wish.expires_at,
    )
    return NewKey(record, value)


def check(wish: KeyWish, now_s: float) -> None:
    """Raises:
    KeyInvalid: no key can be that.
    """
    if not 1 <= len(wish.name.strip()) <= MAX_NAME_CHARS or not wish.name.isprintable():
        raise KeyInvalid("name", f"A key needs a name of 1 to {MAX_NAME_CHARS} characters.")
    check_tenant(wish.tenant)
    if wish.user is not None and not 1 <= len(wish.user) <= MAX_USER_CHARS:
        raise KeyInvalid("user", f"A user's id has 1 to {MAX_USER_CHARS} characters.")
    if not wish.scopes:
        raise KeyInvalid("scopes", f"A key needs a scope: {', '.join(SCOPES)}.")
    if wish.expires_at is not None and wish.expires_at <= now_s:
        raise KeyInvalid("expires_at", "That time is over: the key could never be used.")


def check_tenant(name: str) -> None:
    """Raises:
    KeyInvalid: no tenant is called so.
    """
    if not _TENANT.fullmatch(name):
        raise KeyInvalid(
            "tenant",
            f"'{name[:100]}' is no name of a tenant: up to 100 letters, digits, '.', '_', ':' and "
            "'-', a letter or digit first.",
        )


def _letters(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def allowed_wish(wish: KeyWish, maker: Principal) -> KeyWish:
    """The wish of one who may make keys, with what it inherits.

    Nobody makes a key that may more than the one it was made with; and only the operator's own
    tenant says which limits and budgets keys have.

    Raises:
        KeyInvalid: It asks for more.
    """
    lacks = sorted(set(wish.scopes) - maker.scopes)
    if lacks:
        raise KeyInvalid("scopes", f"Your own key lacks '{lacks[0]}', so no key of it has that.")
    if maker.user is not None and wish.user not in (None, maker.user):
        raise KeyInvalid("user", "Your own key is bound to another user.")
    events = fewer_events(maker.client_events, wish.client_events)
    wish = replace(
        wish,
        user=maker.user or wish.user,
        client_events=None if events is None else tuple(sorted(events)),
    )
    if maker.tenant == DEFAULT_TENANT:
        return wish
    if wish.tenant != maker.tenant:
        raise KeyInvalid("tenant", f"Your own key is of tenant '{maker.tenant}', so are those.")
    for name in ("limits", "budget"):
        if getattr(wish, name) not in (None, getattr(maker, name)):
            raise KeyInvalid(name, f"Only the operator's own tenant chooses '{name}'.")
    return replace(wish, limits=maker.limits, budget=maker.budget)
