"""HTTP and WebSocket between a client and a server of one event loop, without sockets.

Nothing outside the loop has a part in it, so all of it may run in virtual time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from aiohttp import ClientRequest, ClientTimeout, web
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import BaseConnector

from antiphon.testing.memory_transport import join
from antiphon.testing.virtual_loop import VirtualTimeLoop

if TYPE_CHECKING:
    from aiohttp.tracing import Trace


class MemoryConnector(BaseConnector):
    """For `aiohttp.ClientSession`: whatever the host, it is ``server`` that answers."""

    def __init__(self, server: web.Server) -> None:
        super().__init__()
        self._server = server

    async def _create_connection(
        self,
        req: ClientRequest,  # noqa: ARG002 -- As aiohttp calls it.
        traces: list[Trace],  # noqa: ARG002
        timeout: ClientTimeout,  # noqa: ARG002, ASYNC109
    ) -> ResponseHandler:
        client = self._factory()
        join(client, self._server())
        return client


class MemoryAddress(NamedTuple):
    """Where a server in memory is found."""

    url: str
    make_connector: Callable[[], BaseConnector]


@contextmanager
def in_memory(server: web.Server) -> Iterator[MemoryAddress]:
    """Answer without sockets.

    In virtual time its URL is good for all clients of the loop that do not open sockets themselves
    (`VirtualTimeLoop.listen`), otherwise for those with the connector alone.
    """
    loop = asyncio.get_running_loop()

    def make_connector() -> BaseConnector:
        return MemoryConnector(server)

    if isinstance(loop, VirtualTimeLoop):
        with loop.listen(server) as url:
            yield MemoryAddress(url, make_connector)
    else:
        yield MemoryAddress("http://localhost", make_connector)
