"""What is used and what it costs: from the configuration, and over HTTP.

`/v1/antiphon/usage` and `/v1/antiphon/prices` are beyond OpenAI's API; client secrets see nothing
there (docs/guides/costs.md).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import csv
import io
import logging
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
from aiohttp import web

from antiphon.engines.farewell import FAREWELL
from antiphon.identity.principal import DEFAULT_TENANT, Principal
from antiphon.journal.entries import JournalError
from antiphon.journal.journal import Journal
from antiphon.journal.line_table import LinesWanted
from antiphon.journal.memory import MemoryJournal
from antiphon.metering.bill import DIMENSIONS, Dimension, Total
from antiphon.metering.budgets import LocalLedger
from antiphon.metering.lines import Line, day_of
from antiphon.metering.meter import BilledAs, BilledKind
from antiphon.metering.money import NANO_PER_DOLLAR, Nano
from antiphon.metering.prices import AMOUNTS, TOKEN_KINDS, PriceTable, known_prices, prices_in
from antiphon.runtime.budget_guard import Means
from antiphon.runtime.ledger_line import LedgerLine, known
from antiphon.runtime.metering import Metering
from antiphon.server.api_errors import ApiError
from antiphon.server.auth import Gate
from antiphon.server.background import in_background
from antiphon.server.budgets import budgets_of, is_wanted, stages_of, told_pot
from antiphon.server.keeping import make_journal
from antiphon.server.query import limit_of
from antiphon.server.relays import RELAY
from antiphon.server.settings import Config

log = logging.getLogger(__name__)

DAY_S = 24 * 60 * 60
SWEEP_EVERY_S = 60 * 60
DEFAULT_LIMIT, MAX_LIMIT = 100, 1_000
CURSOR_DIGITS = 18
"""Of a whole number that every store of lines takes."""
EXPORTED_AT_ONCE = 1_000
"""Lines that are read together."""
THIS_MACHINE = "offline"
"""What the cascade is billed as, where its parts are here."""


def make_metering(
    config: Config,
    journal: Journal | None,
    means: Means | None = None,
    *,
    ledger: LedgerLine | None = None,
) -> Metering | None:
    """``journal``: where conversations are kept; None: lines have a place of their own.  ``ledger``
    stands in place of the process's own.

    Raises:
        ConfigurationError: that needs an extra that is not installed.
    """
    if not config.metering.enabled:
        return None
    if journal is None:
        kept = make_journal(config, for_lines=True) if config.metering.keep_always else None
        journal = kept or MemoryJournal()
    own = prices_in(price.row for price in config.metering.prices)
    prices = PriceTable(own, known_prices())
    if ledger is None and (own_ledger := make_ledger(config)) is not None:
        ledger = LedgerLine(own_ledger)
    return Metering(
        prices,
        journal=journal,
        billed_as=billed_as(config),
        ledger=ledger,
        means=means,
    )


def make_ledger(config: Config) -> LocalLedger | None:
    """None: nobody counts.  One without limits has nothing to say until a reload brings some."""
    if not config.metering.enabled:
        return None
    return LocalLedger(budgets_of(config.budgets), stages_of(config.budgets))


def billed_as(config: Config) -> BilledAs:
    """Who sends the bill for what: the relay's upstream for the models that it holds; a language
    model or a speech server for the cascade; this machine for the rest of it.
    """
    minds = config.llm.model if config.llm.base_url else None
    ears = config.stt.model if config.stt.recognizer in ("http", "realtime") else None
    voice = config.tts.model if config.tts.synthesizer == "http" else None
    own = (THIS_MACHINE, "text", FAREWELL)

    def name(kind: BilledKind, engine: str, model: str | None) -> str:
        if kind == "speech":
            return (voice or "") if engine in own else ""
        if kind == "recognition":
            return (ears or "") if engine in own else ""
        if engine == RELAY:
            there = config.relay.model if kind != "transcription" else None
            return there or model or engine
        if engine == FAREWELL:
            return THIS_MACHINE
        if engine in (THIS_MACHINE, "text"):
            return (ears if kind == "transcription" else minds) or THIS_MACHINE
        return engine

    return name


class UsageRoutes:
    """Args:
    metering: None: nothing is counted, and these routes say so.
    gate: Whose server keys may see it.
    owns_journal: It is opened and closed here, as nobody keeps conversations in it.
    """

    def __init__(
        self,
        metering: Metering | None,
        *,
        gate: Gate,
        owns_journal: bool,
        retention_days: float = 400,
    ) -> None:
        self._metering = metering
        self._gate = gate
        self._owns_journal = owns_journal
        self._retention_s = retention_days * DAY_S

    def routes(self, prefix: str = "/v1") -> list[web.RouteDef]:
        usage = f"{prefix}/antiphon/usage"
        return [
            web.get(usage, self.totals),
            web.get(f"{usage}/lines", self.lines),
            web.get(f"{usage}/budgets", self.budgets),
            web.get(f"{prefix}/antiphon/prices", self.prices),
        ]

    async def running(self, _: web.Application) -> AsyncIterator[None]:
        """What is too old is forgotten, as long as the server lives."""
        journal = None if self._metering is None else self._metering.journal
        if journal is None:
            yield
            return
        if self._owns_journal:
            await journal.start()
        assert self._metering is not None, "it has a journal"
        await self._metering.restore(round(time.time() * 1000))
        try:
            async with in_background(sweep_lines=self._sweep(journal)):
                yield
        finally:
            if self._metering.ledger is not None:
                self._metering.ledger.close()
            if self._owns_journal:
                await journal.aclose()

    async def _sweep(self, journal: Journal) -> None:
        while True:
            before = day_of(round((time.time() - self._retention_s) * 1000))
            try:
                await journal.sweep_lines(before)
            except JournalError as error:
                log.warning("old lines of the bill could not be forgotten: %s", error)
            await asyncio.sleep(SWEEP_EVERY_S)

    # --- Handlers ------------------------------------------------------------

    async def totals(self, request: web.Request) -> web.Response:
        """Added up by what is asked for; `format=csv` for a table."""
        journal, wanted = await self._asked(request)
        by, limit = _dimensions(request), _limit(request)
        after = _after(request, len(by))
        with _problems_told():
            page = await journal.totals(wanted, by, after=after, limit=limit)
        rows = [told_total(dict(zip(by, of, strict=True)), total) for of, total in page.totals]
        if request.query.get("format") == "csv":
            return _text(csv_of(rows), "text/csv")
        cursor = _cursor(page.totals[-1][0]) if page.has_more else None
        body = {"object": "list", "by": by, "data": rows, "has_more": page.has_more}
        return _json({**body, "next": cursor})

    async def lines(self, request: web.Request) -> web.StreamResponse:
        """Each line: a page as JSON, or all of them as `format=jsonl` or `csv`."""
        journal, wanted = await self._asked(request)
        how = request.query.get("format", "json")
        if how in ("jsonl", "csv"):
            return await self._export(request, journal, wanted, how)
        if how != "json":
            raise ApiError(400, "invalid_value", "Formats: json, jsonl, csv.", param="format")
        limit, after = _limit(request), request.query.get("after", "0")
        if len(after) > CURSOR_DIGITS or not after.isdecimal():
            raise ApiError(400, "invalid_value", "That is no cursor of a page.", param="after")
        with _problems_told():
            page = await journal.lines(wanted, after=int(after), limit=limit)
        data = [told_line(line) for line in page.lines]
        has_more = page.cursor is not None
        body = {"object": "list", "data": data, "has_more": has_more}
        return _json({**body, "next": str(page.cursor) if has_more else None})

    async def budgets(self, request: web.Request) -> web.Response:
        """How far each is, today and this month, that has been spent from."""
        principal = await self._gate.require(request, "read")
        wanted, ledger = _seen_by(principal, _wanted(request)), self._required().ledger
        at_ms = round(time.time() * 1000)
        found = () if ledger is None else await known(ledger.pots(at_ms))
        told = [told_pot(pot) for pot in found if is_wanted(pot, wanted)]
        limit = _limit(request)
        return _json({"object": "list", "data": told[:limit], "has_more": len(told) > limit})

    async def prices(self, request: web.Request) -> web.Response:
        """All rows, those that count first at the top."""
        await self._gate.require(request, "read")
        metering = self._required()
        rows = [
            {
                "model": row.model,
                "since": row.since,
                **{
                    kind: dollars(rate)
                    for kind in AMOUNTS
                    if (rate := getattr(row, kind)) is not None
                },
                "source": row.source,
                "noted": row.noted,
            }
            for row in metering.prices.rows
        ]
        return _json({"object": "list", "currency": "usd", "data": rows})

    async def _export(
        self, request: web.Request, journal: Journal, wanted: LinesWanted, how: str
    ) -> web.StreamResponse:
        with _problems_told():
            page = await journal.lines(wanted, limit=EXPORTED_AT_ONCE)
        kind = "text/csv" if how == "csv" else "application/jsonl"
        response = web.StreamResponse(headers={"Content-Type": f"{kind}; charset=utf-8"})
        await response.prepare(request)
        heads = how == "csv"
        while True:
            rows = [told_line(line) for line in page.lines]
            text = csv_of([flat(r) for r in rows], head=heads) if how == "csv" else _jsonl(rows)
            await response.write(text.encode())
            heads = False
            if page.cursor is None:
                break
            page = await journal.lines(wanted, after=page.cursor, limit=EXPORTED_AT_ONCE)
        await response.write_eof()
        return response

    async def _asked(self, request: web.Request) -> tuple[Journal, LinesWanted]:
        """Where it is kept, and which of it: no more than whoever asks may see."""
        principal = await self._gate.require(request, "read")
        journal = self._required().journal
        assert journal is not None, "a server's metering has one"
        return journal, _seen_by(principal, _wanted(request))

    def _required(self) -> Metering:
        if self._metering is None:
            raise ApiError(
                404, "metering_off", "This server counts nothing: [metering] has enabled = false."
            )
        return self._metering


# --- As it is shown ----------------------------------------------------------


def dollars(nano: Nano) -> str:
    """Exactly, as a decimal: "0.000283"."""
    text = f"{Decimal(nano) / NANO_PER_DOLLAR:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def told_total(of: dict[Dimension, str], total: Total) -> dict[str, Any]:
    return {
        **{name: value or None for name, value in of.items()},
        "nano_usd": total.nano,
        "usd": dollars(total.nano),
        "lines": total.lines,
        "unpriced_lines": total.unpriced_lines,
        "input_tokens": total.input_tokens,
        "cached_tokens": total.cached_tokens,
        "output_tokens": total.output_tokens,
        "seconds": total.ms / 1000,
    }


def told_line(line: Line) -> dict[str, Any]:
    return {
        "id": line.id,
        "object": "antiphon.usage_line",
        "at": line.at_ms / 1000,
        "day": line.day,
        "kind": line.kind,
        "tenant": line.account.tenant,
        "user": line.account.user,
        "key": line.account.key,
        "session_id": line.session_id,
        "conversation_id": line.conversation_id,
        "source_id": line.source_id,
        "engine": line.engine,
        "model": line.model,
        "billed_as": line.billed_as,
        "price_since": line.price_since,
        "status": line.status,
        "out_of_band": not line.in_conversation,
        "estimated": line.is_estimated,
        "correction": line.is_correction,
        "unpriced": line.is_unpriced,
        "nano_usd": line.nano,
        "usd": dollars(line.nano),
        "charges": [
            {
                "kind": charge.kind,
                "quantity": charge.quantity,
                "rate_nano_usd": charge.rate,
                "nano_usd": charge.nano,
            }
            for charge in line.charges
        ],
    }


def flat(line: dict[str, Any]) -> dict[str, Any]:
    """For a table: a column for each kind of charge."""
    quantities = {charge["kind"]: charge["quantity"] for charge in line["charges"]}
    kinds = {kind: quantities.get(kind, 0) for kind in (*TOKEN_KINDS, "characters", "ms")}
    return {name: value for name, value in line.items() if name != "charges"} | kinds


def csv_of(rows: Sequence[dict[str, Any]], *, head: bool = True) -> str:
    """A text that a spreadsheet would take for a formula is quoted as one: users choose names."""
    if not rows:
        return ""
    text = io.StringIO()
    writer = csv.writer(text)
    if head:
        writer.writerow(rows[0])
    for row in rows:
        writer.writerow(_cell(value) for value in row.values())
    return text.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return value if _is_number(value) else f"'{value}"
    return "" if value is None else value


def _is_number(text: str) -> bool:
    return text[1:].replace(".", "", 1).isdecimal()


def _jsonl(rows: Sequence[dict[str, Any]]) -> str:
    return "".join(msgspec.json.encode(row).decode() + "\n" for row in rows)


# --- As it is asked for ------------------------------------------------------


def _wanted(request: web.Request) -> LinesWanted:
    query = request.query
    return LinesWanted(
        tenant=query.get("tenant"),
        user=query.get("user"),
        key=query.get("key"),
        session=query.get("session"),
        model=query.get("model"),
        from_day=_day(request, "from"),
        until_day=_day(request, "until"),
    )


def _seen_by(principal: Principal, wanted: LinesWanted) -> LinesWanted:
    """Who is of one tenant, or bound to one user, sees no other's.

    Raises:
        ApiError: 403, another's are asked for.
    """
    tenant = None if principal.tenant == DEFAULT_TENANT else principal.tenant
    if principal.user is not None:
        tenant = principal.tenant
    for name, own in (("tenant", tenant), ("user", principal.user)):
        if own is not None and getattr(wanted, name) not in (None, own):
            message = f"This key sees the usage of its own {name} only."
            raise ApiError(403, "usage_not_allowed", message, param=name)
    return msgspec.structs.replace(
        wanted, tenant=tenant or wanted.tenant, user=principal.user or wanted.user
    )


def _day(request: web.Request, name: str) -> str | None:
    given = request.query.get(name)
    if given is None:
        return None
    try:
        return date.fromisoformat(given).isoformat()
    except ValueError:
        message = f"Invalid value: '{given[:40]}'. A day is written 2026-11-29 (UTC)."
        raise ApiError(400, "invalid_value", message, param=name) from None


def _dimensions(request: web.Request) -> list[Dimension]:
    asked = [name for name in request.query.get("by", "").split(",") if name]
    known: dict[str, Dimension] = {name: name for name in DIMENSIONS}
    for name in asked:
        if name not in known or asked.count(name) > 1:
            message = f"Invalid value: '{name[:40]}'. Each once of: {', '.join(DIMENSIONS)}."
            raise ApiError(400, "invalid_value", message, param="by")
    return [known[name] for name in asked]


def _limit(request: web.Request) -> int:
    return limit_of(request, default=DEFAULT_LIMIT, most=MAX_LIMIT)


def _cursor(of: Sequence[str]) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(list(of))).decode()


def _after(request: web.Request, length: int) -> list[str] | None:
    given = request.query.get("after")
    if given is None:
        return None
    with contextlib.suppress(binascii.Error, ValueError, msgspec.DecodeError):
        of = msgspec.json.decode(base64.urlsafe_b64decode(given), type=list[str])
        if len(of) == length:
            return of
    raise ApiError(400, "invalid_value", "That is no cursor of such a page.", param="after")


@contextlib.contextmanager
def _problems_told() -> Iterator[None]:
    try:
        yield
    except JournalError as error:
        log.warning("what was used cannot be read: %s", error)
        message = "The server could not read what was used; its log says why."
        raise ApiError(500, "journal_error", message) from None


def _json(body: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), content_type="application/json")


def _text(text: str, kind: str) -> web.Response:
    return web.Response(text=text, content_type=kind)
