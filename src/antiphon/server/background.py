"""What runs beside the server's requests, for as long as something else lasts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final, TypeAlias

from aiohttp import web

Running: TypeAlias = Callable[[web.Application], AsyncIterator[None]]
"""What goes on for as long as the application does (`Application.cleanup_ctx`)."""
AGAIN_S: Final = 0.5


@asynccontextmanager
async def in_background(**tasks: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """They run during the body, by the names of their tasks, and have ended after it.  What one of
    them fails with is its own affair: it is to handle and to log that.
    """
    begun = [asyncio.create_task(task, name=name) for name, task in tasks.items()]
    try:
        yield
    finally:
        await stop(*begun)


async def stop(*tasks: asyncio.Task[Any]) -> None:
    """Cancel them, and wait for their end.

    One that goes on is told again: in Python 3.11 `asyncio.wait_for`, which libraries use, swallows
    a cancellation that comes together with its result.
    """
    going_on = {task for task in tasks if not task.done()}
    while going_on:
        for task in going_on:
            task.cancel()
        _, going_on = await asyncio.wait(going_on, timeout=AGAIN_S)
