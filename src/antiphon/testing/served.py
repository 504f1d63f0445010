"""A whole server, for a test, a bench or a plugin."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import msgspec
from aiohttp import BaseConnector, ClientSession, TCPConnector

from antiphon.engines.engine import Engine
from antiphon.runtime.hub import Hub
from antiphon.server.app import Api
from antiphon.server.secret import Secret
from antiphon.server.serve import listening, running
from antiphon.server.settings import Config, EngineSettings
from antiphon.server.wiring import Parts, Wired, started, wire
from antiphon.testing.memory_network import in_memory as in_memory_address
from antiphon.testing.virtual_loop import VirtualTimeLoop

SHUTDOWN_TIMEOUT_S = 0.1
"""Nobody is waited for: all sessions have been ended by then."""


class Served(NamedTuple):
    """A server that answers."""

    url: str
    """As "http://127.0.0.1:41234"; in memory it has a meaning in its event loop alone."""
    wired: Wired
    make_connector: Callable[[], BaseConnector]

    @property
    def api(self) -> Api:
        return self.wired.api

    @property
    def websocket_url(self) -> str:
        """As "ws://127.0.0.1:41234"."""
        return self.url.replace("http", "ws", 1)

    @property
    def hub(self) -> Hub:
        return self.wired.hub

    def client(self, **options: Any) -> ClientSession:
        """An HTTP and WebSocket client of this server, whose paths may begin with "/".

        ``options`` are those of `aiohttp.ClientSession`.
        """
        return ClientSession(self.url, connector=self.make_connector(), **options)


@asynccontextmanager
async def serving(
    *engines: Engine,
    keys: Iterable[str] = (),
    config: Config | None = None,
    parts: Parts | None = None,
    in_memory: bool | None = None,
) -> AsyncIterator[Served]:
    """Run a server, wired as `antiphon serve` wires it, until the context ends.

    ```python
    async with serving(ScriptedEngine(script)) as server, server.client() as http:
        async with http.ws_connect("/v1/realtime?model=test") as ws:
            created = await ws.receive_json()
    ```

    Args:
        *engines: They answer, the first of them where ``config`` names none that is here.
            Without any, those that ``config`` allows: the offline engine, by default.
        keys: API keys, beside those of ``config``.  Without any, every client is let in.
        config: Host and port excepted: it listens on a free port of 127.0.0.1.  It lets sessions
            in however late it is: a busy machine fails no test.
        parts: Others that stand in place of what ``config`` would bring.
        in_memory: Without sockets; None: where the event loop's time is virtual.

    Raises:
        ConfigurationError, EngineUnavailable: as `antiphon serve`.
    """
    config, parts = config or Config(), parts or Parts()
    if engines:
        parts = msgspec.structs.replace(parts, engines=engines)
        if config.engine.default not in {engine.name for engine in engines}:
            first = EngineSettings(default=engines[0].name)
            config = msgspec.structs.replace(config, engine=first)
    api_keys = (*config.server.api_keys, *map(Secret, keys))
    server = msgspec.structs.replace(config.server, api_keys=api_keys)
    limits = msgspec.structs.replace(config.limits, max_lateness_ms=0)
    wired = wire(msgspec.structs.replace(config, server=server, limits=limits), parts)
    if in_memory is None:
        in_memory = isinstance(asyncio.get_running_loop(), VirtualTimeLoop)
    async with started(wired.registry.engines), _answering(wired, in_memory=in_memory) as served:
        yield served


@asynccontextmanager
async def _answering(wired: Wired, *, in_memory: bool) -> AsyncIterator[Served]:
    app = wired.api.app()
    if in_memory:
        async with running(app, shutdown_timeout_s=SHUTDOWN_TIMEOUT_S) as runner:
            assert runner.server is not None, "it has been set up"
            with in_memory_address(runner.server) as address:
                yield Served(address.url, wired, address.make_connector)
    else:
        tls = None if wired.identity is None else wired.identity.context
        async with listening(app, tls=tls, shutdown_timeout_s=SHUTDOWN_TIMEOUT_S) as url:
            yield Served(url, wired, TCPConnector)
