"""What was used, kept: the same law for all journals."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from antiphon.journal.entries import Metered
from antiphon.journal.expiry import Expiry
from antiphon.journal.journal import Fate, Journal
from antiphon.journal.line_table import LinesWanted
from antiphon.journal.memory import MemoryJournal
from antiphon.journal.postgres import PostgresJournal
from antiphon.journal.sqlite import SqliteJournal
from antiphon.metering.bill import DIMENSIONS, NOTHING, bill, bill_by
from antiphon.metering.budgets import Limits, LocalLedger
from antiphon.metering.lines import Account, Line, Used, line_of
from antiphon.metering.prices import PriceTable, known_prices
from antiphon.runtime.ledger_line import LedgerLine
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


async def test_they_outlive_the_conversation_without_its_names(journal: Journal) -> None:
    await fate(journal.append("conv_1", opened()))
    await charge(journal, LINES[1], LINES[5])
    await fate(journal.append("conv_1", said("item_1")))
    elsewhere = replace(LINES[2], conversation_id="conv_2")
    await charge(journal, elsewhere)
    assert await journal.read("conv_1") == [opened(), said("item_1")]
    before = await journal.totals(LinesWanted(), ("tenant", "key", "day", "model"), limit=9)
    await journal.erase("conv_1")
    *mine, other = (await journal.lines(LinesWanted(), limit=9)).lines
    assert other == elsewhere
    for erased, was in zip(mine, (LINES[1], LINES[5]), strict=True):
        assert (erased.charges, erased.nano, erased.day) == (was.charges, was.nano, was.day)
        assert (erased.account.tenant, erased.account.key) == (was.account.tenant, "front desk")
        text = repr(erased)
        for name in (was.id, was.session_id, "conv_1", was.source_id, was.account.user):
            assert repr(name) not in text
        assert erased.at_ms % DAY_MS == 0
    alias = mine[0].session_id
    assert alias.startswith("erased_")
    assert {one.session_id for one in mine} == {alias}, "it is seen to have been one"
    assert len({one.id for one in mine}) == 2
    after = await journal.totals(LinesWanted(), ("tenant", "key", "day", "model"), limit=9)
    assert after == before
    by_user = await journal.totals(LinesWanted(user="user-7"), ("user",), limit=9)
    assert by_user.totals == ()
    assert (await journal.lines(LinesWanted(session=alias), limit=9)).lines == tuple(mine)


async def test_a_user_who_is_erased_is_named_in_no_line(journal: Journal) -> None:
    await charge(journal, *LINES)
    theirs = [one for one in LINES if (one.account.tenant, one.account.user) == ("hotel", "user-7")]
    assert theirs
    assert await journal.disown_lines("hotel", "user-7") == len(theirs)
    assert await journal.disown_lines("hotel", "user-7") == 0
    lines = (await journal.lines(LinesWanted(), limit=99)).lines
    assert [one.nano for one in lines] == [one.nano for one in LINES]
    for now, was in zip(lines, LINES, strict=True):
        if was in theirs:
            assert (now.account.user or "").startswith("erased_")
            assert replace(now, account=was.account) == was
        else:
            assert now == was
    [(_, total)] = (await journal.totals(LinesWanted(tenant="hotel"), ("tenant",), limit=9)).totals
    assert total == bill(one for one in LINES if one.account.tenant == "hotel")


async def test_what_has_expired_is_still_named_until_its_line_is_swept(journal: Journal) -> None:
    """A bill of last month has to say whose it is."""
    await fate(journal.append("conv_1", opened()))
    await charge(journal, LINES[1])
    assert await journal.sweep(Expiry(before_s=10**12)) == 1
    assert (await journal.lines(LinesWanted(), limit=9)).lines == (LINES[1],)


def traces(folder: Path, name: bytes) -> list[str]:
    return [file.name for file in folder.iterdir() if name in file.read_bytes()]


async def test_lines_of_a_version_that_knew_no_erasure_are_reached_too(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite3"
    journal = SqliteJournal(path)
    await journal.start()
    await charge(journal, LINES[1])
    await journal.aclose()
    with sqlite3.connect(path) as database:
        database.execute("DROP INDEX lines_by_conversation")
        database.execute("ALTER TABLE lines DROP COLUMN conversation_id")
    again = SqliteJournal(path)
    await again.start()
    assert (await again.lines(LinesWanted(), limit=9)).lines == (LINES[1],)
    await again.erase("conv_1")
    [line] = (await again.lines(LinesWanted(), limit=9)).lines
    assert line.conversation_id.startswith("erased_")
    await again.aclose()
    assert traces(tmp_path, b"sess_1") == []


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
    await Metering(PRICES, journal=journal, ledger=LedgerLine(ledger)).restore(
        MIDNIGHT_MS + DAY_MS // 2
    )
    now_ms = MIDNIGHT_MS + 5
    for tenant in ("clinic", "hotel"):
        of_tenant = [one for one in LINES if one.account.tenant == tenant]
        room = ledger.room(Account(tenant), "s", now_ms)
        assert room == 10**9 - bill(of_tenant).nano, "the month's"
        user = [one for one in of_tenant if one.account.user == "user-7"]
        alone = LocalLedger(Limits(user_day=10**9))
        await Metering(PRICES, journal=journal, ledger=LedgerLine(alone)).restore(MIDNIGHT_MS)
        today = [one for one in user if one.day == "2026-12-02"]
        assert alone.room(Account(tenant, "user-7"), "s", now_ms) == 10**9 - bill(today).nano
