"""What was used, kept: the same law for all journals."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from antiphon.journal.entries import Metered
from antiphon.journal.journal import Fate, Journal
from antiphon.journal.line_table import LinesWanted
from antiphon.journal.memory import MemoryJournal
from antiphon.journal.postgres import PostgresJournal
from antiphon.journal.sqlite import SqliteJournal
from antiphon.metering.bill import DIMENSIONS, NOTHING, bill, bill_by
from antiphon.metering.budgets import Limits, LocalLedger
from antiphon.metering.lines import Account, Line, Used, line_of
from antiphon.metering.prices import PriceTable, known_prices
from antiphon.runtime.metering import Metering
from tests.journal.logs import opened, said
from tests.journal.postgres import new_database
from tests.journal.test_journals import fate

DAY_MS = 24 * 60 * 60 * 1000
MIDNIGHT_MS = 1_796_169_600_000
"""2026-12-02, 00:00 UTC."""
PRICES = PriceTable(known_prices())


@pytest.fixture(params=["memory", "sqlite", "postgres"])
async def journal(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Journal]:
    made: Journal
    match request.param:
        case "memory":
            made = MemoryJournal(delay_s=0.001)
        case "sqlite":
            made = SqliteJournal(tmp_path / "conversations.sqlite3")
        case _:
            made = PostgresJournal(new_database(request.getfixturevalue("postgres")))
    await made.start()
    yield made
    await made.aclose()


def line(number: int, *, at_ms: int = MIDNIGHT_MS, model: str = "gpt-realtime-2.1") -> Line:
    tenant = ("clinic", "hotel")[number % 2]
    user = (None, "user-7", "user-8")[number % 3]
    used = Used(
        id=f"sess_{number % 4}/resp_{number}",
        at_ms=at_ms,
        kind="response",
        account=Account(tenant, user, "front desk"),
        session_id=f"sess_{number % 4}",
        conversation_id="conv_1",
        source_id=f"resp_{number}",
        engine="relay",
        model="gpt-realtime",
        billed_as=model,
        quantities=(("text_in", 10 + number), ("audio_cached", 5), ("audio_out", 7)),
    )
    return line_of(used, PRICES)


LINES = [
    *(line(number) for number in range(12)),
    line(12, at_ms=MIDNIGHT_MS - 1),
    line(13, model="unheard-of"),
]


async def charge(journal: Journal, *lines: Line) -> None:
    entries = [Metered(at_s=0, session_id=one.session_id, line=one) for one in lines]
    for ticket in [journal.append("conv_1", entry) for entry in entries]:
        assert await fate(ticket) is Fate.DURABLE


async def test_lines_are_read_in_order_by_the_page(journal: Journal) -> None:
    await charge(journal, *LINES)
    found: list[Line] = []
    cursor: int | None = 0
    while cursor is not None:
        page = await journal.lines(LinesWanted(), after=cursor, limit=5)
        assert len(page.lines) <= 5
        found += page.lines
        cursor = page.cursor
    assert found == LINES


async def test_they_are_filtered(journal: Journal) -> None:
    await charge(journal, *LINES)
    for wanted in (
        LinesWanted(tenant="hotel"),
        LinesWanted(user="user-7"),
        LinesWanted(user=""),
        LinesWanted(session="sess_1", model="gpt-realtime-2.1"),
        LinesWanted(from_day="2026-12-02"),
        LinesWanted(until_day="2026-12-01"),
        LinesWanted(key="nobody"),
    ):
        page = await journal.lines(wanted, limit=100)
        assert list(page.lines) == [one for one in LINES if one in wanted], wanted
        [(_, total)] = (await journal.totals(wanted, (), limit=1)).totals
        assert total == bill(page.lines)
    assert len((await journal.lines(LinesWanted(until_day="2026-12-01"), limit=9)).lines) == 1


async def test_totals_are_the_sums_of_the_lines_by_whatever_they_are_told_apart(
    journal: Journal,
) -> None:
    await charge(journal, *LINES)
    for by in [(), *((d,) for d in DIMENSIONS), ("day", "tenant", "user")]:
        page = await journal.totals(LinesWanted(), by, limit=100)
        assert dict(page.totals) == (bill_by(LINES, *by) if by else {(): bill(LINES)})
        assert sum((total for _, total in page.totals), NOTHING) == bill(LINES)


async def test_totals_come_by_the_page_too(journal: Journal) -> None:
    await charge(journal, *LINES)
    whole = await journal.totals(LinesWanted(), ("tenant", "user"), limit=100)
    found: list[Any] = []
    after = None
    while True:
        page = await journal.totals(LinesWanted(), ("tenant", "user"), after=after, limit=2)
        found += page.totals
        if not page.has_more:
            break
        after = page.totals[-1][0]
    assert found == list(whole.totals)
    assert len(found) == 6


async def test_they_outlive_the_conversation_and_are_not_in_its_log(journal: Journal) -> None:
    await fate(journal.append("conv_1", opened()))
    await charge(journal, LINES[0])
    await fate(journal.append("conv_1", said("item_1")))
    assert await journal.read("conv_1") == [opened(), said("item_1")]
    await journal.erase("conv_1")
    assert (await journal.lines(LinesWanted(), limit=9)).lines == (LINES[0],)


async def test_they_need_no_conversation(journal: Journal) -> None:
    await charge(journal, LINES[0])
    assert (await journal.lines(LinesWanted(), limit=9)).lines == (LINES[0],)


async def test_old_ones_are_swept(journal: Journal) -> None:
    await charge(journal, *LINES)
    assert await journal.sweep_lines("2026-12-02") == 1
    assert (await journal.lines(LinesWanted(), limit=99)).lines == tuple(
        one for one in LINES if one.day == "2026-12-02"
    )


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_a_line_that_is_told_twice_is_there_once(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """As where the answer to a commit was lost."""
    journal: Journal = (
        SqliteJournal(tmp_path / "c.sqlite3")
        if kind == "sqlite"
        else PostgresJournal(new_database(request.getfixturevalue("postgres")))
    )
    await journal.start()
    await charge(journal, LINES[0], replace(LINES[0], status="failed"), LINES[1])
    assert (await journal.lines(LinesWanted(), limit=9)).lines == tuple(LINES[:2])
    await journal.aclose()


async def test_a_file_of_a_version_that_knew_no_lines_gets_the_table(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite3"
    journal = SqliteJournal(path)
    await journal.start()
    await fate(journal.append("conv_1", opened()))
    await journal.aclose()
    with sqlite3.connect(path) as database:
        database.execute("DROP TABLE lines")
    again = SqliteJournal(path)
    await again.start()
    await charge(again, LINES[0])
    assert await again.read("conv_1") == [opened()]
    assert (await again.lines(LinesWanted(), limit=9)).lines == (LINES[0],)
    await again.aclose()


async def test_a_ledger_knows_what_was_spent_this_month_before_it_began(journal: Journal) -> None:
    last_month = line(20, at_ms=MIDNIGHT_MS - 2 * DAY_MS)
    await charge(journal, *LINES, last_month)
    limits = Limits(user_day=10**9, tenant_day=10**9, tenant_month=10**9)
    ledger = LocalLedger(limits)
    await Metering(PRICES, journal=journal, ledger=ledger).restore(MIDNIGHT_MS + DAY_MS // 2)
    now_ms = MIDNIGHT_MS + 5
    for tenant in ("clinic", "hotel"):
        of_tenant = [one for one in LINES if one.account.tenant == tenant]
        room = ledger.room(Account(tenant), "s", now_ms)
        assert room == 10**9 - bill(of_tenant).nano, "the month's"
        user = [one for one in of_tenant if one.account.user == "user-7"]
        alone = LocalLedger(Limits(user_day=10**9))
        await Metering(PRICES, journal=journal, ledger=alone).restore(MIDNIGHT_MS)
        today = [one for one in user if one.day == "2026-12-02"]
        assert alone.room(Account(tenant, "user-7"), "s", now_ms) == 10**9 - bill(today).nano
