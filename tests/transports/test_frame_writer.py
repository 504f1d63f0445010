"""Frames into a socket that is full at times, without one."""

from __future__ import annotations

import asyncio
from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from antiphon.testing.virtual_loop import in_virtual_time
from antiphon.transports.frame_writer import (
    MAX_UNFLUSHED_BYTES,
    WRITE_CHUNK_BYTES,
    FrameWriter,
    Socket,
    text_frame_header,
)


class FullSocket:
    """Takes one write after the other until it is full, and goes on when it is told to."""

    def __init__(self, *, room: int = 1_000_000) -> None:
        self.room = room
        self.writes: list[bytes] = []
        self.overflows = 0
        self._emptied = asyncio.Event()
        transport = cast("asyncio.WriteTransport", self)
        self.writer = FrameWriter(
            Socket(transport, self._is_paused, lambda: asyncio.ensure_future(self._resumed())),
            max_queued_bytes=1_000,
            overflow=self._overflow,
        )

    def _overflow(self) -> None:
        self.overflows += 1

    def _is_paused(self) -> bool:
        return self.room <= 0

    async def _resumed(self) -> None:
        await self._emptied.wait()

    def empty(self) -> None:
        self.room = 1_000_000
        self._emptied.set()

    def write(self, data: bytes) -> None:
        self.room -= len(data)
        self.writes.append(data)

    def is_closing(self) -> bool:
        return False


@given(st.integers(0, 1 << 20))
def test_a_header_says_how_long_its_frame_is(length: int) -> None:
    """RFC 6455, 5.2."""
    first, short, *rest = text_frame_header(length)
    assert first == 0x81
    long = int.from_bytes(bytes(rest), "big")
    assert length == (long if short > 125 else short)
    assert len(rest) == {126: 2, 127: 8}.get(short, 0)
    assert short < 126 or length > 125


@in_virtual_time
async def test_what_is_written_in_one_turn_of_the_loop_is_one_write() -> None:
    socket = FullSocket()
    for payload in (b"one", b"two"):
        socket.writer.write(payload)
    assert socket.writes == []
    await asyncio.sleep(0)
    assert socket.writes == [b"\x81\x03one\x81\x03two"]
    assert socket.writer.queued_bytes == 0


@in_virtual_time
async def test_much_is_written_at_once_and_large_frames_alone() -> None:
    socket = FullSocket()
    large = bytes(WRITE_CHUNK_BYTES)
    for _ in range(MAX_UNFLUSHED_BYTES // WRITE_CHUNK_BYTES):
        assert socket.writes == []
        socket.writer.write(large)
    assert [len(each) - 10 for each in socket.writes] == [len(large)] * 4


@in_virtual_time
async def test_what_a_full_socket_does_not_take_waits_here_in_order() -> None:
    socket = FullSocket(room=0)
    for payload in (b"one", b"two"):
        socket.writer.write(payload)
    await asyncio.sleep(0)
    assert (socket.writes, socket.writer.queued_bytes) == ([], 10)
    flushed = asyncio.ensure_future(socket.writer.flushed())
    socket.empty()
    await flushed
    assert b"".join(socket.writes) == b"\x81\x03one\x81\x03two"


@in_virtual_time
async def test_too_much_that_waits_is_told_and_may_be_thrown_away() -> None:
    socket = FullSocket(room=0)
    socket.writer.write(b"")
    await asyncio.sleep(0)
    socket.writer.write(bytes(900))
    assert socket.overflows == 0
    socket.writer.write(bytes(100))
    assert socket.overflows == 1
    socket.writer.discard()
    socket.empty()
    await socket.writer.flushed()
    assert socket.writes == []
