"""Every script, over every line that can play it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from antiphon.testing import run_in_virtual_time
from antiphon.testing.conformance import (
    LIVE,
    VIRTUAL,
    LiveLine,
    Played,
    Script,
    VirtualLine,
    play,
    read_script,
)

PATHS = sorted((Path(__file__).parent / "scripts").glob("*.script"))


async def over_the_core(script: Script) -> Played:
    async with VirtualLine(script) as line:
        return await play(script, line)


async def over_a_session(script: Script) -> Played:
    async with LiveLine(script) as line:
        return await play(script, line)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_the_core_follows(path: Path) -> None:
    script = read_script(path)
    if not script.runs_on(VIRTUAL):
        pytest.skip("not for this line")
    asyncio.run(over_the_core(script))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_session_follows(path: Path) -> None:
    script = read_script(path)
    if not script.runs_on(LIVE):
        pytest.skip("not for this line")
    run_in_virtual_time(over_a_session(script))
