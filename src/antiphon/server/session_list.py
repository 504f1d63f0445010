"""`GET /v1/antiphon/sessions`: who is live, for the operator and for sidebands to find."""

from __future__ import annotations

import msgspec
from aiohttp import web

from antiphon.server.auth import Gate
from antiphon.server.directory import Directory


class SessionList:
    """Beyond OpenAI's API; client secrets see nothing."""

    def __init__(self, directory: Directory, *, gate: Gate) -> None:
        self._directory = directory
        self._gate = gate

    def routes(self, prefix: str = "/v1") -> list[web.RouteDef]:
        return [web.get(f"{prefix}/antiphon/sessions", self.list)]

    async def list(self, request: web.Request) -> web.Response:
        self._gate.require_server_key(request)
        body = {"object": "list", "data": await self._directory.listed()}
        return web.Response(body=msgspec.json.encode(body), content_type="application/json")
