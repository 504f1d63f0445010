"""Several processes keep conversations in one SQLite file: each has a connection and a thread."""

from __future__ import annotations

import asyncio
from pathlib import Path

from antiphon.journal.journal import Fate, Ticket
from antiphon.journal.sqlite import SqliteJournal
from tests.journal.logs import opened, said

WRITERS, ENTRIES = 4, 40


async def settled(ticket: Ticket) -> Fate:
    fate: asyncio.Future[Fate] = asyncio.get_running_loop().create_future()
    ticket.then(lambda settled: fate.set_result(settled.fate))
    return await fate


async def test_writers_of_one_file_wait_for_each_other_and_lose_nothing(tmp_path: Path) -> None:
    journals = [SqliteJournal(tmp_path / "journal.sqlite3") for _ in range(WRITERS)]
    for journal in journals:
        await journal.start()

    async def write(number: int, journal: SqliteJournal) -> None:
        journal.append(f"conv_{number}", opened())
        for place in range(ENTRIES):
            assert (
                await settled(journal.append(f"conv_{number}", said(f"item_{place}")))
                is Fate.DURABLE
            )

    await asyncio.gather(*(write(n, journal) for n, journal in enumerate(journals)))
    for number in range(WRITERS):
        # What one wrote another reads.
        entries = await journals[(number + 1) % WRITERS].read(f"conv_{number}")
        assert len(entries) == ENTRIES + 1
    assert await journals[0].erase("conv_1")
    assert await journals[1].read("conv_1") == []
    for journal in journals:
        await journal.aclose()
