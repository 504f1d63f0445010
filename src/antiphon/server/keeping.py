"""Where conversations are kept, as the configuration says."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from pkgutil import resolve_name

from antiphon.errors import ConfigurationError
from antiphon.journal.journal import Journal
from antiphon.journal.redaction import Redact
from antiphon.metering.budgets import LocalLedger
from antiphon.profiles.profile import Bounds
from antiphon.profiles.profiles import Profiles, Summarize
from antiphon.runtime.door import Retention
from antiphon.runtime.keeping import Keeping
from antiphon.runtime.ledger_line import FarLedgerLine, LedgerLine
from antiphon.runtime.recorder import Encoding
from antiphon.server.budgets import budgets_of, stages_of
from antiphon.server.secret_store import SecretStore
from antiphon.server.settings import Config
from antiphon.server.siblings import Servers

GO_ON_AFTER_MS = 100
"""A healthy disk takes less (docs/reference/benchmarks.md)."""


def make_journal(config: Config, *, create: bool = True, for_lines: bool = False) -> Journal | None:
    """Where conversations are kept; None: nowhere, for want of a place or by the operator's wish.

    A file that is not there is made if it may be (``create``).  ``for_lines``: what was used is
    counted where nothing is kept of what was said.

    Raises:
        ConfigurationError: it needs an extra that is not installed.
    """
    settings = config.journal
    if settings.retention == "none" and not for_lines:
        return None
    # Who keeps nothing need not wait for either.
    if settings.url is not None:
        try:
            from antiphon.journal.postgres import PostgresJournal
        except ModuleNotFoundError as missing:
            raise ConfigurationError(
                f"[journal] url: the Python package {missing.name} is missing; install it with "
                "pip install asyncpg (the extra 'postgres')."
            ) from None
        return PostgresJournal(settings.url.reveal())
    if settings.path is None:
        return None
    from antiphon.journal.sqlite import SqliteJournal

    return SqliteJournal(Path(settings.path).expanduser(), create=create)


def make_secret_store(config: Config) -> SecretStore | None:
    """Where client secrets are; None: in the memory of this server.

    Raises:
        ConfigurationError: it needs an extra that is not installed, or the address is none.
    """
    url = config.redis.url
    if url is None:
        return None
    try:
        from antiphon.server.secret_store_redis import RedisSecretStore
    except ModuleNotFoundError as missing:
        raise ConfigurationError(
            f"[redis] url: the Python package {missing.name} is missing; install it with "
            "pip install redis (the extra 'redis')."
        ) from None
    try:
        return RedisSecretStore(url.reveal())
    except ValueError as error:
        raise ConfigurationError(f"[redis] url: {error}") from None


def make_servers(config: Config) -> Servers | None:
    """Others with which this one counts; None: it is alone.

    Raises:
        ConfigurationError: as `make_secret_store`.
    """
    if config.redis.url is None or make_secret_store(config) is None:
        return None
    from antiphon.server.redis_counts import RedisCounts

    return RedisCounts(config.redis.url.reveal(), address=config.redis.public_url or "")


def make_shared_ledger(config: Config) -> LedgerLine | None:
    """Of all servers that share a Redis; None: budgets are this server's own.

    Raises:
        ConfigurationError: as `make_secret_store`.
    """
    if config.redis.url is None or not config.metering.enabled or make_secret_store(config) is None:
        return None
    from antiphon.server.redis_ledger import RedisLedger

    local = LocalLedger(budgets_of(config.budgets), stages_of(config.budgets))
    return FarLedgerLine(RedisLedger(config.redis.url.reveal(), local))


def make_keeping(config: Config, journal: Journal | None) -> Keeping | None:
    """How conversations are kept there.

    Raises:
        ConfigurationError: it needs something that is not there.
    """
    if journal is None:
        return None
    settings = config.journal
    hold_ms = round(settings.hold_seconds * 1000)
    return Keeping(
        journal=journal,
        hold_ms=min(GO_ON_AFTER_MS, hold_ms) if settings.on_trouble == "go_on" else hold_ms,
        refuses_in_trouble=settings.on_trouble == "refuse",
        retention=settings.retention,
        redact=_redact(settings.redact),
        encoding=_encoding(settings.retention),
        tapes=settings.tapes,
    )


def make_profiles(
    config: Config, journal: Journal | None, summarize: Summarize | None = None
) -> Profiles | None:
    """What is remembered of users; None: nothing is, by the operator's wish."""
    settings = config.memory
    if not settings.enabled or journal is None:
        return None
    return Profiles(
        journal,
        bounds=Bounds(max_facts=settings.max_facts, max_chars=settings.max_chars),
        summarize=summarize if settings.when_full == "summarize" else None,
    )


def _redact(name: str | None) -> Redact | None:
    """Raises:
    ConfigurationError: there is no function of that name.
    """
    if name is None:
        return None
    try:
        found = resolve_name(name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigurationError(f"[journal] redact: '{name}' cannot be loaded: {error}.") from None
    if not callable(found):
        raise ConfigurationError(f"[journal] redact: '{name}' is no function.")
    redact: Redact = found
    return redact


def _encoding(wanted: Retention) -> Callable[[], Encoding] | None:
    """What recordings are written with.

    Raises:
        ConfigurationError: all sessions are to be recorded, and there is nothing to do it with.
    """
    if find_spec("av") is None:
        if wanted == "items+audio":
            raise ConfigurationError(
                "[journal] retention = \"items+audio\" needs the codec of the extra 'webrtc'; "
                "install it with pip install av."
            )
        return None

    def opus() -> Encoding:
        from antiphon.audio.ogg_opus import OggOpus  # It takes a while to import.

        return OggOpus()

    return opus
