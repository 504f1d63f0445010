"""Faults of the socket itself, on real ones."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from antiphon.mock import Fault, mocking
from tests.mock.visitor import visiting

TIMEOUT_S = 60


@pytest.mark.parametrize("name", ["connection_reset", "closed_without_frame", "reset_in_response"])
async def test_a_socket_is_torn(name: str) -> None:
    async with (
        mocking(faults=[Fault(name=name, ms=50)], in_memory=False) as mock,
        visiting(mock) as visitor,
    ):
        await visitor.types_text("Hello.")
        async with asyncio.timeout(TIMEOUT_S):
            while visitor.close_code is None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert visitor.close_code == 1006
        assert visitor.types[0] == "session.created"
        if name == "reset_in_response":
            assert "response.output_audio_transcript.delta" in visitor.types


async def test_a_socket_is_not_read_for_a_while() -> None:
    loop = asyncio.get_running_loop()
    async with (
        mocking(faults=[Fault(name="slow_reader", ms=600)], in_memory=False) as mock,
        visiting(mock) as visitor,
    ):
        began_s = loop.time()
        await visitor.types_text("Hello.")
        async with asyncio.timeout(TIMEOUT_S):
            while "response.done" not in visitor.types:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert loop.time() - began_s > 0.4


async def test_a_handshake_is_torn() -> None:
    torn = Fault(name="handshake_torn", times=2)  # aiohttp tries once more by itself.
    async with mocking(faults=[torn], in_memory=False) as mock:
        with pytest.raises(aiohttp.ClientConnectionError):
            async with visiting(mock):
                raise AssertionError("it was let in")
