"""Tests of the restaurant's phone: no key, no network, and nobody waits.

python -m pytest examples/tested_agent/python
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from restaurant import Call, answering

from antiphon.mock import Fault, Mock
from antiphon.testing import in_virtual_time, square_wave

MENU = (
    "Tonight we have onion soup, then trout with almonds or a risotto, and to end with, plum cake."
)


@pytest.fixture
def antiphon_script() -> Path:
    return Path(__file__).parents[1] / "restaurant.toml"


@asynccontextmanager
async def a_guest(mock: Mock) -> AsyncIterator[Call]:
    async with answering(f"{mock.websocket_url}/v1/realtime?model=any") as call:
        yield call


async def speaks(call: Call, ms: int) -> None:
    """What is understood of it is in the script."""
    for _ in range(ms // 20):
        await asyncio.sleep(0.020)
        await call.session.send_audio(square_wave(20))
    await call.session.send_audio(bytes(48 * 1000))


@in_virtual_time
async def test_it_answers(antiphon_mock: Mock) -> None:
    async with a_guest(antiphon_mock) as call:
        await call.session.send_message("Hello?")
        await asyncio.sleep(10)  # In no time.
        assert call.said == ["Good evening."]


@in_virtual_time
async def test_it_books_a_table(antiphon_mock: Mock) -> None:
    async with a_guest(antiphon_mock) as call:
        await speaks(call, 1500)
        await asyncio.sleep(10)
        assert call.said == ["Your table for two at eight is booked."]


@in_virtual_time
async def test_who_is_interrupted_keeps_what_was_heard(antiphon_mock: Mock) -> None:
    async with a_guest(antiphon_mock) as call:
        await call.session.send_message("What is on the menu?")
        await asyncio.sleep(2)
        await speaks(call, 1000)
        await asyncio.sleep(10)
        [asked, heard, spoken, booked] = call.lines
        assert asked == "What is on the menu?"
        assert MENU.startswith(heard)
        assert 10 < len(heard) < 60
        assert spoken == "A table for two at eight, please."
        assert booked == "Your table for two at eight is booked."


@in_virtual_time
async def test_it_asks_again_when_there_are_too_many_requests(antiphon_mock: Mock) -> None:
    antiphon_mock.faults.arm("rate_limited")
    async with a_guest(antiphon_mock) as call:
        await call.session.send_message("Hello?")
        await asyncio.sleep(10)
        assert call.failures == ["rate_limit_exceeded"]
        assert call.said[-1] == "Good evening."


@in_virtual_time
async def test_it_gives_up_in_the_end(antiphon_mock: Mock) -> None:
    antiphon_mock.faults.arm(Fault(name="rate_limited", times=None))
    async with a_guest(antiphon_mock) as call:
        await call.session.send_message("Hello?")
        await asyncio.sleep(10)
        assert call.failures == ["rate_limit_exceeded"] * 2
