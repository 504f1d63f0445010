from __future__ import annotations

import asyncio
import gc
import weakref

from antiphon.engines.scripted import ScriptedEngine
from antiphon.engines.vad.energy import EnergyDetector
from antiphon.protocol.client import ResponseCreate
from antiphon.runtime.hub import Hub
from antiphon.testing.memory_connection import MemoryConnection


async def test_an_ended_session_is_freed_without_the_garbage_collector() -> None:
    hub = Hub(lambda _: ScriptedEngine(), detector=EnergyDetector())
    connection = MemoryConnection()
    session = hub.open(kind="realtime", model="any")
    session.attach(connection)
    session.receive(connection, ResponseCreate())
    seen = weakref.ref(session)
    gc.disable()
    try:
        session.detach(connection)
        await session.ended()
        await hub.aclose()  # Its list of those that end.
        del session
        await asyncio.sleep(0)

        assert seen() is None
    finally:
        gc.enable()
