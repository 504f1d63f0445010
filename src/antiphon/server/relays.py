"""The engine that relays, from the configuration."""

from __future__ import annotations

from collections.abc import Mapping

from antiphon.engines.relay.engine import RelayEngine
from antiphon.engines.relay.session import RelayRules
from antiphon.server.settings import RelaySettings

RELAY = "relay"


def make_relay(settings: RelaySettings) -> RelayEngine:
    key = None if settings.api_key is None else settings.api_key.reveal()
    headers = {}
    if settings.key_header is not None and key is not None:
        headers, key = {settings.key_header: key}, None
    minutes = settings.session_max_minutes
    return RelayEngine(
        settings.address,
        key,
        name=RELAY,
        model=settings.model,
        headers=headers,
        rules=RelayRules(
            turn_detection=settings.turn_detection,
            session_max_s=None if minutes is None else minutes * 60,
        ),
    )


def with_relayed(models: Mapping[str, str], relay: RelaySettings) -> dict[str, str]:
    """Model names and patterns to engines: what the operator says of a name goes before."""
    return {**models, **{name: RELAY for name in relay.models if name not in models}}
