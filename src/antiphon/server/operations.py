"""What operators see of a running server, and do with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web
from msgspec import Struct, field

from antiphon.identity.principal import Principal
from antiphon.runtime.hub import Hub
from antiphon.server.audit import Audit
from antiphon.server.background import Running
from antiphon.server.client_routes import ClientRoutes
from antiphon.server.entrance import Entrance
from antiphon.server.metrics import Metrics, Sources
from antiphon.server.metrics_route import PATH as METRICS_PATH
from antiphon.server.metrics_route import MetricsRoute
from antiphon.server.operator import OperatorRoutes
from antiphon.server.quality import LastTurns
from antiphon.server.readiness import READY_PATH, Drain, Readiness
from antiphon.server.recent_errors import RecentErrorRoutes, RecentErrors
from antiphon.server.secret import Secret
from antiphon.server.session_list import SessionList
from antiphon.server.supervision import SupervisionRoutes
from antiphon.server.tenants import TenantRoutes

if TYPE_CHECKING:
    from antiphon.server.traces import Traces


class Watched(Struct, frozen=True, kw_only=True):
    """What is noted of a server while it runs."""

    metrics: Metrics | None = None
    metrics_token: Secret | None = None
    metrics_listen: str | None = None
    """Both as of `MetricsRoute`."""
    last_turns: LastTurns = field(default_factory=LastTurns)
    errors: RecentErrors = field(default_factory=RecentErrors)
    traces: Traces | None = None
    engine_names: Callable[[], list[str]] = list
    journal_path: Path | None = None
    """Both as of `Readiness`."""


class Operations:
    def __init__(
        self, hub: Hub, entrance: Entrance, clients: ClientRoutes, *, watched: Watched, audit: Audit
    ) -> None:
        gate, directory = entrance.gate, clients.directory
        self._session_list = SessionList(directory, gate=gate, audit=audit)
        self._supervision = SupervisionRoutes(directory, gate=gate, audit=audit)
        self._tenants = TenantRoutes(hub, directory=directory, quotas=entrance.quotas, gate=gate)
        watched.errors.find = hub.get
        self.errors = RecentErrorRoutes(watched.errors, gate=gate)
        self.operator = OperatorRoutes(gate.bearers.known, gate=gate, audit=audit)
        self.drain = Drain(hub, entrance.admission, gate=gate, audit=audit)
        self.readiness = Readiness(
            hub,
            entrance.admission,
            engine_names=watched.engine_names,
            journal_path=watched.journal_path,
            max_sessions=entrance.load.max_sessions,
        )
        self.traces = watched.traces
        self.metrics: MetricsRoute | None = None
        if watched.metrics is not None:
            watched.metrics.watch_server(_counted(hub, entrance, clients))
            self.metrics = MetricsRoute(
                watched.metrics,
                gate=gate,
                token=watched.metrics_token,
                listen=watched.metrics_listen,
            )

    def routes(self) -> Iterator[web.RouteDef]:
        yield web.get(READY_PATH, self.readiness.show)
        yield from self.drain.routes()
        if self.metrics is not None:
            yield web.get(METRICS_PATH, self.metrics.show)
        yield from self._session_list.routes()
        yield from self._supervision.routes()
        yield from self._tenants.routes()
        yield from self.errors.routes()
        yield from self.operator.routes()

    def running(self) -> Iterator[Running]:
        if self.traces is not None:
            yield self.traces.running
        yield self.errors.running
        yield self.operator.running
        yield self.drain.running
        if self.metrics is not None:
            yield self.metrics.running

    def end_captions(self, of: Callable[[Principal], bool]) -> None:
        """As `SupervisionRoutes.end_captions`."""
        self._supervision.end_captions(of)


def _counted(hub: Hub, entrance: Entrance, clients: ClientRoutes) -> Sources:
    """What there is to be counted beside sessions."""
    gate, lateness, admission = entrance.gate, entrance.lateness, entrance.admission
    return Sources(
        hub=hub,
        refused_keys=lambda: gate.refused_keys,
        slowed_down=lambda: gate.slowed_down,
        late_ms=lambda: lateness.p99_ms,
        is_draining=lambda: admission.draining,
        max_sessions=entrance.load.max_sessions,
        websockets=clients.realtime.counters,
        calls=lambda: clients.calls.live,
    )
