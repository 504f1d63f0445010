"""What every way into the server shares: whose key it is, and whether there is room."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack

from aiohttp import web

from antiphon.limits.policy import Policy
from antiphon.runtime.hub import Hub
from antiphon.server.admission import Admission, LoadLimits
from antiphon.server.auth import Gate
from antiphon.server.background import Running
from antiphon.server.intake import Intake, Load
from antiphon.server.lateness import Lateness
from antiphon.server.quotas import Quotas
from antiphon.server.returning import Returning
from antiphon.server.secret_store import MemorySecretStore, SecretStore


class Entrance:
    """Args:
    hub: Whose sessions count, and are held to the limits.
    policy: Who may have how much; None: as much as they like.
    secret_store: Where client secrets are; None: in the memory of this process.
    """

    def __init__(
        self,
        hub: Hub,
        *,
        gate: Gate,
        load: LoadLimits,
        policy: Policy | None = None,
        secret_store: SecretStore | None = None,
    ) -> None:
        self.gate = gate
        self.load = load
        self.secret_store = MemorySecretStore() if secret_store is None else secret_store
        self.lateness = Lateness()
        self.quotas = Quotas(policy or Policy(), sessions=lambda: hub.sessions)
        hub.pace_of = self.quotas.pace
        self.admission = Admission(
            identify=lambda visitor: gate.principal(visitor, "call"),
            check_pace=gate.check_pace,
            secrets=self.secret_store,
            load=load,
            live_sessions=lambda: len(hub.sessions),
            quotas=self.quotas,
            unable=lambda: hub.unable,
            is_revoked=gate.bearers.is_revoked,
            intake=Intake(
                load.max_lateness_ms,
                load=lambda: Load(self.lateness.fresh_ms, self.lateness.busy_share),
                now_s=time.monotonic,
            ),
        )
        self.returning = Returning(hub, gate=gate, admission=self.admission)

    def running(self) -> Iterator[Running]:
        yield self._with_secret_store
        yield self.quotas.running
        if self.load.max_lateness_ms:
            yield self.lateness.running

    async def _with_secret_store(self, _: web.Application) -> AsyncIterator[None]:
        """One that has connections closes them when the server ends."""
        async with AsyncExitStack() as stack:
            if isinstance(self.secret_store, AbstractAsyncContextManager):
                await stack.enter_async_context(self.secret_store)
            yield
