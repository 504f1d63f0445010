"""The engine that relays, and the calls that go past it, from the configuration."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from antiphon.direct.calls import DirectCalls
from antiphon.engines.registry import EngineRegistry
from antiphon.engines.relay.engine import RelayEngine
from antiphon.engines.relay.session import RelayRules
from antiphon.engines.relay.upstreams import Upstream
from antiphon.runtime.hub import Hub
from antiphon.server.settings import Config, RelaySettings, UpstreamSettings

RELAY = "relay"
PATIENCE_S, DIAL_TIMEOUT_S, STALL_S = 1.0, 3.0, 6.0
"""Where another engine would go on: so long nobody waits in silence."""


def make_relay(settings: RelaySettings, *, may_give_way: bool = False) -> RelayEngine:
    """``may_give_way``: other engines go on where none of the upstreams can be had."""
    minutes = settings.session_max_minutes
    rules = RelayRules(
        turn_detection=settings.turn_detection,
        session_max_s=None if minutes is None else minutes * 60,
    )
    if may_give_way:
        rules = replace(
            rules, patience_s=PATIENCE_S, dial_timeout_s=DIAL_TIMEOUT_S, stall_s=STALL_S
        )
    return RelayEngine(
        _upstream(settings, settings.address),
        *(_upstream(other, other.url) for other in settings.upstreams),
        name=RELAY,
        rules=rules,
    )


def make_direct_calls(config: Config, registry: EngineRegistry, hub: Hub) -> DirectCalls | None:
    """Of the relay's models; None: there is no relay, or its media pass here."""
    relays = [engine for engine in registry.engines if isinstance(engine, RelayEngine)]
    if config.relay.media == "proxied" or not relays:
        return None
    relay = relays[0]
    return DirectCalls(
        hub,
        relay.pool,
        engine_name=relay.name,
        serves=lambda model: registry.find(model) is relay,
        make_connector=relay.make_connector,
    )


def _upstream(settings: RelaySettings | UpstreamSettings, url: str) -> Upstream:
    return Upstream(
        url=url,
        key=None if settings.api_key is None else settings.api_key.reveal(),
        key_header=settings.key_header,
        model=settings.model,
        weight=settings.weight,
    )


def with_relayed(models: Mapping[str, str], relay: RelaySettings) -> dict[str, str]:
    """Model names and patterns to engines: what the operator says of a name goes before."""
    return {**models, **{name: RELAY for name in relay.models if name not in models}}


def fallbacks_of(config: Config) -> dict[str, tuple[str, ...]]:
    """Engines that go on, by the names and patterns of models."""
    relay = config.relay
    if not relay.is_on or not relay.fallback:
        return config.fallbacks
    names = (name for name in relay.models if name not in config.models)
    return {**config.fallbacks, **dict.fromkeys(names, relay.fallback)}


def may_give_way(config: Config) -> bool:
    """Whether some model of the relay has another engine to go on with."""
    in_chains = any(config.models[name] == RELAY for name in config.fallbacks)
    return bool(config.relay.fallback) or in_chains
