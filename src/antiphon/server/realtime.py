"""`GET /v1/realtime`: the way of a WebSocket into a session."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from typing import Unpack
from weakref import WeakKeyDictionary

from aiohttp import web

from antiphon.core.faults import Fault
from antiphon.core.records import Past
from antiphon.errors import EngineUnavailable
from antiphon.identity.principal import Principal
from antiphon.protocol.closes import CloseCode
from antiphon.protocol.server import Error, ErrorDetail
from antiphon.runtime.door import SessionDoor
from antiphon.runtime.hub import Hub, SessionKind
from antiphon.server import trace_context
from antiphon.server.admission import Admission
from antiphon.server.api_errors import ApiError, Unauthorized
from antiphon.server.auth import SUBPROTOCOL, Gate
from antiphon.server.conversations import asked_conversation, going_on
from antiphon.server.dialects import dialect_of
from antiphon.server.directory import Directory
from antiphon.server.grant import DEFAULT_MODEL, Grant
from antiphon.server.memory import Memory
from antiphon.server.quotas import Quotas
from antiphon.server.retention import granted
from antiphon.server.returning import (
    Comeback,
    Returning,
    TokenUnknown,
    asked_cursor,
    asks_for_items,
)
from antiphon.transports.websocket import (
    Joining,
    WebSocketConnection,
    WebSocketCounters,
    WebSocketLimits,
)

log = logging.getLogger(__name__)


class NotOpened(Exception):
    """No session came to be, and the client has been told why."""

    def __init__(self, response: web.StreamResponse) -> None:
        super().__init__("no session was opened")
        self.response = response


class Realtime:
    """Opens sessions for clients, and lets sidebands join those that are live."""

    def __init__(
        self,
        hub: Hub,
        *,
        gate: Gate,
        admission: Admission,
        directory: Directory,
        returning: Returning,
        quotas: Quotas,
        memory: Memory,
        limits: WebSocketLimits | None = None,
        strict: bool = False,
    ) -> None:
        self.counters = WebSocketCounters()
        self._hub = hub
        self._gate = gate
        self._admission = admission
        self._directory = directory
        self._returning = returning
        self._quotas = quotas
        self._memory = memory
        self._limits = limits
        self._strict = strict
        self._sidebands: WeakKeyDictionary[WebSocketConnection, Principal] = WeakKeyDictionary()

    def close_sidebands(self, of: Callable[[Principal], bool], reason: str) -> None:
        for connection, principal in list(self._sidebands.items()):
            if of(principal):
                connection.close(CloseCode.UNAUTHORIZED, reason)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").strip().lower() != "websocket":
            raise ApiError(
                426,
                "websocket_required",
                f"{request.path} speaks WebSocket: connect with ws:// (or wss://) instead.",
                headers={"Upgrade": "websocket", "Connection": "Upgrade"},
            )
        if call_id := request.query.get("call_id"):
            return await self._join(request, *await self._session_of(call_id, request))
        try:
            comeback = await self._returning.comeback(request, transport="websocket")
            if comeback is not None and comeback.session is not None:
                return await self._come_back(request, comeback, comeback.session)
            visitor = self._gate.visitor(request)
            async with (
                self._admission.admit(visitor, _asked_for(request)) as admitted,
                going_on(self._hub, request, admitted, comeback) as past,
            ):
                grant = granted(self._hub, request, admitted)
                connection, session = await self._open(request, grant, past)
        except Unauthorized as refused:
            return await self._turn_away(request, refused)
        except TokenUnknown as unknown:
            return await self._tell(request, unknown, CloseCode.NOT_SERVED)
        except NotOpened as failure:
            return failure.response
        self._returning.note(session, admitted)
        self._quotas.note(session, visitor.address)
        await self._converse(connection, session, may_send=grant.client_events)
        return connection.response

    # --- Who may -------------------------------------------------------------

    async def _session_of(
        self, call_id: str, request: web.Request
    ) -> tuple[SessionDoor, Principal]:
        """A sideband's session; only a server key may join one."""
        principal = session = None
        try:
            principal = await self._gate.require(request, "sideband")
        except Unauthorized:
            self._gate.note_refused(request)  # It learns no more than one who asks for no session.
        else:
            session = await self._directory.find(call_id)
        if principal is None or session is None or not session.about.is_seen_by(principal):
            message = "No session found for the provided call_id"
            raise ApiError(404, "call_id_not_found", message, param="")
        return session, principal

    async def _turn_away(self, request: web.Request, refused: Unauthorized) -> web.StreamResponse:
        self._gate.note_refused(request)
        return await self._tell(request, refused, CloseCode.UNAUTHORIZED)

    async def _tell(
        self, request: web.Request, refusal: ApiError, code: CloseCode
    ) -> web.StreamResponse:
        # A browser shows a page nothing of a refused upgrade; so tell it on the socket.
        detail = ErrorDetail(code=refusal.code, message=str(refusal))
        connection = self._connection(request, None)
        await connection.accept()
        await connection.refuse(_error(detail), code, f"{detail.type}.{detail.code}")
        return connection.response

    # --- In ------------------------------------------------------------------

    async def _open(
        self, request: web.Request, grant: Grant, past: Past | None
    ) -> tuple[WebSocketConnection, SessionDoor]:
        """Raises:
        NotOpened: there is no session; the client was told.
        web.HTTPException, ConnectionError: nor can it be told on a WebSocket.
        """
        trace_context.belong_to(grant.traceparent)
        connection = self._connection(request, grant)
        await connection.accept()
        try:
            session = self._hub.open(
                kind=grant.kind,
                model=grant.model,
                patch=grant.patch,
                principal=grant.principal,
                past=past,
                sideband_wait_ms=round(grant.wait_for_sideband_s * 1000),
                retention=grant.retention,
                server_tools=await self._memory.of_session(grant),
            )
        except Fault as fault:
            detail = ErrorDetail(code=fault.code, message=fault.message, param=fault.param)
            await connection.refuse(_error(detail), CloseCode.NOT_SERVED, fault.code)
            raise NotOpened(connection.response) from None
        except EngineUnavailable as error:
            log.warning("%s: %s", connection.id, error)
            detail = ErrorDetail(type="server_error", message=str(error))
            await connection.refuse(_error(detail), CloseCode.TRY_AGAIN_LATER, "server_error")
            raise NotOpened(connection.response) from None
        except Exception:
            log.exception("%s: no session could be opened", connection.id)
            await connection.refuse(_error(OUR_FAULT), CloseCode.INTERNAL_ERROR, "server_error")
            raise NotOpened(connection.response) from None
        return connection, session

    async def _join(
        self, request: web.Request, session: SessionDoor, principal: Principal
    ) -> web.StreamResponse:
        connection = self._connection(request, None, principal)
        await connection.accept()
        self._sidebands[connection] = principal
        may_send = principal.client_events
        await self._converse(
            connection, session, owns=False, may_send=may_send, after=asked_cursor(request)
        )
        return connection.response

    async def _come_back(
        self, request: web.Request, comeback: Comeback, session: SessionDoor
    ) -> web.StreamResponse:
        connection = self._connection(request, comeback.grant)
        await connection.accept()
        await self._converse(
            connection,
            session,
            may_send=comeback.grant.client_events,
            after=asked_cursor(request),
            token=comeback.token,
            shows_items=asks_for_items(request),
        )
        return connection.response

    async def _converse(
        self, connection: WebSocketConnection, session: SessionDoor, **how: Unpack[Joining]
    ) -> None:
        """Until the connection is gone."""
        began = time.monotonic()
        log.info("%s: joined %s", connection.id, session.id)
        try:
            await connection.converse(session, **how)
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("%s: %s failed", connection.id, session.id)
            await connection.refuse(_error(OUR_FAULT), CloseCode.INTERNAL_ERROR, "server_error")
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

    def _connection(
        self, request: web.Request, grant: Grant | None, principal: Principal | None = None
    ) -> WebSocketConnection:
        """``principal``: who comes, where that is not whom the grant is for."""
        if principal is None and grant is not None:
            principal = grant.principal
        return WebSocketConnection(
            request,
            limits=self._limits,
            counters=self.counters,
            protocols=(SUBPROTOCOL,),
            dialect=dialect_of(request.headers, grant, strict=self._strict),
            throttle=None
            if principal is None
            else self._quotas.throttle(principal, self._gate.address_of(request)),
        )


def _asked_for(request: web.Request) -> Grant:
    """What the URL asks for, where a server key allows anything."""
    query = request.query
    kind: SessionKind = "transcription" if query.get("intent") == "transcription" else "realtime"
    return Grant(
        kind=kind,
        model=query.get("model") or query.get("deployment") or DEFAULT_MODEL,
        conversation_id=asked_conversation(request),
    )


OUR_FAULT = ErrorDetail(type="server_error", message="The server had an error.")


def _error(detail: ErrorDetail) -> Error:
    return Error(event_id=f"event_{secrets.token_hex(10)}", error=detail)
