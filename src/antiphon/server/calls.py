"""`POST /v1/realtime/calls`: WebRTC offers are answered with calls.

WebRTC comes with the optional extra ``webrtc``; without it offers are answered with 501.
"""

from __future__ import annotations

import contextlib
import hmac
import logging
import time
import zlib
from collections.abc import AsyncIterator, Collection, Iterator
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import msgspec
from aiohttp import web
from msgspec import UNSET, Struct

from antiphon.core.faults import Fault
from antiphon.core.records import Past
from antiphon.direct.calls import DirectCalls
from antiphon.direct.session import DirectSession
from antiphon.errors import EngineUnavailable, ProtocolError
from antiphon.protocol.codec import decode_object, from_json
from antiphon.protocol.dialect import Dialect
from antiphon.protocol.dialects import beta, ga
from antiphon.protocol.session import SessionPatch
from antiphon.runtime.door import SessionDoor
from antiphon.runtime.hub import Hub
from antiphon.runtime.throttle import Throttle
from antiphon.server import direct, trace_context
from antiphon.server.admission import Admission, overloaded
from antiphon.server.api_errors import ApiError, Unauthorized
from antiphon.server.audit import NO_AUDIT, Audit
from antiphon.server.auth import Gate, presented_key
from antiphon.server.conversations import asked_conversation, going_on
from antiphon.server.dialects import dialect_of, speaks_beta
from antiphon.server.grant import DEFAULT_MODEL, Grant
from antiphon.server.memory import Memory
from antiphon.server.quotas import Quotas
from antiphon.server.retention import granted
from antiphon.server.returning import Returning, asked_cursor, asks_for_items, last_played, lingers
from antiphon.server.secret_store import PREFIX, digest
from antiphon.transports.webrtc.settings import WebRtcSettings

if TYPE_CHECKING:
    from antiphon.transports.webrtc.call import Call
    from antiphon.transports.webrtc.calls import Answer, Calls

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 1024 * 1024
SDP_TYPE = "application/sdp"


class _Settings(Struct, frozen=True):
    session: SessionPatch


class CallRoutes:
    """Offers, hang-ups, and who may make them."""

    def __init__(
        self,
        hub: Hub,
        *,
        gate: Gate,
        admission: Admission,
        returning: Returning,
        quotas: Quotas,
        memory: Memory,
        settings: WebRtcSettings | None = None,
        direct_calls: DirectCalls | None = None,
        audit: Audit = NO_AUDIT,
        strict: bool = False,
    ) -> None:
        self._hub = hub
        self._gate = gate
        self._admission = admission
        self._returning = returning
        self._quotas = quotas
        self._memory = memory
        self._settings = settings
        self._direct = direct_calls
        """Calls of some models, which another server answers."""
        self._audit = audit
        self._strict = strict
        self._calls: Calls | None = None
        self._opened_with: WeakKeyDictionary[Call, bytes] = WeakKeyDictionary()
        """The hash of the secret that opened a call, and so may tend it later."""

    def routes(self, prefix: str = "/v1") -> list[web.RouteDef]:
        return [
            web.post(f"{prefix}/realtime/calls", self.answer),
            web.post(f"{prefix}/realtime", self.answer_beta),
            # The preview of Azure: POST https://{region}.realtimeapi-preview.…/v1/realtimertc
            web.post(f"{prefix}/realtimertc", self.answer_beta),
            web.patch(f"{prefix}/realtime/calls/{{id}}", self.restart),
            web.post(f"{prefix}/realtime/calls/{{id}}/hangup", self.hang_up),
        ]

    async def running(self, _: web.Application) -> AsyncIterator[None]:
        """Calls live as long as the server does."""
        if not self._loads_when_asked:
            self._load()
        yield
        if self._calls is not None:
            await self._calls.aclose()

    @property
    def _loads_when_asked(self) -> bool:
        return self._settings is not None and self._settings.load_when_asked

    def _load(self) -> None:
        try:
            from antiphon.transports.webrtc.calls import Calls
        except ModuleNotFoundError as error:
            log.info("WebRTC is not served: %s is not installed (extra 'webrtc')", error.name)
        else:
            self._calls = Calls(self._hub, self._settings)

    @property
    def live(self) -> Collection[Call]:
        """Those whose media pass through here."""
        return self._calls.calls if self._calls else ()

    def session_of(self, call_id: str) -> SessionDoor | None:
        if (session := self._held_elsewhere(call_id)) is not None:
            return session
        call = self._calls.get(call_id) if self._calls else None
        return call.session if call is not None else None

    # --- Handlers ------------------------------------------------------------

    async def answer(self, request: web.Request) -> web.Response:
        return await self._answer(request)

    async def answer_beta(self, request: web.Request) -> web.Response:
        """As `answer`; whoever asks here speaks the beta dialect."""
        return await self._answer(request, always_beta=True)

    async def _answer(self, request: web.Request, *, always_beta: bool = False) -> web.Response:
        if self._direct is None:
            self._served()
        visitor = self._gate.visitor(request)
        await self._admission.check_key(visitor)  # Of others not even the offer is read.
        offer, settings = await _read_offer(request)
        comeback = await self._returning.comeback(request, transport="webrtc")
        if comeback is not None and comeback.session is not None:
            key = visitor.key.reveal()
            opened_with = digest(key) if key.startswith(PREFIX) else None
            grant = _spoken(comeback.grant, always_beta=always_beta)
            dialect = dialect_of(request.headers, grant, strict=self._strict)
            with _refusals_told():
                answer = await self._served().go_on(
                    offer,
                    comeback.session,
                    token=comeback.token,
                    after=asked_cursor(request) or "",
                    shows_items=asks_for_items(request),
                    played=last_played(request),
                    may_send=grant.client_events,
                    dialect=dialect,
                    throttle=self._quotas.throttle(grant.principal, visitor.address),
                )
        else:
            async with (
                self._admission.admit(visitor, _asked_for(request, settings)) as admitted,
                going_on(self._hub, request, admitted, comeback) as past,
            ):
                opened_with = admitted.secret_digest
                asked = granted(self._hub, request, admitted)
                grant = _spoken(asked, always_beta=always_beta)
                trace_context.belong_to(grant.traceparent)
                if self._direct is not None and self._direct.serves(grant.model):
                    is_beta = speaks_beta(request.headers, grant)
                    told = await direct.answer(
                        self._direct, self._hub, offer, grant, past, is_beta=is_beta
                    )
                    return _created(told.call_id, told.sdp)
                calls = self._served()
                dialect = dialect_of(request.headers, grant, strict=self._strict)
                throttle = self._quotas.throttle(grant.principal, visitor.address)
                answer = await self._call(calls, offer, grant, dialect, past, throttle)
                call = calls.get(answer.call_id)
                if call is not None and call.session is not None:
                    self._returning.note(call.session, admitted)
                    self._quotas.note(call.session, visitor.address)
        if (call := self._served().get(answer.call_id)) is not None:
            call.lingers = lingers(request)
            if opened_with is not None:
                self._opened_with[call] = opened_with
        return _created(answer.call_id, answer.sdp)

    async def hang_up(self, request: web.Request) -> web.Response:
        principal = await self._gate.require(request, "sideband", "operate")
        call_id = request.match_info["id"]
        found = self.session_of(call_id)
        if found is not None and not found.about.is_seen_by(principal):
            raise _no_such_call()
        if (session := self._held_elsewhere(call_id)) is not None:
            await direct.hang_up(session)
        elif not self._served().hang_up(call_id):
            raise _no_such_call()
        address = self._gate.address_of(request)
        self._audit.note("call.hung_up", principal, address, call_id=call_id)
        return web.Response()

    async def restart(self, request: web.Request) -> web.Response:
        """Beyond OpenAI's API: a client whose network has changed sends a new offer."""
        from antiphon.transports.webrtc.calls import OfferError

        call = await self._tended(request)
        offer, _ = await _read_offer(request)
        try:
            answer = call.restart(offer)
        except OfferError as error:
            raise ApiError(400, "invalid_offer", str(error), param="sdp") from None
        return web.Response(body=answer.encode(), content_type=SDP_TYPE)

    async def show(self, request: web.Request) -> web.Response:
        """Beyond OpenAI's API: how a call is doing.  Counts are of the whole call, so that any
        number of askers may each take the difference to what they were told before.
        """
        call = await self._tended(request)
        body = {
            "id": call.id,
            "object": "antiphon.call",
            "session_id": None if call.session is None else call.session.id,
            "state": call.state,
            "codec": call.codec,
            "measured_at": time.time(),
            "quality": call.quality,
        }
        return web.Response(body=msgspec.json.encode(body), content_type="application/json")

    # --- Steps ---------------------------------------------------------------

    async def _tended(self, request: web.Request) -> Call:
        """The call that a request is about, where its bearer may tend it: with a server key,
        or the secret that opened it, though that may have expired since.
        """
        call_id = request.match_info["id"]
        if self._held_elsewhere(call_id) is not None:
            raise direct.not_here("only that one knows its way, and can change it")
        call = self._served().get(call_id)
        key = presented_key(request.headers) or ""
        if not key.startswith(PREFIX) or self._gate.is_open:
            principal = await self._gate.require(request, "call", "sideband", "operate")
            session = None if call is None else call.session
            if call is None or (session is not None and not session.about.is_seen_by(principal)):
                raise _no_such_call()
            return call
        if call is None or not hmac.compare_digest(digest(key), self._opened_with.get(call, b"")):
            raise Unauthorized
        return call

    def _held_elsewhere(self, call_id: str) -> DirectSession | None:
        return None if self._direct is None else self._direct.get(call_id)

    def _served(self) -> Calls:
        if self._calls is None and self._loads_when_asked:
            self._load()
        if self._calls is None:
            raise ApiError(
                501,
                "webrtc_not_installed",
                "This server has no WebRTC: install the extra 'webrtc', or connect by WebSocket.",
            )
        return self._calls

    async def _call(
        self,
        calls: Calls,
        offer: str,
        grant: Grant,
        dialect: Dialect,
        past: Past | None,
        throttle: Throttle | None,
    ) -> Answer:
        with _refusals_told():
            return await calls.answer(
                offer,
                model=grant.model,
                patch=grant.patch,
                kind=grant.kind,
                may_send=grant.client_events,
                principal=grant.principal,
                dialect=dialect,
                past=past,
                sideband_wait_ms=round(grant.wait_for_sideband_s * 1000),
                retention=grant.retention,
                throttle=throttle,
                server_tools=await self._memory.of_session(grant),
            )


def _created(call_id: str, sdp: str) -> web.Response:
    return web.Response(
        status=201,
        body=sdp.encode(),
        content_type=SDP_TYPE,
        headers={"Location": f"/v1/realtime/calls/{call_id}"},
    )


def _spoken(grant: Grant, *, always_beta: bool) -> Grant:
    if always_beta:
        return msgspec.structs.replace(grant, dialect=beta.DIALECT.name)
    return grant


@contextlib.contextmanager
def _refusals_told() -> Iterator[None]:
    from antiphon.transports.webrtc.calls import NoPortFree, OfferError, TooManyCalls

    try:
        yield
    except OfferError as error:
        raise ApiError(400, "invalid_offer", str(error), param="sdp") from None
    except Fault as fault:
        raise ApiError(400, fault.code, fault.message, param=fault.param) from None
    except (TooManyCalls, NoPortFree, EngineUnavailable) as error:
        raise overloaded(str(error)) from None


def _no_such_call() -> ApiError:
    return ApiError(404, "call_id_not_found", "No call found for the provided call_id", param="")


def _asked_for(request: web.Request, settings: SessionPatch) -> Grant:
    """What the offer asks for, where a server key allows anything."""
    model = settings.model or request.query.get("model") or DEFAULT_MODEL
    kind = "realtime" if settings.type is UNSET else settings.type
    return Grant(
        kind=kind,
        model=model,
        patch=settings,
        conversation_id=asked_conversation(request),
    )


async def _read_offer(request: web.Request) -> tuple[str, SessionPatch]:
    """Either the bare SDP, or a form with it and the session's settings.

    "JS `FormData.set` gives no per-part content type; accept both parts without one."
    """
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise ApiError(413, "request_too_large", f"At most {MAX_BODY_BYTES} bytes are read.")
    if request.content_type == SDP_TYPE:
        return _text(await request.read(), "sdp"), SessionPatch()
    if request.content_type != "multipart/form-data":
        raise ApiError(
            415,
            "unsupported_content_type",
            f"Send an offer as '{SDP_TYPE}', or as 'multipart/form-data' with the parts 'sdp' "
            f"and 'session', not as '{request.content_type}'.",
        )
    try:
        parts = await _read_form(request)
    except (ValueError, AssertionError, LookupError, RuntimeError, zlib.error) as error:
        # aiohttp raises what it happens to trip over.
        log.info("a form could not be read (%s)", type(error).__name__)
        message = "The form could not be read: it lacks a boundary, or a part of it is broken."
        raise ApiError(400, "invalid_form", message) from None
    if "sdp" not in parts:
        message = "Missing required parameter: 'sdp'."
        raise ApiError(400, "missing_required_parameter", message, param="sdp")
    return parts["sdp"], _settings(parts.get("session", "{}"))


async def _read_form(request: web.Request) -> dict[str, str]:
    parts: dict[str, str] = {}
    async for part in await request.multipart():
        name = getattr(part, "name", None)
        if name in ("sdp", "session"):
            parts[name] = _text(bytes(await part.read(decode=True)), name)  # type: ignore[union-attr]
    return parts


def _text(data: bytes, name: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise ApiError(400, "invalid_value", f"'{name}' is not UTF-8.", param=name) from None


def _settings(text: str) -> SessionPatch:
    try:
        settings, _ = ga.DIALECT.settings.read(decode_object(text))
        patch: SessionPatch = from_json({"session": settings}, _Settings).session
    except ProtocolError as error:
        raise ApiError(400, error.code, error.message, param=error.param) from None
    return patch
