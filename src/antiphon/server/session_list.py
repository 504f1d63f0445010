"""`/v1/antiphon/sessions`: who is live, for the operator and for sidebands to find; and whose model
goes on with a session.
"""

from __future__ import annotations

import msgspec
from aiohttp import web
from msgspec import Struct

from antiphon.core.faults import Fault
from antiphon.errors import EngineUnavailable, ProtocolError
from antiphon.protocol.codec import decode_object, from_json
from antiphon.server.admission import overloaded
from antiphon.server.api_errors import ApiError
from antiphon.server.audit import NO_AUDIT, Audit
from antiphon.server.auth import Gate
from antiphon.server.directory import Directory, listed


class _Wish(Struct, frozen=True):
    model: str | None = None
    voice: str | None = None


class SessionList:
    """Beyond OpenAI's API; client secrets see nothing."""

    def __init__(self, directory: Directory, *, gate: Gate, audit: Audit = NO_AUDIT) -> None:
        self._directory = directory
        self._gate = gate
        self._audit = audit

    def routes(self, prefix: str = "/v1") -> list[web.RouteDef]:
        sessions = f"{prefix}/antiphon/sessions"
        return [web.get(sessions, self.list), web.post(f"{sessions}/{{id}}/move", self.move)]

    async def list(self, request: web.Request) -> web.Response:
        principal = await self._gate.require(request, "sideband", "operate")
        found = [s for s in await self._directory.listed() if principal.sees(s.tenant, s.user)]
        return _json({"object": "list", "data": found})

    async def move(self, request: web.Request) -> web.Response:
        """Let another model, or another voice, go on with a session."""
        principal = await self._gate.require(request, "operate")
        try:
            wish: _Wish = from_json(decode_object(await request.text()), _Wish, strict=True)
        except ProtocolError as error:
            raise ApiError(400, error.code, error.message, param=error.param) from None
        if wish.model is None and wish.voice is None:
            message = "Missing required parameter: 'model', or 'voice'."
            raise ApiError(400, "missing_required_parameter", message, param="model")
        session = await self._directory.find(request.match_info["id"])
        if session is None or not session.about.is_seen_by(principal):
            raise ApiError(404, "session_not_found", "No live session has that id.")
        try:
            session.move(model=wish.model, voice=wish.voice)
        except Fault as fault:
            raise ApiError(400, fault.code, fault.message, param=fault.param) from None
        except EngineUnavailable as error:
            raise overloaded(str(error)) from None
        self._audit.note(
            "session.moved",
            principal,
            self._gate.address_of(request),
            session_id=session.id,
            model=wish.model,
            voice=wish.voice,
        )
        return _json(listed(session))


def _json(body: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), content_type="application/json")
