"""An application that answers: on a port, or in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

from aiohttp import BaseConnector, TCPConnector, web

from antiphon.server.serve import listening, running
from antiphon.testing.memory_network import in_memory as in_memory_address
from antiphon.testing.virtual_loop import VirtualTimeLoop

SHUTDOWN_TIMEOUT_S = 0.1
"""Nobody is waited for."""


class Address(NamedTuple):
    url: str
    make_connector: Callable[[], BaseConnector]


def time_is_virtual() -> bool:
    return isinstance(asyncio.get_running_loop(), VirtualTimeLoop)


@asynccontextmanager
async def answering(
    app: web.Application, *, host: str, port: int, in_memory: bool | None
) -> AsyncIterator[Address]:
    """``in_memory``: without sockets; None: where the event loop's time is virtual.

    Raises:
        ConfigurationError: it cannot listen there.
    """
    if time_is_virtual() if in_memory is None else in_memory:
        async with running(app, shutdown_timeout_s=SHUTDOWN_TIMEOUT_S) as runner:
            assert runner.server is not None, "it has been set up"
            with in_memory_address(runner.server) as address:
                yield Address(*address)
    else:
        async with listening(
            app, host=host, port=port, shutdown_timeout_s=SHUTDOWN_TIMEOUT_S
        ) as url:
            yield Address(url, TCPConnector)
