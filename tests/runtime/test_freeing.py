from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

from antiphon.engines.scripted import ScriptedEngine, ScriptedSession
from antiphon.engines.vad.energy import EnergyDetector
from antiphon.metering.budgets import Limits, LocalLedger
from antiphon.metering.prices import PriceTable
from antiphon.protocol.client import ResponseCreate
from antiphon.runtime.hub import Hub
from antiphon.runtime.ledger_line import LedgerLine
from antiphon.runtime.metering import Metering
from antiphon.testing.memory_connection import MemoryConnection


@pytest.mark.parametrize(
    "metering",
    [
        None,
        Metering(PriceTable(())),
        Metering(PriceTable(()), ledger=LedgerLine(LocalLedger(Limits()))),
    ],
    ids=["uncounted", "metered", "budgeted"],
)
async def test_an_ended_session_is_freed_without_the_garbage_collector(
    metering: Metering | None,
) -> None:
    hub = Hub(lambda _: ScriptedEngine(), detector=EnergyDetector(), metering=metering)
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


async def test_whoever_stops_the_hub_waits_for_what_sessions_that_have_just_ended_leave() -> None:
    class Slow(ScriptedEngine):
        has_closed = False

        def open(self, session_id: str) -> ScriptedSession:
            session = super().open(session_id)
            inner = session.aclose

            async def aclose() -> None:
                await inner()
                for _ in range(9):
                    await asyncio.sleep(0)
                Slow.has_closed = True

            session.aclose = aclose  # type: ignore[method-assign]
            return session

    hub = Hub(lambda _: Slow(), detector=EnergyDetector())
    connection = MemoryConnection()
    session = hub.open(kind="realtime", model="any")
    session.attach(connection)
    session.detach(connection)
    del session
    for _ in range(3):  # Nobody else refers to it by now.
        await asyncio.sleep(0)
    await hub.aclose()

    assert Slow.has_closed
