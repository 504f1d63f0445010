"""The line between a session and its client: order, bounds, and any faults at once."""

from __future__ import annotations

import asyncio
import logging
import os
from random import Random

import aiohttp
import pytest

from antiphon.errors import ProtocolError
from antiphon.mock import FAULTS, Fault, FaultDesk, MockReply, MockScript, mocking
from antiphon.mock.line import MAX_HELD, FaultyLine
from antiphon.protocol.dialect import GA, Dialect
from antiphon.protocol.server import Error, ErrorDetail, InputAudioBufferCleared
from antiphon.runtime.connection import Connection
from antiphon.testing import MemoryConnection, run_in_virtual_time
from tests.mock.visitor import visiting


class MemoryWire(MemoryConnection):
    """A `MemoryConnection` on which anything can be said."""

    dialect: Dialect = GA

    def __init__(self) -> None:
        super().__init__()
        self.said: list[bytes] = []

    def write(self, message: bytes) -> None:
        self.said.append(message)

    def tear(self, *, reset: bool) -> None:
        self.close(1006, "reset" if reset else "ended")

    def hold_reading(self, duration_s: float) -> None:
        raise AssertionError(f"no fault here is deaf for {duration_s} s")


class NoSession:
    """Nothing is asked of it."""

    def refuse(self, connection: Connection, error: ProtocolError) -> None:
        raise AssertionError(f"{connection.id}: {error}")

    def stop_response(self, response_id: str) -> None:
        raise AssertionError(response_id)

    def silence(self, duration_s: float) -> None:
        raise AssertionError(duration_s)


def line_of(
    wire: MemoryWire, *, jitter_ms: int = 0, faults: tuple[Fault | str, ...] = ()
) -> FaultyLine:
    desk = FaultDesk(faults)
    struck = desk.due("connection", 1, "websocket")
    return FaultyLine(
        wire, desk, NoSession(), "websocket", struck=struck, random=Random(1), jitter_ms=jitter_ms
    )


def event(number: int) -> InputAudioBufferCleared:
    return InputAudioBufferCleared(event_id=f"event_{number}")


def taken(wire: MemoryWire) -> list[str]:
    found = []
    while (data := wire.take()) is not None:
        found.append(data.decode().partition('"event_id":"')[2].partition('"')[0])
    return found


def test_without_faults_events_pass_at_once() -> None:
    async def main() -> None:
        wire = MemoryWire()
        line = line_of(wire)
        line.send(event(1))
        assert taken(wire) == ["event_1"]
        line.close(1000, "done")
        assert wire.closed == (1000, "done")

    run_in_virtual_time(main())


def test_jitter_keeps_the_order_and_the_close_comes_last() -> None:
    async def main() -> None:
        wire = MemoryWire()
        line = line_of(wire, jitter_ms=100)
        for number in range(20):
            line.send(event(number))
        line.close(1000, "done")
        assert wire.closed is None
        await asyncio.sleep(0.2)
        assert taken(wire) == [f"event_{number}" for number in range(20)]
        assert wire.closed == (1000, "done")

    run_in_virtual_time(main())


def test_what_is_held_back_is_bounded() -> None:
    async def main() -> None:
        wire = MemoryWire()
        line = line_of(wire, jitter_ms=60_000)
        for number in range(MAX_HELD + 10):
            line.send(event(number))
        assert wire.closed is not None
        assert wire.closed[0] == 1013

    run_in_virtual_time(main())


def test_nothing_is_said_to_a_client_that_has_gone() -> None:
    async def main() -> None:
        wire = MemoryWire()
        line = line_of(wire, jitter_ms=100)
        line.send(event(1))
        line.gone()
        line.send(event(2))
        await asyncio.sleep(1)
        assert taken(wire) == []

    run_in_virtual_time(main())


def test_the_answer_to_what_a_fault_asked_is_not_the_clients() -> None:
    async def main() -> None:
        wire = MemoryWire()
        detail = ErrorDetail(message="There was nothing to cancel.", event_id="mock_cancel")
        line_of(wire).send(Error(event_id="event_1", error=detail))
        assert taken(wire) == []

    run_in_virtual_time(main())


SCRIPT = MockScript(replies=(MockReply(says="One two three four."),), latency="brisk")
SEEDS = 100 if os.environ.get("ANTIPHON_LAWS") == "deep" else 12
NAMES = sorted(name for name, kind in FAULTS.items() if kind.needs != "call")


@pytest.mark.parametrize("seed", range(SEEDS))
def test_any_faults_at_once_end_no_more_than_their_connection(
    seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    random = Random(seed)
    faults = [Fault(name=random.choice(NAMES), times=random.choice([1, 3])) for _ in range(6)]

    async def main() -> None:
        async with mocking(SCRIPT, faults=faults) as mock:
            for _ in range(8):
                try:
                    async with visiting(mock) as visitor:
                        for step in range(3):
                            if random.random() < 0.5:
                                await visitor.types_text(f"Step {step}.")
                            else:
                                await visitor.speaks(400)
                                await visitor.is_quiet(800)
                            await asyncio.sleep(random.choice([0.1, 3, 15]))
                            await visitor.send("response.cancel")
                except (OSError, aiohttp.ClientError) as error:
                    logging.getLogger(__name__).info("refused: %s", error)
            mock.faults.clear()
            async with visiting(mock) as visitor:
                await visitor.types_text("Last.")
                await asyncio.sleep(5)
                assert visitor.types.count("response.done") == 1

    run_in_virtual_time(main())
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert not errors
