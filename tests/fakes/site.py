from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from aiohttp import ClientSession, web

from antiphon.server.admission import LoadLimits
from antiphon.server.app import Api, Model
from antiphon.server.auth import Gate
from antiphon.server.config import Secret
from antiphon.server.logs import AccessLog
from tests.fakes.echo import EchoHub

MODELS = (
    Model(id="gpt-realtime", description="Repeats what it hears."),
    Model(id="echo", description="Repeats what it hears."),
)


class Site:
    """A running server of echo sessions, and a client."""

    def __init__(self, hub: EchoHub, api: Api, port: int, client: ClientSession) -> None:
        self.hub = hub
        self.api = api
        self.port = port
        self.client = client

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"


MakeSite = Callable[..., Awaitable[Site]]


@asynccontextmanager
async def sites() -> AsyncIterator[MakeSite]:
    """Gives a function that starts a server; all end with the context."""
    async with AsyncExitStack() as ending:

        async def make(
            keys: tuple[str, ...] = (), origins: tuple[str, ...] = (), **load_limits: int
        ) -> Site:
            hub = EchoHub()
            gate = Gate(map(Secret, keys), origins)
            load = LoadLimits(**{"max_sessions": 10, **load_limits})
            api = Api(hub, gate=gate, models=lambda: MODELS, load=load)
            runner = web.AppRunner(
                api.app(),
                access_log_class=AccessLog,
                access_log=logging.getLogger("antiphon.access"),
                shutdown_timeout=0.1,
            )
            await runner.setup()
            ending.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            client = await ending.enter_async_context(ClientSession())
            return Site(hub, api, runner.addresses[0][1], client)

        yield make
