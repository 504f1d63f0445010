"""An Antiphon behind a relay, in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from antiphon.engines.engine import Engine
from antiphon.engines.relay.engine import RelayEngine
from antiphon.engines.relay.session import RelayRules, World
from antiphon.engines.relay.upstreams import Upstream
from antiphon.engines.scripted import Script, ScriptedEngine
from antiphon.engines.vad.energy import EnergyDetector
from antiphon.runtime.hub import SessionRules
from antiphon.server.wiring import Parts
from antiphon.testing.served import Served, serving

STEADY = World(lambda: 1.0)


@asynccontextmanager
async def upstream(
    script: Script | None = None,
    *,
    engine: Engine | None = None,
    rules: SessionRules | None = None,
) -> AsyncIterator[Served]:
    parts = Parts(detector=EnergyDetector(), rules=rules)
    async with serving(engine or ScriptedEngine(script), parts=parts) as served:
        yield served


def relay_to(served: Served, rules: RelayRules | None = None) -> RelayEngine:
    return RelayEngine(
        Upstream(url="ws://localhost/v1/realtime"),
        rules=rules,
        world=STEADY,
        make_connector=served.make_connector,
    )


def makes_relay(served: Served, rules: RelayRules | None = None) -> Callable[[], RelayEngine]:
    return lambda: relay_to(served, rules)
