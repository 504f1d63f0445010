"""`GET /v1/antiphon/tenants`: who has how many sessions, spent what, and is how near its limits."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec
from aiohttp import web
from msgspec import Struct

from antiphon.errors import AntiphonError
from antiphon.identity.principal import DEFAULT_TENANT, Principal
from antiphon.journal.line_table import LinesWanted
from antiphon.limits.policy import Subject
from antiphon.metering.bill import NOTHING, Total
from antiphon.metering.lines import Account, day_of
from antiphon.runtime.hub import Hub
from antiphon.runtime.ledger_line import LedgerLine, known
from antiphon.server.api_errors import ApiError
from antiphon.server.auth import Gate
from antiphon.server.directory import Directory
from antiphon.server.quotas import Quotas

log = logging.getLogger(__name__)

MAX_TENANTS: Final = 500
"""Overflow policy: of more, those are listed that have sessions, then those that spent most."""

NANO_PER_DOLLAR: Final = 1_000_000_000


class Spent(Struct, frozen=True, kw_only=True):
    nano_usd: int
    usd: float
    """The same, rounded to a ten-thousandth: for people."""
    unpriced_lines: int
    """What costs nobody knows how much, and is not in it."""


class Used(Struct, frozen=True, kw_only=True):
    """One limit, and how near it is."""

    what: str
    """As its setting is called: "sessions_at_once", "tenant_day"."""
    used: float
    """In the unit of the limit: sessions, minutes, dollars."""
    limit: float


class TenantSummary(Struct, frozen=True, kw_only=True):
    tenant: str
    object: str = "antiphon.tenant"
    sessions: int
    """Live now."""
    today: Spent | None
    """The day and the month are UTC's; None: nobody counts."""
    month: Spent | None
    limits: tuple[Used, ...]
    """Those of the tenant as a whole; its users and keys may have narrower ones."""


class TenantRoutes:
    """Args:
    hub: Whose meters count.
    directory: Who is live.
    quotas: The limits in force.
    unix_s: Wall time.
    """

    def __init__(
        self,
        hub: Hub,
        *,
        directory: Directory,
        quotas: Quotas,
        gate: Gate,
        unix_s: Callable[[], float] = time.time,
    ) -> None:
        self._hub = hub
        self._directory = directory
        self._quotas = quotas
        self._gate = gate
        self._unix_s = unix_s

    def routes(self, prefix: str = "/v1") -> list[web.RouteDef]:
        return [web.get(f"{prefix}/antiphon/tenants", self.list)]

    async def list(self, request: web.Request) -> web.Response:
        principal = await self._gate.require(request, "operate")
        live = Counter(
            session.tenant
            for session in await self._directory.listed()
            if principal.sees(session.tenant, session.user)
        )
        at_ms = round(self._unix_s() * 1000)
        ledger = None if self._hub.metering is None else self._hub.metering.ledger
        today = day_of(at_ms)
        spent_today = await self._spent(principal, today)
        spent_month = await self._spent(principal, f"{today[:7]}-01")
        names = {*live, *(spent_month or ()), principal.tenant}
        ordered = sorted(names, key=lambda name: (-live[name], -_nano(spent_month, name), name))
        data = [
            TenantSummary(
                tenant=name,
                sessions=live[name],
                today=_told(spent_today, name),
                month=_told(spent_month, name),
                limits=()
                if principal.user is not None  # What others of the tenant used is not theirs.
                else (
                    *await self._limits(name, live[name]),
                    *await _budgets(ledger, name, at_ms),
                ),
            )
            for name in ordered[:MAX_TENANTS]
        ]
        body = {"object": "list", "data": data, "has_more": len(ordered) > MAX_TENANTS}
        return web.Response(body=msgspec.json.encode(body), content_type="application/json")

    # --- Steps ---------------------------------------------------------------

    async def _spent(self, principal: Principal, from_day: str) -> Mapping[str, Total] | None:
        """By tenant, since that day; None: nobody counts."""
        metering = self._hub.metering
        if metering is None or metering.journal is None:
            return None
        sees_all = principal.tenant == DEFAULT_TENANT and principal.user is None
        wanted = LinesWanted(
            tenant=None if sees_all else principal.tenant, user=principal.user, from_day=from_day
        )
        try:
            page = await metering.journal.totals(wanted, ("tenant",), limit=2 * MAX_TENANTS)
        except AntiphonError as error:
            log.warning("what was spent cannot be read: %s", error)
            message = "The server could not read what was used; its log says why."
            raise ApiError(500, "journal_error", message, type="server_error") from None
        return {tenant: total for (tenant,), total in page.totals}

    async def _limits(self, tenant: str, live: int) -> Sequence[Used]:
        found = []
        limits = self._quotas.policy.who(tenant=tenant).get(Subject("tenant", tenant))
        if limits is not None:
            if limits.sessions_at_once:
                found.append(
                    Used(what="sessions_at_once", used=live, limit=limits.sessions_at_once)
                )
            if limits.minutes_per_day:
                most = limits.minutes_per_day
                left_s = await self._quotas.left_s(tenant) or 0.0
                used = round(most - left_s / 60, 1)
                found.append(Used(what="minutes_per_day", used=used, limit=most))
        return found


async def _budgets(ledger: LedgerLine | None, tenant: str, at_ms: int) -> Sequence[Used]:
    """Each budget of the tenant as a whole, from the pots that answers are reserved in."""
    if ledger is None:
        return ()
    limits = ledger.budgets.of(Account(tenant))
    if limits.tenant_day is None and limits.tenant_month is None:
        return ()
    pots = await known(ledger.pots(at_ms))
    spent = {p.period: p.spent for p in pots if (p.scope, p.tenant) == ("tenant", tenant)}
    found = []
    if limits.tenant_day is not None:
        found.append(_used("tenant_day", spent.get("day", 0), limits.tenant_day))
    if limits.tenant_month is not None:
        found.append(_used("tenant_month", spent.get("month", 0), limits.tenant_month))
    return found


def _used(what: str, nano: int, limit: int) -> Used:
    return Used(what=what, used=_dollars(nano), limit=_dollars(limit))


def _nano(totals: Mapping[str, Total] | None, tenant: str) -> int:
    return 0 if totals is None else totals.get(tenant, NOTHING).nano


def _told(totals: Mapping[str, Total] | None, tenant: str) -> Spent | None:
    if totals is None:
        return None
    total = totals.get(tenant, NOTHING)
    return Spent(nano_usd=total.nano, usd=_dollars(total.nano), unpriced_lines=total.unpriced_lines)


def _dollars(nano: int) -> float:
    return round(nano / NANO_PER_DOLLAR, 4)
