"""`kill -9`: what was acknowledged is there, once, in order, and the conversation goes on."""

from __future__ import annotations

from pathlib import Path

from tests.journal.crashes import crash

POINTS = 50
"""`python -m tests.journal.crashes` takes more."""


async def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    killed, items = await crash(POINTS, tmp_path)
    assert killed == POINTS
    assert items > POINTS, "something was said"
