"""What is kept of conversations, of users and of what was used: shown, and erased in time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from aiohttp import web
from msgspec import Struct

from antiphon.profiles.profiles import Profiles
from antiphon.runtime.hub import Hub
from antiphon.server.audit import Audit
from antiphon.server.background import Running
from antiphon.server.conversations import Conversations
from antiphon.server.entrance import Entrance
from antiphon.server.memory import Memory
from antiphon.server.metering import UsageRoutes


class DaysKept(Struct, frozen=True, kw_only=True):
    conversations: float = 30
    """After they changed last."""
    of_tenants: Mapping[str, float] = {}
    """The same, in place of it, by names of tenants."""
    lines: float = 400
    """Of the bill."""


class KeptRoutes:
    """Args:
    profiles: What is remembered of users; None: nothing is.
    """

    def __init__(
        self,
        hub: Hub,
        entrance: Entrance,
        *,
        profiles: Profiles | None,
        days: DaysKept,
        audit: Audit,
    ) -> None:
        gate, metering = entrance.gate, hub.metering
        self.memory = Memory(
            profiles,
            gate=gate,
            admission=entrance.admission,
            disown_lines=None if metering is None else metering.disown_lines,
        )
        self._conversations = Conversations(
            hub,
            gate=gate,
            retention_days=days.conversations,
            days_of_tenants=days.of_tenants,
            audit=audit,
        )
        self._usage = UsageRoutes(
            metering, gate=gate, owns_journal=hub.keeping is None, retention_days=days.lines
        )

    def routes(self) -> list[web.RouteDef]:
        return [
            *self._conversations.routes(),
            *self.memory.routes(),
            *self._usage.routes(),
        ]

    def running(self) -> Iterator[Running]:
        yield self._conversations.running
        yield self._usage.running
