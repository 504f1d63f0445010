"""Several processes keep conversations in one SQLite file: each has a connection and a thread."""

from __future__ import annotations

import asyncio
from pathlib import Path

from antiphon.journal.journal import Fate, Ticket
from antiphon.journal.sqlite import SqliteJournal
from antiphon.journal.sqlite_file import JournalFile
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


async def test_what_is_remembered_of_a_conversation_is_looked_up_again_where_others_wrote(
    tmp_path: Path,
) -> None:
    path = tmp_path / "journal.sqlite3"
    one, other = SqliteJournal(path), SqliteJournal(path)
    await one.start()
    await other.start()
    assert await settled(one.append("conv_1", opened())) is Fate.DURABLE
    assert await settled(one.append("conv_1", said("item_1"))) is Fate.DURABLE
    assert await settled(other.append("conv_1", said("item_2"))) is Fate.DURABLE
    assert await settled(one.append("conv_1", said("item_3"))) is Fate.DURABLE
    assert await one.read("conv_1") == [opened(), *map(said, ("item_1", "item_2", "item_3"))]
    assert await other.erase("conv_1")
    assert await settled(one.append("conv_1", said("item_4"))) is Fate.DURABLE
    assert await one.read("conv_1") == []
    await one.aclose()
    await other.aclose()


async def test_what_nobody_waits_for_shares_the_next_commit_or_is_written_all_the_same(
    tmp_path: Path,
) -> None:
    path = tmp_path / "journal.sqlite3"
    journal = SqliteJournal(path)
    await journal.start()
    tickets = [journal.append("conv_1", opened()), journal.append("conv_1", said("item_1"))]
    awaited = journal.append("conv_1", said("item_2"))
    assert all(ticket.waits for ticket in tickets)
    assert await settled(awaited) is Fate.DURABLE
    assert [ticket.fate for ticket in tickets] == [Fate.DURABLE] * 2
    alone = journal.append("conv_1", said("item_3"))
    async with asyncio.timeout(60):
        while alone.waits:  # noqa: ASYNC110  To wait for it would hurry it.
            await asyncio.sleep(0.01)
    assert alone.fate is Fate.DURABLE
    last = journal.append("conv_1", said("item_4"))
    await journal.aclose()
    assert last.fate is Fate.DURABLE
    file = JournalFile(path)
    assert len(file.read("conv_1")) == 5
    file.close()
