"""What runs beside a server, and has to end with it."""

from __future__ import annotations

import asyncio

import pytest

from antiphon.server import background
from antiphon.server.background import in_background

PATIENCE_S = 60


async def test_it_runs_during_the_body_and_has_ended_after_it() -> None:
    seen = []
    runs = asyncio.Event()

    async def running() -> None:
        seen.append("begun")
        runs.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            seen.append("ended")

    async with in_background(running=running()):
        await runs.wait()
        assert seen == ["begun"]
    assert seen == ["begun", "ended"]


async def test_one_that_swallows_being_stopped_is_stopped_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As a client of Redis does, which is stopped just as what it sends has gone."""
    monkeypatch.setattr(background, "AGAIN_S", 0.01)
    asked = 0

    async def sending() -> None:
        nonlocal asked
        while asked < 3:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                asked += 1

    async with asyncio.timeout(PATIENCE_S), in_background(sending=sending()):
        await asyncio.sleep(0)
    assert asked == 3


async def test_what_one_fails_with_does_not_reach_the_body() -> None:
    async def failing() -> None:
        raise ValueError

    async with in_background(failing=failing()):
        await asyncio.sleep(0.01)
