from __future__ import annotations

import asyncio

from antiphon.protocol.server import InputAudioBufferCleared
from antiphon.testing import MemoryConnection, run_in_virtual_time

EVENT = InputAudioBufferCleared(event_id="event_1")


def test_what_is_sent_can_be_taken() -> None:
    connection = MemoryConnection("mine")
    assert connection.id == "mine"
    connection.send(EVENT)
    assert connection.queued_bytes == len(connection.take() or b"") > 0
    assert connection.queued_bytes == 0
    assert connection.take() is None


def test_one_who_does_not_read_is_hung_up_on() -> None:
    connection = MemoryConnection(max_queued_bytes=100)
    connection.send(EVENT)
    connection.send(EVENT)
    assert connection.closed is not None
    assert connection.closed[0] == 1013
    assert connection.take() is not None
    assert connection.take() is None


def test_a_closed_connection_takes_nothing_and_keeps_its_first_reason() -> None:
    connection = MemoryConnection()
    connection.close(1000, "done")
    connection.close(1011, "late")
    connection.send(EVENT)
    assert connection.closed == (1000, "done")
    assert connection.take() is None


def test_flushed_waits_for_the_reader() -> None:
    async def main() -> None:
        connection = MemoryConnection()
        await connection.flushed()
        connection.send(EVENT)
        flushed = asyncio.create_task(connection.flushed())
        await asyncio.sleep(1)
        assert not flushed.done()
        connection.take()
        await flushed
        connection.send(EVENT)
        flushed = asyncio.create_task(connection.flushed())
        await asyncio.sleep(1)
        connection.close(1000, "gone")
        await flushed

    run_in_virtual_time(main())
