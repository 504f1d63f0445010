"""Where everything is put together, from the configuration."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from socket import socket
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from antiphon.core.faults import Fault
from antiphon.core.terms import Terms
from antiphon.engines.cascade.engine import CascadeEngine
from antiphon.engines.cascade.recital import RecitalBrain
from antiphon.engines.engine import Engine, VoiceDetector
from antiphon.engines.farewell import FAREWELL, FarewellEngine
from antiphon.engines.registry import EngineRegistry
from antiphon.engines.relay.engine import RelayEngine
from antiphon.engines.text_only import TextOnlyEngine
from antiphon.engines.vad.silero import SileroDetector
from antiphon.errors import ConfigurationError
from antiphon.journal.journal import Journal
from antiphon.journal.tape import tapes_in
from antiphon.metering.budgets import RestoredLedger
from antiphon.protocol.unknown_names import UnknownNames
from antiphon.runtime.budget_guard import Means
from antiphon.runtime.hub import Hub, SessionRules
from antiphon.runtime.observer import Observer
from antiphon.runtime.sight import Watcher
from antiphon.server.access import make_audit, make_gate, make_policy
from antiphon.server.admission import LoadLimits
from antiphon.server.app import Api, Model
from antiphon.server.cascade_parts import CascadeParts, choose_parts, make_cascade
from antiphon.server.config_problems import is_loopback
from antiphon.server.grant import DEFAULT_MODEL
from antiphon.server.keeping import (
    make_journal,
    make_keeping,
    make_profiles,
    make_secret_store,
    make_servers,
    make_shared_ledger,
)
from antiphon.server.metering import make_metering
from antiphon.server.metrics import Metrics
from antiphon.server.quality import LastTurns
from antiphon.server.recent_errors import RecentErrors
from antiphon.server.relays import (
    RELAY,
    fallbacks_of,
    make_direct_calls,
    make_relay,
    may_give_way,
    with_relayed,
)
from antiphon.server.reload import HangUp, Reload
from antiphon.server.secret_store import SecretStore
from antiphon.server.serve import StopSignals, serve
from antiphon.server.service_manager import ServiceManager, inherited_sockets
from antiphon.server.settings import Config
from antiphon.server.siblings import Siblings
from antiphon.server.summing_up import summed_up_by
from antiphon.server.trace_settings import TraceSettings
from antiphon.transports.webrtc.settings import IceServer, WebRtcSettings
from antiphon.transports.websocket import WebSocketLimits

if TYPE_CHECKING:
    from antiphon.server.tls import Identity, Shown
    from antiphon.server.traces import Traces

TEXT = "text"
"""The engine that writes where no voice can be had; it is there where a chain names it."""
YOUNG_OBJECTS = 10_000

_unknown_models = UnknownNames(
    logging.getLogger(__name__), "model '%s' is not configured: engine '%s' answers"
)


class Wired(NamedTuple):
    """A server that is whole, but not started."""

    config: Config
    registry: EngineRegistry
    hub: Hub
    api: Api
    identity: Identity | None
    """Its TLS certificate; None: plain HTTP."""
    chosen: CascadeParts | None = None
    """What the cascade is made of, where the configuration chooses it."""

    @property
    def keeps(self) -> str:
        """Where conversations are kept, and for how long."""
        if self.hub.keeping is None:
            return "not kept"
        days = f"{self.config.journal.retention_days:g}"
        sound = "with" if self.hub.keeping.retention == "items+audio" else "without"
        return f"kept {days} days, {sound} audio, in {self.hub.keeping.journal.place}"

    def warnings(self) -> list[str]:
        """What works, and will not be liked."""
        expiry = None if self.identity is None else self.identity.warning(datetime.now(UTC))
        ears = None if self.chosen is None else self.chosen.ears.warning
        return [warning for warning in (expiry, ears) if warning is not None]


def make_engines(config: Config, chosen: CascadeParts) -> list[Engine]:
    """All engines that this configuration allows; none is started."""
    cascade = make_cascade(config, chosen)
    engines: list[Engine] = [cascade]
    if config.relay.is_on:
        engines.append(make_relay(config.relay, may_give_way=may_give_way(config)))
    chains = (*config.fallbacks.values(), config.relay.fallback)
    if any(TEXT in chain for chain in chains):
        engines.append(TextOnlyEngine(cascade, name=TEXT))
    return engines


def models_of(config: Config, engines: Sequence[Engine]) -> dict[str, str]:
    """Model names and patterns to engines; a relay's, where there is one."""
    relays = any(engine.name == RELAY for engine in engines)
    return with_relayed(config.models, config.relay) if relays else config.models


class Parts(Struct, frozen=True, kw_only=True):
    """What stands in place of what the configuration would bring."""

    engines: Sequence[Engine] | None = None
    detector: VoiceDetector | None = None
    rules: SessionRules | None = None
    hub: Hub | None = None
    """Then there is no use for a detector or rules."""
    secret_store: SecretStore | None = None
    siblings: Siblings | None = None
    """The other processes of the same server."""
    ledger: RestoredLedger | None = None
    """Where money is limited together with them."""
    journal: Journal | None = None
    reciting: Engine | None = None
    """It says its instructions where a budget is spent."""
    observers: Sequence[Callable[[Terms], Observer]] = ()
    watchers: Sequence[Watcher] = ()
    """Both beside those that the configuration brings."""


def _engine_for(registry: EngineRegistry, model: str, *, strict: bool) -> Engine:
    if model != DEFAULT_MODEL and not registry.knows(model):  # That is what naming none means.
        if strict:
            known = ", ".join(f"'{name}'" for name in registry.models)
            patterns = "".join(f", '{pattern}'" for pattern, _ in registry.patterns)
            raise Fault(
                "model_not_found",
                f"There is no model '{model[:100]}'. There are: {known}{patterns}.",
                param="model",
            )
        _unknown_models.tell(model, registry.default.name)
    return registry.find(model)


def means_of(config: Config, registry: EngineRegistry, parts: Parts) -> Means:
    """What can be done where a budget comes to its end."""
    budgets = config.budgets
    inner = parts.reciting
    for engine in registry.engines:
        if inner is None and isinstance(engine, CascadeEngine):
            inner = engine.with_brain(RecitalBrain(), name=FAREWELL)
    relays = (engine for engine in registry.engines if isinstance(engine, RelayEngine))
    waiting = {relay.name: relay.that_waits() for relay in relays}
    return Means(
        cheaper_model=budgets.cheaper_model,
        # By the same name, so that the same bill is expected.
        text_only=lambda engine: TextOnlyEngine(engine, name=engine.name),
        farewell=None if inner is None else FarewellEngine(inner, budgets.farewell),
        asked=lambda engine: waiting.get(engine.name),
    )


def make_hub(config: Config, registry: EngineRegistry, parts: Parts) -> Hub:
    if parts.hub is not None:
        return parts.hub
    server = config.server
    journal = make_journal(config) if parts.journal is None else parts.journal
    keeping = make_keeping(config, journal)
    rules = SessionRules(
        session_max_ms=round(server.session_max_minutes * 60_000),
        voice=config.offline.voice,
        image_urls=server.image_urls,
        strict=server.strict,
        linger_ms=0 if keeping is None else round(config.journal.linger_s * 1000),
    )
    observers = list(parts.observers)
    if server.tape_dir:
        observers.append(tapes_in(Path(server.tape_dir)))
    return Hub(
        partial(_engine_for, registry, strict=server.strict),
        fallbacks_for=registry.fallbacks,
        detector=parts.detector or SileroDetector(),
        rules=parts.rules or rules,
        observers=observers,
        watchers=parts.watchers,
        keeping=keeping,
        metering=make_metering(
            config,
            journal,
            means_of(config, registry, parts),
            ledger=make_shared_ledger(config) or parts.ledger,
        ),
    )


def wire(config: Config, parts: Parts | None = None) -> Wired:
    """Put the parts together, with ``parts`` in place of those that ``config`` allows.

    Raises:
        ConfigurationError: a model name leads to no engine, TLS cannot be served, or a part
            that is asked for by name is not there.
    """
    parts = parts or Parts()
    server, limits = config.server, config.limits
    engines, chosen = parts.engines, None
    if engines is None:
        chosen = choose_parts(config)
        engines = make_engines(config, chosen)
    registry = EngineRegistry(
        engines,
        default=config.engine.default,
        models=models_of(config, engines),
        fallbacks=fallbacks_of(config),
    )
    last_turns, errors = LastTurns(), RecentErrors()
    parts = replace(parts, observers=(*parts.observers, errors.observer))
    metrics = Metrics(last_turns.told) if config.metrics.enabled else None
    if metrics is not None:
        parts = replace(parts, watchers=(*parts.watchers, metrics))
    traces = make_traces(config.traces)
    if traces is not None:
        parts = replace(parts, watchers=(*parts.watchers, traces))
    hub = make_hub(config, registry, parts)
    audit = make_audit(config)
    journal = None if hub.keeping is None else hub.keeping.journal
    model = None if chosen is None else chosen.language_model
    api = Api(
        hub,
        gate=make_gate(config, audit),
        audit=audit,
        policy=make_policy(limits),
        closes_revoked=config.auth.on_revoke == "close",
        models=lambda: listed_models(registry),
        load=LoadLimits(max_sessions=server.max_sessions, max_lateness_ms=limits.max_lateness_ms),
        webrtc=webrtc_settings(config),
        secret_store=make_secret_store(config)
        if parts.secret_store is None
        else parts.secret_store,
        siblings=parts.siblings,
        servers=make_servers(config),
        direct_calls=make_direct_calls(config, registry, hub),
        profiles=make_profiles(config, journal, None if model is None else summed_up_by(model)),
        retention_days=config.journal.retention_days,
        days_of_tenants=config.journal.tenant_retention_days,
        lines_retention_days=config.metering.retention_days,
        strict=server.strict,
        metrics=metrics,
        metrics_token=config.metrics.token,
        metrics_listen=config.metrics.listen,
        engine_names=lambda: [engine.name for engine in registry.engines],
        journal_path=_journal_path(config, hub),
        last_turns=last_turns,
        errors=errors,
        traces=traces,
        limits=WebSocketLimits(
            max_message_bytes=limits.max_message_bytes,
            max_queued_bytes=limits.max_queued_bytes,
            heartbeat_s=limits.heartbeat_seconds,
        ),
    )
    return Wired(config, registry, hub, api, tls_identity(config), chosen)


def make_traces(settings: TraceSettings) -> Traces | None:
    """Raises:
    ConfigurationError: they are asked for, and their libraries are not there.
    """
    if settings.endpoint is None:
        return None
    try:  # Who sends no traces loads nothing of them.
        from antiphon.server.traces import Traces, exporter
    except ImportError as error:
        raise ConfigurationError(
            f"[traces] endpoint is set, but {error.name} is not installed: "
            "pip install 'antiphon[otel]', or leave the endpoint out."
        ) from None
    return Traces(exporter(settings), sample_ratio=settings.sample_ratio)


def _journal_path(config: Config, hub: Hub) -> Path | None:
    path = config.journal.path
    return None if hub.keeping is None or path is None or config.journal.url else Path(path)


def tls_identity(config: Config) -> Identity | None:
    server = config.server
    if server.tls_cert is None or server.tls_key is None:
        return None
    from antiphon.server.tls import read_identity  # Who serves no TLS need not wait for it.

    return read_identity(Path(server.tls_cert), Path(server.tls_key))


def webrtc_settings(config: Config) -> WebRtcSettings:
    options = config.webrtc
    credential = options.ice_credential
    server = IceServer(
        urls=options.ice_urls,
        username=options.ice_username,
        credential=None if credential is None else credential.reveal(),
    )
    return WebRtcSettings(
        ice_servers=(server,) if options.ice_urls else (),
        host_addresses=options.host_addresses,
        public_addresses=options.public_addresses,
        port_min=options.port_min,
        port_max=options.port_max,
        max_calls=config.server.max_sessions,
    )


def listed_models(registry: EngineRegistry) -> Sequence[Model]:
    """Every name that is spelled out, and the one that clients ask for first."""
    named = {DEFAULT_MODEL: registry.find(DEFAULT_MODEL)} | registry.models
    return [Model(id=name, description=engine.description) for name, engine in named.items()]


@asynccontextmanager
async def started(engines: Iterable[Engine]) -> AsyncIterator[None]:
    """Raises:
    EngineUnavailable: one cannot start; those that had are closed again.
    """
    to_close: list[Engine] = []
    try:
        for engine in engines:
            to_close.append(engine)
            await engine.start()
        yield
    finally:
        for engine in reversed(to_close):
            await engine.aclose()


def collect_less_garbage() -> None:
    """For a process that goes on for long, with next to no reference cycles.

    What was loaded to start is never looked at again, and young objects only once there
    are more of them than a full turn of the loop leaves behind for a moment.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)


async def _run(
    wired: Wired, on_ready: Callable[[str], None], reread: Callable[[], Config] | None
) -> None:
    # To the very end: a signal too many must not leave an engine's processes behind.
    stop = StopSignals()
    hang_up = HangUp(stop.first.set)
    sockets = given_sockets(is_open=wired.api.bearers.is_open)
    with stop.installed(), hang_up.installed():
        async with started(wired.registry.engines):
            collect_less_garbage()
            await _serve(wired, stop, hang_up, sockets, on_ready, reread or (lambda: wired.config))


async def _serve(
    wired: Wired,
    stop: StopSignals,
    hang_up: HangUp,
    sockets: Sequence[socket],
    on_ready: Callable[[str], None],
    reread: Callable[[], Config],
) -> None:
    server, shown = wired.config.server, None
    if wired.identity is not None:
        from antiphon.server.tls import Shown

        shown = Shown(wired.identity)
    manager = ServiceManager.of(os.environ)
    reload = reload_of(wired, reread, shown)

    def ready(url: str) -> None:
        on_ready(url)
        manager.ready(f"serving at {url}")
        hang_up.serving.set()

    async with manager.watched(), hang_up.heeded(reload, manager):
        await serve(
            wired.api,
            host=server.host,
            port=server.port,
            tls=None if shown is None else shown.context,
            sockets=sockets,
            drain_s=server.drain_seconds,
            stop=stop,
            on_ready=ready,
            on_stopping=lambda: manager.stopping(server.drain_seconds),
        )


def reload_of(wired: Wired, reread: Callable[[], Config], shown: Shown | None = None) -> Reload:
    """What takes a new configuration for this server."""
    return Reload(
        wired.config,
        reread,
        bearers=wired.api.bearers,
        use_policy=wired.api.quotas.use,
        limits_changed=wired.hub.limits_changed,
        metering=wired.hub.metering,
        shown=shown,
    )


def given_sockets(*, is_open: bool) -> Sequence[socket]:
    """Those of the service manager, whatever `host` says.  ``is_open``: there are no keys.

    Raises:
        ConfigurationError: one cannot be served, or must not be without keys.
    """
    sockets = inherited_sockets(os.environ)
    for given in sockets:
        host = given.getsockname()[0]
        if is_open and not is_loopback(host):
            for each in sockets:
                each.close()
            raise ConfigurationError(
                f"The service manager listens on {host}, which other machines can reach, and there "
                "are no API keys. Set api_keys in [server], or required = true in [auth]."
            )
    return sockets


def run(
    wired: Wired,
    on_ready: Callable[[str], None],
    reread: Callable[[], Config] | None = None,
) -> None:
    """Start the engines, serve until a signal comes, stop everything.

    ``reread`` reads the configuration again, when SIGHUP asks for it.

    Raises:
        ConfigurationError: the server cannot listen.
        EngineUnavailable: an engine cannot start.
    """
    with runner() as loop:
        loop.run(_run(wired, on_ready, reread))


def runner() -> asyncio.Runner:
    """Of the fastest event loop that there is."""
    try:
        import uvloop
    except ImportError:
        return asyncio.Runner()
    return asyncio.Runner(loop_factory=uvloop.new_event_loop)
