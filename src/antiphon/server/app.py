"""The HTTP side: every route, and what all of them share."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import msgspec
from aiohttp import web

from antiphon.identity.keys import KeyRecord
from antiphon.identity.principal import Principal
from antiphon.limits.policy import Policy
from antiphon.profiles.profiles import Profiles
from antiphon.protocol.closes import CloseCode
from antiphon.runtime.hub import Hub
from antiphon.server import trace_context
from antiphon.server.admission import LoadLimits
from antiphon.server.api_errors import Unauthorized, errors_as_json
from antiphon.server.audit import NO_AUDIT, Audit
from antiphon.server.auth import Gate
from antiphon.server.bearers import Bearers
from antiphon.server.client_routes import ClientRoutes, Media, Model
from antiphon.server.console import Console
from antiphon.server.entrance import Entrance
from antiphon.server.kept_routes import DaysKept, KeptRoutes
from antiphon.server.logs import keep_peer_data_out
from antiphon.server.operations import Operations, Watched
from antiphon.server.readiness import READY_PATH, Verdict
from antiphon.server.returning import HEADER as RESUME_HEADER
from antiphon.server.secret_store import SecretStore
from antiphon.server.siblings import Servers, Siblings

ALLOWED_HEADERS = (
    "Authorization, Content-Type, OpenAI-Beta, OpenAI-Safety-Identifier, "
    f"X-OpenAI-Agents-SDK, User-Agent, api-key, {trace_context.HEADER}, {RESUME_HEADER}"
)

_SDK_HEADER = re.compile(r"(?:x-)?(?:openai|stainless)-[a-z0-9-]{1,60}", re.IGNORECASE)

KEY_REVOKED = "The API key of this session was revoked."
KEY_REMOVED = "The API key of this session is no longer in the server's settings."

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Api:
    """All handlers, and what they share."""

    def __init__(
        self,
        hub: Hub,
        *,
        gate: Gate,
        models: Callable[[], Sequence[Model]],
        load: LoadLimits,
        media: Media | None = None,
        secret_store: SecretStore | None = None,
        policy: Policy | None = None,
        audit: Audit = NO_AUDIT,
        closes_revoked: bool = True,
        siblings: Siblings | None = None,
        servers: Servers | None = None,
        profiles: Profiles | None = None,
        days_kept: DaysKept | None = None,
        watched: Watched | None = None,
        strict: bool = False,
    ) -> None:
        watched = watched or Watched()
        self.hub = hub
        self.audit = audit
        self._closes_revoked = closes_revoked
        self.siblings = siblings
        self._servers = servers
        self._entrance = entrance = Entrance(
            hub, gate=gate, load=load, policy=policy, secret_store=secret_store
        )
        self.gate, self.quotas, self.admission = gate, entrance.quotas, entrance.admission
        self._kept = KeptRoutes(
            hub, entrance, profiles=profiles, days=days_kept or DaysKept(), audit=audit
        )
        self._clients = ClientRoutes(
            hub,
            entrance,
            memory=self._kept.memory,
            models=models,
            media=media or Media(),
            last_turns=watched.last_turns,
            siblings=siblings,
            audit=audit,
            strict=strict,
        )
        self.local_directory = self._clients.local_directory
        self.operations = Operations(hub, entrance, self._clients, watched=watched, audit=audit)
        gate.bearers.known.when_revoked(self._on_revoked)
        gate.bearers.when_removed(self._on_removed)
        if siblings is not None:
            siblings.join(self)
        if servers is not None:
            servers.join(self)

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
        if self.operations.traces is not None:
            app.middlewares.append(trace_context.noted)
        app.on_response_prepare.append(self._add_headers)
        app.on_shutdown.append(self._end_sessions)
        app.router.add_get("/healthz", self.health)
        app.add_routes(Console().routes())
        # What is begun first ends last: who did what is written down to the end.
        for part in (self.operations, self._entrance, self._kept, self._clients):
            app.cleanup_ctx.extend(part.running())
        for part in (self.operations, self._kept, self._clients):
            app.add_routes(part.routes())
        return app

    async def _end_sessions(self, _: web.Application) -> None:
        # Nobody listens any more; those who are still connected are told why it ends.
        await self.hub.aclose()

    def _on_revoked(self, record: KeyRecord) -> None:
        if self._closes_revoked:
            self._end_those(lambda p: p.key_id == record.id, KEY_REVOKED, {"id": record.id})

    def _on_removed(self, names: frozenset[str]) -> None:
        about = {"of": "api_keys", "keys": len(names)}
        self.audit.note("key.removed", None, None, **about)
        if self.gate.bearers.ends_removed:
            self._end_those(lambda p: p.settings_key in names, KEY_REMOVED, about)

    def _end_those(
        self, of: Callable[[Principal], bool], reason: str, about: Mapping[str, object]
    ) -> None:
        """What was opened with a key that is over, or with a secret that it minted."""
        theirs = [session for session in self.hub.sessions if of(session.about.principal)]
        for session in theirs:
            session.close(CloseCode.UNAUTHORIZED, reason)
        self._clients.realtime.close_sidebands(of, reason)
        self.operations.end_captions(of)
        self.audit.note("sessions.closed", None, None, **about, sessions=len(theirs))

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
            "max_sessions": self._entrance.load.max_sessions,
            "lateness_ms": round(self.late_ms, 1),
            "keys_refused": self.gate.refused_keys,
            "slowed_down": self.gate.slowed_down,
        }  # Who drains lives: a supervisor that kills it would end its calls.

    def checks_now(self) -> dict[str, Verdict]:
        """What `/readyz` says."""
        return self.operations.readiness.checks()

    @property
    def late_ms(self) -> float:
        """How late sound is, p99 of the last seconds."""
        return self._entrance.lateness.p99_ms


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
