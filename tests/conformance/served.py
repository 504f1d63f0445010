"""A real server that holds what a script's head says it holds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from antiphon.engines.scripted import ScriptedEngine
from antiphon.engines.vad.energy import EnergyDetector
from antiphon.runtime.hub import SessionRules
from antiphon.server.wiring import Parts
from antiphon.testing import serving
from antiphon.testing.conformance.script import Head
from antiphon.testing.served import Served


@asynccontextmanager
async def served(head: Head) -> AsyncIterator[Served]:
    rules = SessionRules(session_max_ms=head.session_max_ms, context_tokens=head.context_tokens)
    parts = Parts(detector=EnergyDetector(), rules=rules)
    engine = ScriptedEngine(head.engine, speaks=head.engine_speaks)
    async with serving(engine, parts=parts) as server:
        yield server
