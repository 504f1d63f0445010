"""The HTTP side: routes, and the way of a WebSocket into a session."""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from importlib.metadata import version
from typing import Any

import msgspec
from aiohttp import web
from msgspec import Struct

from antiphon.errors import EngineUnavailable
from antiphon.protocol.server import Error, ErrorDetail
from antiphon.runtime.hub import Hub, SessionKind
from antiphon.runtime.session import LiveSession
from antiphon.server.api_errors import INCORRECT_KEY, ApiError, errors_as_json, unauthorized
from antiphon.server.auth import SUBPROTOCOL, Gate
from antiphon.server.logs import keep_peer_data_out
from antiphon.server.session_rate import SessionRate
from antiphon.transports.websocket import (
    GA,
    INTERNAL_ERROR,
    TRY_AGAIN_LATER,
    Codec,
    WebSocketConnection,
    WebSocketCounters,
    WebSocketLimits,
)

log = logging.getLogger(__name__)

PREFIXES = ("/v1", "/openai/v1", "/openai")
"""OpenAI's own, and the two of Azure (docs/reference/protocol.md, "Azure variations")."""
DEFAULT_MODEL = "gpt-realtime"
RETRY_AFTER_S = 5
BAD_KEY_CLOSE = 3000

ALLOWED_HEADERS = (
    "Authorization, Content-Type, OpenAI-Beta, OpenAI-Safety-Identifier, "
    "X-OpenAI-Agents-SDK, User-Agent, api-key"
)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Model(Struct, frozen=True, kw_only=True):
    """An entry of `GET /v1/models`."""

    id: str
    object: str = "model"
    created: int = 0
    owned_by: str = "antiphon"
    description: str = ""


class Api:
    """All handlers, and what they share.

    Attributes:
        draining: set it, and new sessions are refused while live ones go on.
    """

    def __init__(
        self,
        hub: Hub,
        *,
        gate: Gate,
        models: Callable[[], Sequence[Model]],
        codec: Codec = GA,
        max_sessions: int,
        new_sessions_per_minute: int = 0,
        limits: WebSocketLimits | None = None,
    ) -> None:
        self.hub = hub
        self.draining = False
        self.counters = WebSocketCounters()
        self._gate = gate
        self._models = models
        self._codec = codec
        self._max_sessions = max_sessions
        self._rate = SessionRate(new_sessions_per_minute)
        self._limits = limits
        self._joining = 0

    def app(self) -> web.Application:
        keep_peer_data_out()
        app = web.Application(middlewares=[errors_as_json, self._at_the_gate])
        app.on_response_prepare.append(self._add_headers)
        app.router.add_get("/healthz", self.health)
        for prefix in PREFIXES:
            app.router.add_get(f"{prefix}/realtime", self.realtime)
            app.router.add_get(f"{prefix}/models", self.list_models)
            app.router.add_get(f"{prefix}/models/{{id}}", self.one_model)
        return app

    # --- For every request ---------------------------------------------------

    @web.middleware
    async def _at_the_gate(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path == "/healthz":
            return await handler(request)
        self._gate.check_page(request)
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            return web.Response(status=204, headers=_preflight_headers(request))
        return await handler(request)

    async def _add_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        response.headers["Server"] = "antiphon"
        origin = request.headers.get("Origin")
        allowed = self._gate.cors_origin(origin) if origin else None
        if allowed is not None:
            response.headers["Access-Control-Allow-Origin"] = allowed
            response.headers["Access-Control-Expose-Headers"] = "Location"
            response.headers["Vary"] = "Origin"

    def _require_key(self, request: web.Request) -> None:
        if not self._gate.admits(request):
            raise unauthorized()

    # --- Plain HTTP ----------------------------------------------------------

    async def health(self, _: web.Request) -> web.Response:
        body = {
            "status": "draining" if self.draining else "ok",
            "version": version("antiphon"),
            "sessions": len(self.hub.sessions),
            "max_sessions": self._max_sessions,
        }
        return _json(body, status=503 if self.draining else 200)

    async def list_models(self, request: web.Request) -> web.Response:
        self._require_key(request)
        return _json({"object": "list", "data": self._models()})

    async def one_model(self, request: web.Request) -> web.Response:
        self._require_key(request)
        name = request.match_info["id"]
        for model in self._models():
            if model.id == name:
                return _json(model)
        raise ApiError(404, "model_not_found", f"There is no model '{name[:200]}' in the list.")

    # --- WebSocket -----------------------------------------------------------

    async def realtime(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").strip().lower() != "websocket":
            raise ApiError(
                426,
                "websocket_required",
                f"{request.path} speaks WebSocket: connect with ws:// (or wss://) instead.",
                headers={"Upgrade": "websocket", "Connection": "Upgrade"},
            )
        admitted = self._gate.admits(request)
        call_id = request.query.get("call_id")
        if call_id:
            return await self._join(request, self._session_of(call_id, admitted=admitted))
        if not admitted:
            return await self._turn_away(request)
        self._check_load(request)
        return await self._begin(request)

    def _session_of(self, call_id: str, *, admitted: bool) -> LiveSession:
        session = self.hub.get(call_id) if admitted else None
        if session is None:
            message = "No session found for the provided call_id"
            raise ApiError(404, "call_id_not_found", message, param="")
        return session

    def _check_load(self, request: web.Request) -> None:
        """Refuse before the upgrade, where a client can be told when to try again."""
        if self.draining:
            raise _overloaded("The server is going away; try again.")
        if len(self.hub.sessions) + self._joining >= self._max_sessions:
            raise _overloaded(
                f"All {self._max_sessions} sessions of this server are in use; try again. "
                "(Its operator can raise max_sessions.)"
            )
        wait_s = self._rate.take(request.remote or "", time.monotonic())
        if wait_s:
            raise ApiError(
                429,
                "rate_limit_exceeded",
                f"Too many new sessions from your address; try again in {math.ceil(wait_s)} s.",
                type="rate_limit_error",
                headers={"Retry-After": str(math.ceil(wait_s))},
            )

    def _connection(self, request: web.Request) -> WebSocketConnection:
        return WebSocketConnection(
            request,
            limits=self._limits,
            counters=self.counters,
            protocols=(SUBPROTOCOL,),
            codec=self._codec,
        )

    async def _turn_away(self, request: web.Request) -> web.StreamResponse:
        # A browser shows a page nothing of a refused upgrade; so tell it on the socket.
        connection = self._connection(request)
        await connection.accept()
        reason = f"{INCORRECT_KEY.type}.{INCORRECT_KEY.code}"
        await connection.refuse(_error(INCORRECT_KEY), BAD_KEY_CLOSE, reason)
        return connection.response

    async def _begin(self, request: web.Request) -> web.StreamResponse:
        query = request.query
        kind: SessionKind = (
            "transcription" if query.get("intent") == "transcription" else "realtime"
        )
        model = query.get("model") or query.get("deployment") or DEFAULT_MODEL
        connection = self._connection(request)
        self._joining += 1
        try:
            await connection.accept()
        finally:
            self._joining -= 1
        try:
            session = self.hub.open(kind=kind, model=model, patch=None)
        except EngineUnavailable as error:
            log.warning("%s: %s", connection.id, error)
            detail = ErrorDetail(type="server_error", message=str(error))
            await connection.refuse(_error(detail), TRY_AGAIN_LATER, "server_error")
        except Exception:
            log.exception("%s: no session could be opened", connection.id)
            detail = ErrorDetail(type="server_error", message="The server had an error.")
            await connection.refuse(_error(detail), INTERNAL_ERROR, "server_error")
        else:
            await self._converse(connection, session)
        return connection.response

    async def _join(self, request: web.Request, session: LiveSession) -> web.StreamResponse:
        connection = self._connection(request)
        await connection.accept()
        await self._converse(connection, session)
        return connection.response

    async def _converse(self, connection: WebSocketConnection, session: LiveSession) -> None:
        began = time.monotonic()
        log.info("%s: joined %s", connection.id, session.id)
        try:
            await connection.converse(session)
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("%s: %s failed", connection.id, session.id)
            detail = ErrorDetail(type="server_error", message="The server had an error.")
            await connection.refuse(_error(detail), INTERNAL_ERROR, "server_error")
        finally:
            log.info(
                "%s: left %s after %.1f s with code %s; %d messages in, %d events out",
                connection.id,
                session.id,
                time.monotonic() - began,
                connection.close_code,
                connection.received,
                connection.sent,
            )


def _json(body: Any, status: int = 200) -> web.Response:
    return web.Response(
        status=status, body=msgspec.json.encode(body), content_type="application/json"
    )


def _error(detail: ErrorDetail) -> Error:
    return Error(event_id=f"event_{secrets.token_hex(10)}", error=detail)


def _overloaded(message: str) -> ApiError:
    headers = {"Retry-After": str(RETRY_AFTER_S)}
    return ApiError(503, "server_overloaded", message, type="server_error", headers=headers)


def _preflight_headers(request: web.Request) -> dict[str, str]:
    asked = request.headers.get("Access-Control-Request-Headers", "")
    # The SDKs' telemetry headers come in ever new names.
    stainless = [h.strip() for h in asked.split(",") if h.strip().lower().startswith("x-stainless")]
    return {
        "Access-Control-Allow-Methods": "GET, POST, DELETE, OPTIONS",
        "Access-Control-Allow-Headers": ", ".join([ALLOWED_HEADERS, *stainless]),
        "Access-Control-Max-Age": "600",
    }
