"""What the server tells in the scripts."""

from __future__ import annotations

import asyncio
from functools import cache
from pathlib import Path
from typing import Any

from antiphon.testing.conformance import VirtualLine, play, read_script

SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.script"))


@cache
def events_of(path: Path) -> list[dict[str, Any]]:
    async def played() -> list[dict[str, Any]]:
        script = read_script(path)
        async with VirtualLine(script) as line:
            return (await play(script, line)).events

    return asyncio.run(played())
