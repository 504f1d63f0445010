from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import urlsplit

from aiohttp import ClientSession

from antiphon.server.app import Api
from antiphon.server.settings import Config, LimitSettings, ServerSettings
from antiphon.server.wiring import Parts
from antiphon.testing import serving
from tests.fakes.echo import EchoHub
from tests.fakes.engines import NamedEngine


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
            keys: tuple[str, ...] = (),
            origins: tuple[str, ...] = (),
            max_sessions: int = 10,
            new_per_minute: int = 0,
        ) -> Site:
            hub = EchoHub()
            config = Config(
                server=ServerSettings(max_sessions=max_sessions, allowed_origins=origins),
                limits=LimitSettings(new_sessions_per_minute=new_per_minute),
            )
            echo = NamedEngine("echo", "Repeats what it hears.")
            server = await ending.enter_async_context(
                serving(echo, keys=keys, config=config, parts=Parts(hub=hub))
            )
            client = await ending.enter_async_context(ClientSession())
            port = urlsplit(server.url).port
            assert port is not None
            return Site(hub, server.api, port, client)

        yield make
