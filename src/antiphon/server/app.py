"""The HTTP side: every route, and what all of them share."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web
from msgspec import Struct

from antiphon.direct.calls import DirectCalls
from antiphon.identity.keys import KeyRecord
from antiphon.identity.principal import Principal
from antiphon.limits.policy import Policy
from antiphon.profiles.profiles import Profiles
from antiphon.protocol.closes import CloseCode
from antiphon.runtime.door import SessionDoor
from antiphon.runtime.hub import Hub
from antiphon.server import trace_context
from antiphon.server.admission import Admission, LoadLimits
from antiphon.server.api_errors import ApiError, Unauthorized, errors_as_json
from antiphon.server.audit import NO_AUDIT, Audit
from antiphon.server.auth import Gate
from antiphon.server.bearers import Bearers
from antiphon.server.calls import CallRoutes
from antiphon.server.client_secrets import ClientSecrets
from antiphon.server.console import Console
from antiphon.server.conversations import Conversations, check_sees, forked_from
from antiphon.server.directory import Directory, LocalDirectory
from antiphon.server.intake import Intake, Load
from antiphon.server.lateness import Lateness
from antiphon.server.logs import keep_peer_data_out
from antiphon.server.memory import Memory
from antiphon.server.metering import UsageRoutes
from antiphon.server.metrics import Metrics, Sources
from antiphon.server.metrics_route import PATH as METRICS_PATH
from antiphon.server.metrics_route import MetricsRoute
from antiphon.server.operator import OperatorRoutes
from antiphon.server.quality import LastTurns, Quality
from antiphon.server.quotas import Quotas
from antiphon.server.readiness import READY_PATH, Drain, Readiness, Verdict
from antiphon.server.realtime import Realtime
from antiphon.server.recent_errors import RecentErrorRoutes, RecentErrors
from antiphon.server.returning import HEADER as RESUME_HEADER
from antiphon.server.returning import Returning
from antiphon.server.secret import Secret
from antiphon.server.secret_store import MemorySecretStore, SecretStore
from antiphon.server.session_list import SessionList
from antiphon.server.siblings import Servers, Siblings
from antiphon.server.supervision import SupervisionRoutes
from antiphon.server.tenants import TenantRoutes
from antiphon.transports.webrtc.settings import WebRtcSettings
from antiphon.transports.websocket import WebSocketLimits

if TYPE_CHECKING:
    from antiphon.server.traces import Traces

PREFIXES = ("/v1", "/openai/v1", "/openai")
"""OpenAI's own, and the two of Azure."""

ALLOWED_HEADERS = (
    "Authorization, Content-Type, OpenAI-Beta, OpenAI-Safety-Identifier, "
    f"X-OpenAI-Agents-SDK, User-Agent, api-key, {trace_context.HEADER}, {RESUME_HEADER}"
)

_SDK_HEADER = re.compile(r"(?:x-)?(?:openai|stainless)-[a-z0-9-]{1,60}", re.IGNORECASE)

KEY_REVOKED = "The API key of this session was revoked."
KEY_REMOVED = "The API key of this session is no longer in the server's settings."

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Model(Struct, frozen=True, kw_only=True):
    """An entry of `GET /v1/models`."""

    id: str
    object: str = "model"
    created: int = 0
    owned_by: str = "antiphon"
    description: str = ""


class Api:
    """All handlers, and what they share."""

    def __init__(
        self,
        hub: Hub,
        *,
        gate: Gate,
        models: Callable[[], Sequence[Model]],
        load: LoadLimits,
        limits: WebSocketLimits | None = None,
        webrtc: WebRtcSettings | None = None,
        secret_store: SecretStore | None = None,
        policy: Policy | None = None,
        audit: Audit | None = None,
        closes_revoked: bool = True,
        siblings: Siblings | None = None,
        direct_calls: DirectCalls | None = None,
        profiles: Profiles | None = None,
        retention_days: float = 30,
        days_of_tenants: Mapping[str, float] | None = None,
        lines_retention_days: float = 400,
        strict: bool = False,
        metrics: Metrics | None = None,
        metrics_token: Secret | None = None,
        metrics_listen: str | None = None,
        engine_names: Callable[[], list[str]] = list,
        journal_path: Path | None = None,
        last_turns: LastTurns | None = None,
        errors: RecentErrors | None = None,
        traces: Traces | None = None,
        servers: Servers | None = None,
    ) -> None:
        secret_store = MemorySecretStore() if secret_store is None else secret_store
        audit = NO_AUDIT if audit is None else audit
        self.hub = hub
        self._last_turns = last_turns or LastTurns()
        self.secret_store = secret_store
        self._lateness = Lateness()
        self.quotas = Quotas(policy or Policy(), sessions=lambda: hub.sessions)
        hub.pace_of = self.quotas.pace
        self._closes_revoked = closes_revoked
        self.admission = Admission(
            identify=lambda visitor: gate.principal(visitor, "call"),
            check_pace=gate.check_pace,
            secrets=secret_store,
            load=load,
            live_sessions=lambda: len(hub.sessions),
            quotas=self.quotas,
            unable=lambda: hub.unable,
            is_revoked=gate.bearers.is_revoked,
            intake=Intake(
                load.max_lateness_ms,
                load=lambda: Load(self._lateness.fresh_ms, self._lateness.busy_share),
                now_s=time.monotonic,
            ),
        )
        gate.bearers.known.when_revoked(self._on_revoked)
        gate.bearers.when_removed(self._on_removed)
        self.gate = gate
        self._audit = audit
        self._models = models
        self._load = load
        returning = Returning(hub, gate=gate, admission=self.admission)
        self._memory = Memory(
            profiles,
            gate=gate,
            admission=self.admission,
            disown_lines=None if hub.metering is None else hub.metering.disown_lines,
        )
        self._calls = CallRoutes(
            hub,
            gate=gate,
            admission=self.admission,
            returning=returning,
            quotas=self.quotas,
            memory=self._memory,
            settings=webrtc,
            direct_calls=direct_calls,
            audit=audit,
            strict=strict,
        )
        self.local_directory = LocalDirectory(
            hub, of_call=self._calls.session_of, qualities=self._qualities
        )
        directory: Directory = self.local_directory
        self.siblings = siblings
        if siblings is not None:
            directory = siblings.directory(self.local_directory)
        self._realtime = Realtime(
            hub,
            gate=gate,
            admission=self.admission,
            directory=directory,
            returning=returning,
            quotas=self.quotas,
            memory=self._memory,
            limits=limits,
            strict=strict,
        )
        self._secrets = ClientSecrets(
            secret_store,
            gate=gate,
            rules=hub.rules,
            fork=partial(forked_from, hub),
            check_sees=partial(check_sees, hub),
            audit=audit,
            strict=strict,
        )
        self._session_list = SessionList(directory, gate=gate, audit=audit)
        self._supervision = SupervisionRoutes(directory, gate=gate, audit=audit)
        self._tenants = TenantRoutes(hub, directory=directory, quotas=self.quotas, gate=gate)
        errors = RecentErrors() if errors is None else errors
        errors.find = hub.get
        self.errors = RecentErrorRoutes(errors, gate=gate)
        self._conversations = Conversations(
            hub,
            gate=gate,
            retention_days=retention_days,
            days_of_tenants=days_of_tenants or {},
            audit=audit,
        )
        self.operator = OperatorRoutes(gate.bearers.known, gate=gate, audit=audit)
        self._usage = UsageRoutes(
            hub.metering,
            gate=gate,
            owns_journal=hub.keeping is None,
            retention_days=lines_retention_days,
        )
        self.drain = Drain(hub, self.admission, gate=gate, audit=audit)
        self._readiness = Readiness(
            hub,
            self.admission,
            engine_names=engine_names,
            journal_path=journal_path,
            max_sessions=load.max_sessions,
        )
        self._traces = traces
        self.metrics: MetricsRoute | None = None
        if metrics is not None:
            metrics.watch_server(self._counted())
            self.metrics = MetricsRoute(
                metrics, gate=gate, token=metrics_token, listen=metrics_listen
            )
        if siblings is not None:
            siblings.join(self)
        self._servers = servers
        if servers is not None:
            servers.join(self)

    def _counted(self) -> Sources:
        """What there is to be counted beside sessions."""
        gate = self.gate
        return Sources(
            hub=self.hub,
            refused_keys=lambda: gate.refused_keys,
            slowed_down=lambda: gate.slowed_down,
            late_ms=lambda: self._lateness.p99_ms,
            is_draining=lambda: self.admission.draining,
            max_sessions=self._load.max_sessions,
            websockets=self._realtime.counters,
            calls=lambda: self._calls.live,
        )

    def _qualities(self) -> Callable[[SessionDoor], Quality]:
        calls = {call.session.id: call for call in self._calls.live if call.session is not None}

        def quality_of(session: SessionDoor) -> Quality:
            call = calls.get(session.id)
            return Quality(
                latency_ms=self._last_turns.latency_ms(session.id),
                call=None if call is None else call.quality,
            )

        return quality_of

    @property
    def bearers(self) -> Bearers:
        """Who may come in."""
        return self.gate.bearers

    def app(self) -> web.Application:
        keep_peer_data_out()
        app = web.Application(middlewares=[errors_as_json, self._siblings_first, self._at_the_gate])
        if self._servers is not None:
            app.middlewares.insert(2, self._servers.told)
            app.cleanup_ctx.append(self._servers.running)
        if self._traces is not None:
            app.middlewares.append(trace_context.noted)
            app.cleanup_ctx.append(self._traces.running)
        app.on_response_prepare.append(self._add_headers)
        app.on_shutdown.append(self._end_sessions)
        app.cleanup_ctx.append(self.errors.running)
        app.cleanup_ctx.append(self._with_secret_store)
        app.cleanup_ctx.append(self.operator.running)
        app.cleanup_ctx.append(self._conversations.running)
        app.cleanup_ctx.append(self.quotas.running)
        if self._load.max_lateness_ms:
            app.cleanup_ctx.append(self._lateness.running)
        app.cleanup_ctx.append(self._usage.running)
        app.cleanup_ctx.append(self._calls.running)
        app.router.add_get("/healthz", self.health)
        app.router.add_get(READY_PATH, self._readiness.show)
        app.add_routes(self.drain.routes())
        app.cleanup_ctx.append(self.drain.running)
        if self.metrics is not None:
            app.cleanup_ctx.append(self.metrics.running)
            app.router.add_get(METRICS_PATH, self.metrics.show)
        app.add_routes(Console().routes())
        app.add_routes(self._session_list.routes())
        app.add_routes(self._supervision.routes())
        app.add_routes(self._tenants.routes())
        app.add_routes(self.errors.routes())
        app.add_routes(self._conversations.routes())
        app.add_routes(self.operator.routes())
        app.add_routes(self._memory.routes())
        app.add_routes(self._usage.routes())
        app.router.add_get("/v1/antiphon/calls/{id}", self._calls.show)
        for prefix in PREFIXES:
            app.router.add_get(f"{prefix}/realtime", self._realtime.handle)
            app.add_routes(self._secrets.routes(prefix))
            app.add_routes(self._calls.routes(prefix))
            app.router.add_get(f"{prefix}/models", self.list_models)
            app.router.add_get(f"{prefix}/models/{{id}}", self.one_model)
        return app

    async def _with_secret_store(self, _: web.Application) -> AsyncIterator[None]:
        """One that has connections closes them when the server ends."""
        async with AsyncExitStack() as stack:
            if isinstance(self.secret_store, AbstractAsyncContextManager):
                await stack.enter_async_context(self.secret_store)
            yield

    async def _end_sessions(self, _: web.Application) -> None:
        # Nobody listens any more; those who are still connected are told why it ends.
        await self.hub.aclose()

    def _on_revoked(self, record: KeyRecord) -> None:
        if self._closes_revoked:
            self._end_those(lambda p: p.key_id == record.id, KEY_REVOKED, {"id": record.id})

    def _on_removed(self, names: frozenset[str]) -> None:
        about = {"of": "api_keys", "keys": len(names)}
        self._audit.note("key.removed", None, None, **about)
        if self.gate.bearers.ends_removed:
            self._end_those(lambda p: p.settings_key in names, KEY_REMOVED, about)

    def _end_those(
        self, of: Callable[[Principal], bool], reason: str, about: Mapping[str, object]
    ) -> None:
        """What was opened with a key that is over, or with a secret that it minted."""
        theirs = [session for session in self.hub.sessions if of(session.about.principal)]
        for session in theirs:
            session.close(CloseCode.UNAUTHORIZED, reason)
        self._realtime.close_sidebands(of, reason)
        self._supervision.end_captions(of)
        self._audit.note("sessions.closed", None, None, **about, sessions=len(theirs))

    # --- For every request ---------------------------------------------------

    @web.middleware
    async def _siblings_first(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self.siblings is None:
            return await handler(request)
        return await self.siblings.handle(request, handler)

    @web.middleware
    async def _at_the_gate(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path in ("/healthz", READY_PATH):
            return await handler(request)
        self.gate.check_page(request)
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            return web.Response(status=204, headers=preflight_headers(request))
        try:
            return await handler(request)
        except Unauthorized:
            self.gate.note_refused(request)
            raise

    async def _add_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        response.headers["Server"] = "antiphon"
        origin = request.headers.get("Origin")
        allowed = self.gate.cors_origin(origin) if origin else None
        if allowed is not None:
            response.headers["Access-Control-Allow-Origin"] = allowed
            response.headers["Access-Control-Expose-Headers"] = "Location"
            response.headers["Vary"] = "Origin"

    # --- Plain HTTP ----------------------------------------------------------

    async def health(self, _: web.Request) -> web.Response:
        return _json(self.health_now())

    def health_now(self) -> dict[str, Any]:
        return {
            "status": "draining" if self.admission.draining else "ok",
            "version": version("antiphon"),
            "sessions": len(self.hub.sessions),
            "max_sessions": self._load.max_sessions,
            "lateness_ms": round(self._lateness.p99_ms, 1),
            "keys_refused": self.gate.refused_keys,
            "slowed_down": self.gate.slowed_down,
        }  # Who drains lives: a supervisor that kills it would end its calls.

    def checks_now(self) -> dict[str, Verdict]:
        """What `/readyz` says."""
        return self._readiness.checks()

    @property
    def late_ms(self) -> float:
        """How late sound is, p99 of the last seconds."""
        return self._lateness.p99_ms

    async def list_models(self, request: web.Request) -> web.Response:
        await self.gate.require(request)
        return _json({"object": "list", "data": self._models()})

    async def one_model(self, request: web.Request) -> web.Response:
        await self.gate.require(request)
        name = request.match_info["id"]
        for model in self._models():
            if model.id == name:
                return _json(model)
        raise ApiError(404, "model_not_found", f"There is no model '{name[:200]}' in the list.")


def _json(body: Any, status: int = 200) -> web.Response:
    return web.Response(
        status=status, body=msgspec.json.encode(body), content_type="application/json"
    )


def preflight_headers(request: web.Request) -> dict[str, str]:
    asked = request.headers.get("Access-Control-Request-Headers", "")
    # The SDKs' own headers (organisation, project, telemetry) come in ever new names.
    named = [name.strip() for name in asked.split(",")]
    own = [name for name in named if _SDK_HEADER.fullmatch(name)]
    return {
        "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE, OPTIONS",
        "Access-Control-Allow-Headers": ", ".join([ALLOWED_HEADERS, *own]),
        "Access-Control-Max-Age": "600",
    }
