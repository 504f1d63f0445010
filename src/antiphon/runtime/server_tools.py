"""Functions that the server itself carries out for a session's engine."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final, Protocol

from antiphon.core.causes import ToolAnswered
from antiphon.core.effects import RunTool
from antiphon.protocol.session import FunctionTool

log = logging.getLogger(__name__)

TIMEOUT_S: Final = 15.0
MAX_RUNNING: Final = 8
"""Overflow policy: one more is answered with an error."""


class ServerTools(Protocol):
    """One session's."""

    @property
    def offered(self) -> tuple[FunctionTool, ...]: ...

    @property
    def memory(self) -> str:
        """What the engine is shown of the user, beside its instructions."""
        ...

    def begin(self, on_change: Callable[[], None]) -> None:
        """From now on the session wants to know when ``memory`` has changed."""
        ...

    async def run(self, call: RunTool) -> str:
        """What the function answers; mistakes too are answers."""
        ...

    def close(self) -> None:
        """The session has ended."""
        ...


Tell = Callable[[ToolAnswered], None]


class ToolRuns:
    """Those that run.

    Args:
        tools: None: there are none.
    """

    def __init__(self, tools: ServerTools | None) -> None:
        self._tools = tools
        self._running: set[asyncio.Task[None]] = set()

    def run(self, call: RunTool, tell: Tell) -> None:
        """``tell`` is given what it answers, at once or later."""
        assert self._tools is not None, "what is not offered is not run"
        if len(self._running) >= MAX_RUNNING:
            tell(ToolAnswered(call.call_id, '{"error":"Too many calls at once."}'))
            return
        task = asyncio.get_running_loop().create_task(_run(self._tools, call, tell))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def close(self) -> None:
        """What runs goes on to its end, and is heard by nobody."""
        if self._tools is not None:
            self._tools.close()


async def _run(tools: ServerTools, call: RunTool, tell: Tell) -> None:
    try:
        async with asyncio.timeout(TIMEOUT_S):
            output = await tools.run(call)
    except TimeoutError:
        log.warning("function %s: no answer in time", call.name)
        output = '{"error":"There was no answer in time."}'
    except Exception:
        log.exception("function %s failed", call.name)
        output = '{"error":"The function failed."}'
    tell(ToolAnswered(call.call_id, output))
