"""The journal in a real PostgreSQL: what only a database does to one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from antiphon.journal.entries import JournalError
from antiphon.journal.journal import Fate, Ticket
from antiphon.journal.postgres import PostgresJournal
from tests.journal.logs import WORDS, closed, opened, said
from tests.journal.postgres import PASSWORD, Postgres, new_database
from tests.journal.test_journals import fate, keep, until


@contextlib.asynccontextmanager
async def started(url: str, **options: int) -> AsyncIterator[PostgresJournal]:
    journal = PostgresJournal(url, **options)
    await journal.start()
    try:
        yield journal
    finally:
        await journal.aclose()


async def test_what_is_kept_is_there_for_the_next_server(postgres: Postgres) -> None:
    url = new_database(postgres)
    async with started(url) as journal:
        await keep(journal, "a", opened(), said("1"))
    async with started(url) as again:
        await keep(again, "a", said("2", after="1"), closed())
        assert await again.read("a") == [opened(), said("1"), said("2", after="1"), closed()]


async def test_a_restart_of_the_database_loses_nothing_and_doubles_nothing(
    postgres: Postgres,
) -> None:
    """Entries come all the while; connections break at every point of a transaction."""
    async with started(new_database(postgres)) as journal:
        await keep(journal, "a", opened())
        tickets: list[Ticket] = []
        restarts = asyncio.create_task(asyncio.to_thread(_restart_twice, postgres))
        while not restarts.done():
            tickets.append(journal.append("a", said(str(len(tickets)))))
            await asyncio.sleep(0.002)
        await restarts
        assert {await fate(ticket) for ticket in tickets} == {Fate.DURABLE}
        kept = await journal.read("a")
        assert kept == [opened(), *(said(str(at)) for at in range(len(tickets)))]
        assert journal.trouble is None


def _restart_twice(postgres: Postgres) -> None:
    for _ in range(2):
        postgres.stop("immediate")
        postgres.start()


async def test_while_it_is_away_entries_wait_and_the_operator_is_told(
    postgres: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    async with started(new_database(postgres)) as journal:
        await keep(journal, "a", opened())
        postgres.stop()
        ticket = journal.append("a", said("1"))
        await until(lambda: journal.trouble is not None)
        assert ticket.waits
        postgres.start()
        assert await fate(ticket) is Fate.DURABLE
        assert journal.trouble is None
    told = [message for message in caplog.messages if "written" in message]
    assert ["cannot be written" in told[0], "is written again" in told[-1]] == [True, True]
    assert PASSWORD not in caplog.text
    assert WORDS not in caplog.text


async def test_what_cannot_be_written_at_the_end_is_lost_and_told(postgres: Postgres) -> None:
    journal = PostgresJournal(new_database(postgres))
    await journal.start()
    await keep(journal, "a", opened())
    postgres.stop()
    ticket = journal.append("a", said("1"))
    await journal.aclose()
    postgres.start()
    assert await fate(ticket) is Fate.LOST
    assert await fate(journal.append("a", closed())) is Fate.LOST


class Breaking:
    """Between a client and the database: it can swallow the answer to a commit, and hang up."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.swallows = False
        self.swallowed = 0

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[int]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        async with server:
            yield server.sockets[0].getsockname()[1]

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        database, to_database = await asyncio.open_connection("127.0.0.1", self._port)
        back = asyncio.create_task(self._copy(database, to_client))
        while data := await client.read(1 << 16):
            swallows = self.swallows and b"COMMIT" in data
            if swallows:
                self.swallows = False
                back.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await back
            to_database.write(data)
            if swallows:
                assert await database.read(1)
                self.swallowed += 1
                break
        to_client.close()
        to_database.close()
        back.cancel()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            writer.write(data)
        writer.close()


async def test_the_answer_to_a_commit_may_be_lost(postgres: Postgres) -> None:
    """It was written, and nobody heard: the second try must not write it again."""
    url = new_database(postgres)
    breaking = Breaking(postgres.port)
    async with (
        breaking.listening() as port,
        started(url.replace(str(postgres.port), str(port))) as journal,
    ):
        await keep(journal, "a", opened())
        breaking.swallows = True
        await keep(journal, "a", said("1"))
        await keep(journal, "a", said("2", after="1"))
        assert breaking.swallowed == 1
        assert len(await journal.read("a")) == 3


async def test_words_are_sealed(postgres: Postgres) -> None:
    url = new_database(postgres)
    async with started(url) as journal:
        await keep(journal, "a", opened(), said("1"))
    postgres.sql("CHECKPOINT", "postgres")
    assert [path for path in postgres.files() if b"swordfish" in path.read_bytes()] == []


async def test_an_entry_that_was_moved_is_not_believed(postgres: Postgres) -> None:
    url = new_database(postgres)
    async with started(url) as journal:
        await keep(journal, "a", opened(), said("1"))
        postgres.sql(
            "UPDATE antiphon_entries SET place = 9 WHERE place = 2", url.rpartition("/")[2]
        )
        with pytest.raises(JournalError, match="conversation a: its seal is broken"):
            await journal.read("a")


async def test_a_database_that_cannot_be_used_is_named_without_its_password(
    postgres: Postgres,
) -> None:
    url = new_database(postgres)
    async with started(url):
        pass
    name = url.rpartition("/")[2]
    postgres.sql("UPDATE antiphon_format SET version = 2", name)
    for wrong, problem in (
        (url, "its format is 2; this version reads 1"),
        (url.replace(PASSWORD, "wrong"), "password authentication failed"),
        (postgres.url("absent"), 'database "absent" does not exist'),
        ("postgresql://u:sesame@127.0.0.1:1/x", "cannot be reached"),
        ("mysql://u:sesame@h/x", "cannot be reached"),
    ):
        with pytest.raises(JournalError, match=problem) as told:
            await PostgresJournal(wrong).start()
        assert PASSWORD not in str(told.value)
        assert "sesame" not in str(told.value)


async def test_two_servers_that_start_at_once_share_a_database(postgres: Postgres) -> None:
    url = new_database(postgres)
    journals = [PostgresJournal(url) for _ in range(4)]
    await asyncio.gather(*(journal.start() for journal in journals))
    for number, journal in enumerate(journals):
        await keep(journal, f"conv_{number}", opened(), said("1"))
    assert len(await journals[0].read("conv_3")) == 2
    for journal in journals:
        await journal.aclose()
