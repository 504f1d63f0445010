"""A real server that holds what a script's head says it holds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from antiphon.engines.scripted import ScriptedEngine
from antiphon.engines.vad.energy import EnergyDetector
from antiphon.runtime.hub import Hub, SessionRules
from antiphon.server.admission import LoadLimits
from antiphon.server.app import Api, Model
from antiphon.server.auth import Gate
from antiphon.testing.conformance.script import Head


@asynccontextmanager
async def served(head: Head) -> AsyncIterator[str]:
    """Its address: http://127.0.0.1:…"""
    engine = ScriptedEngine(head.engine, speaks=head.engine_speaks)
    rules = SessionRules(session_max_ms=head.session_max_ms, context_tokens=head.context_tokens)
    hub = Hub(lambda _: engine, detector=EnergyDetector(), rules=rules)
    models = (Model(id="test", description="Plays a script."),)
    api = Api(hub, gate=Gate((), ()), models=lambda: models, load=LoadLimits(max_sessions=10))
    runner = web.AppRunner(api.app(), shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await hub.aclose()
        await runner.cleanup()
