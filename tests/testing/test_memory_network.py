from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from antiphon.testing import run_in_virtual_time
from antiphon.testing.memory_transport import HIGH_WATER_BYTES, join


class End(asyncio.Protocol):
    """Keeps what happens to it."""

    def __init__(self) -> None:
        self.received = b""
        self.told: list[str] = []
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        self.told.append("lost")


async def settled() -> None:
    for _ in range(4):
        await asyncio.sleep(0)


def pair() -> tuple[End, End]:
    client, server = End(), End()
    join(client, server)
    return client, server


def of_a_pair(story: Callable[[End, End], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    async def main() -> None:
        await story(*pair())

    def test() -> None:
        run_in_virtual_time(main())

    return test


@of_a_pair
async def test_what_one_writes_the_other_receives_in_order(client: End, server: End) -> None:
    client.transport.write(b"one ")
    client.transport.writelines([b"two ", b"three"])
    server.transport.write(b"and back")
    assert server.received == b"", "never within the write"
    await settled()
    assert (server.received, client.received) == (b"one two three", b"and back")


@of_a_pair
async def test_one_who_does_not_read_makes_the_other_pause(client: End, server: End) -> None:
    client.transport.pause_reading()
    server.transport.write(bytes(HIGH_WATER_BYTES))
    assert server.told == []
    server.transport.write(b"!")
    await settled()
    assert (server.told, client.received) == (["pause"], b"")
    assert server.transport.get_write_buffer_size() == HIGH_WATER_BYTES + 1
    client.transport.resume_reading()
    await settled()
    assert (server.told, len(client.received)) == (["pause", "resume"], HIGH_WATER_BYTES + 1)


@of_a_pair
async def test_a_close_comes_after_what_was_written_and_ends_both(client: End, server: End) -> None:
    client.transport.pause_reading()
    server.transport.write(b"goodbye")
    server.transport.close()
    server.transport.write(b"too late")
    await settled()
    assert (client.told, server.told) == ([], [])
    client.transport.resume_reading()
    await settled()
    assert client.received == b"goodbye"
    assert (client.told, server.told) == (["lost"], ["lost"])


@pytest.mark.parametrize("first", ["client", "server"])
def test_an_abort_waits_for_nobody(first: str) -> None:
    async def main() -> None:
        client, server = pair()
        client.transport.pause_reading()
        server.transport.write(b"never read")
        (client if first == "client" else server).transport.abort()
        await settled()
        assert client.received == b""
        assert (client.told, server.told) == (["lost"], ["lost"])
        assert client.transport.is_closing()
        assert server.transport.is_closing()

    run_in_virtual_time(main())
