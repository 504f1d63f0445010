"""`GET /v1/antiphon/sessions`: who is live, for the operator and for sidebands to find."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from aiohttp import web

from antiphon.protocol.session import Session
from antiphon.runtime.door import SessionDoor
from antiphon.runtime.hub import Hub
from antiphon.server.client_secrets import unauthorized


class SessionList:
    """Beyond OpenAI's API.  Nothing in it tells what was said.

    Args:
        hub: whose sessions are listed.
        admits: whether a request shows a server key; client secrets see nothing.
    """

    def __init__(self, hub: Hub, *, admits: Callable[[web.Request], bool]) -> None:
        self._hub = hub
        self._admits = admits

    def routes(self, prefix: str = "/v1") -> list[web.RouteDef]:
        return [web.get(f"{prefix}/antiphon/sessions", self.list)]

    async def list(self, request: web.Request) -> web.Response:
        if not self._admits(request):
            return unauthorized()
        body = {"object": "list", "data": [_entry(session) for session in self._hub.sessions]}
        return web.Response(body=msgspec.json.encode(body), content_type="application/json")


def _entry(session: SessionDoor) -> dict[str, Any]:
    settings = session.settings
    return {
        "id": session.id,
        "object": "antiphon.session",
        "type": "realtime" if isinstance(settings, Session) else "transcription",
        "model": settings.model if isinstance(settings, Session) else None,
        "engine": session.about.engine_name,
        "transport": session.about.transport,
        "state": session.state,
        "began_at": session.about.began_at,
        "expires_at": settings.expires_at,
        "end_user_id": session.about.end_user_id,
        "connections": [
            {"id": name, "role": role} for name, role in session.connection_roles.items()
        ],
    }
