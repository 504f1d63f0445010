"""`GET /v1/realtime`: the way of a WebSocket into a session."""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
import time
from collections.abc import Callable

from aiohttp import web
from msgspec import Struct

from antiphon.errors import EngineUnavailable
from antiphon.protocol.dialect import GA, GA_STRICT, Dialect, beta
from antiphon.protocol.server import Error, ErrorDetail
from antiphon.protocol.veil import Hidden, veiled
from antiphon.runtime.hub import Hub, SessionKind
from antiphon.runtime.session import LiveSession
from antiphon.server.api_errors import INCORRECT_KEY, ApiError
from antiphon.server.auth import SUBPROTOCOL, Gate, offered_subprotocols, presented_key
from antiphon.server.secret_store import Grant, SecretRefused, SecretStore
from antiphon.server.session_rate import SessionRate
from antiphon.transports.websocket import (
    INTERNAL_ERROR,
    TRY_AGAIN_LATER,
    WebSocketConnection,
    WebSocketCounters,
    WebSocketLimits,
)

log = logging.getLogger(__name__)

DEFAULT_MODEL = "gpt-realtime"
RETRY_AFTER_S = 5
BAD_KEY_CLOSE = 3000
EPHEMERAL = "ek_"
BETA_HEADER = "realtime=v1"
BETA_SUBPROTOCOL = "openai-beta.realtime-v1"


class LoadLimits(Struct, frozen=True, kw_only=True):
    """How many sessions there may be."""

    max_sessions: int
    new_per_minute: int = 0
    """From one address; 0: no limit."""


class NotOpened(Exception):
    """No session came to be, and the client has been told why."""

    def __init__(self, response: web.StreamResponse) -> None:
        super().__init__("no session was opened")
        self.response = response


class Realtime:
    """Opens sessions for clients, and lets sidebands join those that are live.

    Attributes:
        draining: set it, and new sessions are refused while live ones go on.
        find_call: a call's session by the call's id, where calls are served.
    """

    find_call: Callable[[str], LiveSession | None] | None = None

    def __init__(
        self,
        hub: Hub,
        *,
        gate: Gate,
        secret_store: SecretStore,
        load: LoadLimits,
        limits: WebSocketLimits | None = None,
        strict: bool = False,
    ) -> None:
        self.draining = False
        self.counters = WebSocketCounters()
        self.hub = hub
        self._gate = gate
        self._secret_store = secret_store
        self._load = load
        self._rate = SessionRate(load.new_per_minute)
        self._limits = limits
        self._strict = strict
        self._joining = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").strip().lower() != "websocket":
            raise ApiError(
                426,
                "websocket_required",
                f"{request.path} speaks WebSocket: connect with ws:// (or wss://) instead.",
                headers={"Upgrade": "websocket", "Connection": "Upgrade"},
            )
        admitted = self._gate.admits(request)
        if call_id := request.query.get("call_id"):
            return await self._join(request, self._session_of(call_id, admitted=admitted))
        secret = presented_key(request.headers) or ""
        if secret.startswith(EPHEMERAL):
            return await self._begin_with_secret(request, secret)
        if not admitted:
            return await self._turn_away(request, INCORRECT_KEY)
        self.check_load(request)
        try:
            return await self._begin(request, _asked_for(request))
        except NotOpened as failure:
            return failure.response

    # --- Who may -------------------------------------------------------------

    def _session_of(self, call_id: str, *, admitted: bool) -> LiveSession:
        """A sideband's session; only a server key may join one."""
        session = None
        if admitted:
            session = self.hub.get(call_id)
            if session is None and self.find_call is not None:
                session = self.find_call(call_id)
        if session is None:
            message = "No session found for the provided call_id"
            raise ApiError(404, "call_id_not_found", message, param="")
        return session

    async def _begin_with_secret(self, request: web.Request, secret: str) -> web.StreamResponse:
        origin = request.headers.get("Origin")
        try:
            self._secret_store.check(secret, origin=origin)
            self.check_load(request)
            grant = self._secret_store.redeem(secret, origin=origin)
        except SecretRefused as refused:
            if refused.status == web.HTTPForbidden.status_code:
                raise ApiError(refused.status, refused.code, str(refused)) from None
            detail = ErrorDetail(code=refused.code, message=str(refused))
            return await self._turn_away(request, detail)
        try:
            return await self._begin(request, grant)
        except NotOpened as failure:
            self._secret_store.give_back(secret)
            return failure.response
        except (web.HTTPException, ConnectionError):
            self._secret_store.give_back(secret)
            raise

    def check_load(self, request: web.Request) -> None:
        """Refuse before the upgrade, where a client can be told when to try again."""
        if self.draining:
            raise overloaded("The server is going away; try again.")
        if len(self.hub.sessions) + self._joining >= self._load.max_sessions:
            raise overloaded(
                f"All {self._load.max_sessions} sessions of this server are in use; try again. "
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

    async def _turn_away(self, request: web.Request, detail: ErrorDetail) -> web.StreamResponse:
        # A browser shows a page nothing of a refused upgrade; so tell it on the socket.
        connection = self._connection(request, None)
        await connection.accept()
        await connection.refuse(_error(detail), BAD_KEY_CLOSE, f"{detail.type}.{detail.code}")
        return connection.response

    # --- In ------------------------------------------------------------------

    async def _begin(self, request: web.Request, grant: Grant) -> web.StreamResponse:
        """Raises:
        NotOpened: there is no session; the client was told.
        """
        connection = self._connection(request, grant)
        self._joining += 1
        try:
            await connection.accept()
            session = self.hub.open(
                kind=grant.kind,
                model=grant.model,
                patch=grant.patch,
                end_user_id=grant.end_user_id,
            )
        except EngineUnavailable as error:
            log.warning("%s: %s", connection.id, error)
            detail = ErrorDetail(type="server_error", message=str(error))
            await connection.refuse(_error(detail), TRY_AGAIN_LATER, "server_error")
            raise NotOpened(connection.response) from None
        except (web.HTTPException, ConnectionError):
            raise
        except Exception:
            log.exception("%s: no session could be opened", connection.id)
            await connection.refuse(_error(OUR_FAULT), INTERNAL_ERROR, "server_error")
            raise NotOpened(connection.response) from None
        finally:
            self._joining -= 1
        await self._converse(connection, session, grant)
        return connection.response

    async def _join(self, request: web.Request, session: LiveSession) -> web.StreamResponse:
        connection = self._connection(request, None)
        await connection.accept()
        await self._converse(connection, session, None)
        return connection.response

    async def _converse(
        self, connection: WebSocketConnection, session: LiveSession, grant: Grant | None
    ) -> None:
        """Until the connection is gone; a sideband comes without a grant."""
        began = time.monotonic()
        log.info("%s: joined %s", connection.id, session.id)
        may_send = None if grant is None else grant.client_events
        try:
            await connection.converse(session, owns=grant is not None, may_send=may_send)
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("%s: %s failed", connection.id, session.id)
            await connection.refuse(_error(OUR_FAULT), INTERNAL_ERROR, "server_error")
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

    def _connection(self, request: web.Request, grant: Grant | None) -> WebSocketConnection:
        return WebSocketConnection(
            request,
            limits=self._limits,
            counters=self.counters,
            protocols=(SUBPROTOCOL,),
            dialect=self.dialect(request, grant),
        )

    def dialect(self, request: web.Request, grant: Grant | None) -> Dialect:
        """Of one connection: "header/subprotocol, or a secret minted by a beta endpoint"
        (docs/concepts/dialects.md).
        """
        hidden = frozenset[Hidden]() if grant is None else grant.hides
        return veiled(self._spoken(request, grant), hidden)

    def _spoken(self, request: web.Request, grant: Grant | None) -> Dialect:
        asked = BETA_HEADER in request.headers.get("OpenAI-Beta", "")
        offered = BETA_SUBPROTOCOL in offered_subprotocols(request.headers)
        if asked or offered or (grant is not None and grant.dialect == "beta"):
            temperature = None if grant is None else grant.temperature
            return beta(strict=self._strict, temperature=temperature)
        return GA_STRICT if self._strict else GA


def _asked_for(request: web.Request) -> Grant:
    """What the URL asks for, where a server key allows anything."""
    query = request.query
    kind: SessionKind = "transcription" if query.get("intent") == "transcription" else "realtime"
    return Grant(kind=kind, model=query.get("model") or query.get("deployment") or DEFAULT_MODEL)


OUR_FAULT = ErrorDetail(type="server_error", message="The server had an error.")


def _error(detail: ErrorDetail) -> Error:
    return Error(event_id=f"event_{secrets.token_hex(10)}", error=detail)


def overloaded(message: str) -> ApiError:
    headers = {"Retry-After": str(RETRY_AFTER_S)}
    return ApiError(503, "server_overloaded", message, type="server_error", headers=headers)
