"""Who comes in and what is noted of it, as the configuration says."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import msgspec

from antiphon.errors import ConfigurationError
from antiphon.limits.policy import Policy
from antiphon.server.audit import Audit
from antiphon.server.auth import Gate
from antiphon.server.bearers import Bearers, Tokens
from antiphon.server.key_store import KeyStore, KnownKeys, MemoryKeyStore
from antiphon.server.settings import AuthSettings, Config, LimitSettings

KEYS_FILE = "keys.sqlite3"
AUDIT_FILE = "audit.jsonl"


def make_gate(config: Config, audit: Audit, store: KeyStore | None = None) -> Gate:
    """Raises:
    ConfigurationError: it needs something that is not there.
    """
    server = config.server
    bearers = Bearers(
        server.api_keys,
        known=KnownKeys(make_key_store(config) if store is None else store),
        tokens=_tokens(config.auth),
        required=config.auth.required,
        ends_removed=config.auth.on_removed == "close",
    )
    return Gate(
        allowed_origins=server.allowed_origins,
        trusted_proxies=server.trusted_proxies,
        bearers=bearers,
        audit=audit,
    )


class KeyPlace(NamedTuple):
    """For who works on the store itself."""

    keys: KnownKeys
    audit: Audit
    plans: Collection[str]
    """Of limits."""
    budgets: Collection[str]


def key_place(config: Config) -> KeyPlace:
    """Raises:
    ConfigurationError: as `make_key_store`.
    """
    keys = KnownKeys(make_key_store(config))
    plans, budgets = config.limits.plans.keys(), config.budgets.plans.keys()
    return KeyPlace(keys, make_audit(config), plans, budgets)


def make_key_store(config: Config) -> KeyStore:
    """Where the journal is, whether that keeps anything or not.

    Raises:
        ConfigurationError: it needs an extra that is not installed.
    """
    journal = config.journal
    if journal.url is not None:
        try:
            from antiphon.server.key_store_postgres import PostgresKeyStore
        except ModuleNotFoundError as missing:
            raise ConfigurationError(
                f"[journal] url: the Python package {missing.name} is missing; install it with "
                "pip install asyncpg (the extra 'postgres')."
            ) from None
        return PostgresKeyStore(journal.url.reveal())
    if journal.path is None:
        return MemoryKeyStore()
    from antiphon.server.key_store_sqlite import SqliteKeyStore

    return SqliteKeyStore(_beside(journal.path, KEYS_FILE))


def make_audit(config: Config) -> Audit:
    path = config.journal.path
    return Audit(None if path is None else _beside(path, AUDIT_FILE))


def make_policy(limits: LimitSettings) -> Policy:
    address = limits.address
    if limits.new_sessions_per_minute and not address.sessions_per_minute:
        per_minute = limits.new_sessions_per_minute
        address = msgspec.structs.replace(address, sessions_per_minute=per_minute)
    return Policy(
        address=address,
        user=limits.user,
        key=limits.key,
        tenant=limits.tenant,
        tenants=limits.tenants,
        plans=limits.plans,
    )


def _tokens(auth: AuthSettings) -> Tokens | None:
    if auth.jwt_issuer is None:
        return None
    from antiphon.server.tokens import JwtTokens  # Who takes no tokens need not wait for it.

    return JwtTokens.of(auth)


def _beside(journal: str, name: str) -> Path:
    return Path(journal).expanduser().with_name(name)
