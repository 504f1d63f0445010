"""The web application around a page: its files, and the backend that has the key."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, web

from antiphon.server.serve import listening
from tests.arrangements import Serves
from tests.server_process import KEY

PAGES = Path(__file__).parent / "pages"
AGENTS_SDK = (
    Path(__file__).parents[1] / "clients/node/node_modules/@openai/agents-realtime/dist/bundle"
)
"""The bundle that the package ships for browsers, as it is."""
OWN_CLIENT = Path(__file__).parents[2] / "web/packages/client/dist"


class Site:
    """Has the server's key, which no page gets."""

    def __init__(self, server: Serves) -> None:
        self._server = server
        self.url = ""
        self.mints: dict[str, Any] = {}
        """The body of the next request for a secret, beside what the page asks for."""

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Site]:
        app = web.Application()
        app.router.add_post("/secret", self._mint)
        app.router.add_post("/beta-session", self._mint_beta)
        app.router.add_get("/settings", self._settings)
        app.router.add_get("/favicon.ico", self._no_icon)
        if AGENTS_SDK.is_dir():
            app.router.add_static("/agents-sdk", AGENTS_SDK)
        if OWN_CLIENT.is_dir():
            app.router.add_static("/antiphon-client", OWN_CLIENT)
        app.router.add_static("/", PAGES)
        async with listening(app) as url:
            self.url = url.replace("127.0.0.1", "localhost")
            yield self

    async def call_api(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the server with its key."""
        headers = {"Authorization": f"Bearer {KEY}"}
        async with (
            ClientSession() as client,
            client.request(
                method, f"{self._server.url}{path}", json=body, headers=headers
            ) as answer,
        ):
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def _no_icon(self, _: web.Request) -> web.Response:
        return web.Response(status=204)

    async def until_nobody_is_there(self) -> None:
        """Wait until no session is live."""
        async with asyncio.timeout(60):
            while (await self.call_api("GET", "/v1/antiphon/sessions"))["data"]:  # noqa: ASYNC110
                await asyncio.sleep(0.1)  # The server tells nobody.

    async def _settings(self, _: web.Request) -> web.Response:
        return web.json_response({"url": f"{self._server.url}/v1"})

    async def _mint(self, _: web.Request) -> web.Response:
        body = {"session": {"type": "realtime", "model": "gpt-realtime"}} | self.mints
        minted = await self.call_api("POST", "/v1/realtime/client_secrets", body)
        return web.json_response({"value": minted["value"]})

    async def _mint_beta(self, _: web.Request) -> web.Response:
        body = {"model": "gpt-4o-realtime-preview", "voice": "verse"} | self.mints
        return web.json_response(await self.call_api("POST", "/v1/realtime/sessions", body))
