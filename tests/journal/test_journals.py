"""The law of all journals, and the file of the one that keeps it on disk."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from antiphon.journal.entries import JournalError, LogEntry, Sounded, Taped
from antiphon.journal.expiry import Expiry
from antiphon.journal.journal import Fate, Journal, Ticket, Wanted
from antiphon.journal.memory import MemoryJournal
from antiphon.journal.postgres import PostgresJournal
from antiphon.journal.sqlite import SqliteJournal
from antiphon.journal.sqlite_file import JournalFile
from tests.journal.logs import CONVERSATION, NOW_S, WORDS, closed, in_file, opened, said, whole_log
from tests.journal.postgres import new_database

TIMEOUT_S = 30


@pytest.fixture(params=["memory", "sqlite", "postgres"])
async def journal(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Journal]:
    made: Journal
    match request.param:
        case "memory":
            made = MemoryJournal(delay_s=0.001)
        case "sqlite":
            made = SqliteJournal(tmp_path / "state" / "conversations.sqlite3")
        case _:
            made = PostgresJournal(new_database(request.getfixturevalue("postgres")))
    await made.start()
    yield made
    await made.aclose()


async def fate(ticket: Ticket) -> Fate:
    settled: asyncio.Future[Fate] = asyncio.get_running_loop().create_future()
    ticket.then(lambda t: settled.set_result(t.fate))
    return await asyncio.wait_for(settled, TIMEOUT_S)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while not true():  # noqa: ASYNC110  A thread does not set our events.
            await asyncio.sleep(0.01)


async def keep(journal: Journal, name: str, *entries: LogEntry) -> None:
    for ticket in [journal.append(name, entry) for entry in entries]:
        assert await fate(ticket) is Fate.DURABLE


async def names(journal: Journal, wanted: Wanted | None = None) -> list[str]:
    page = await journal.listed(wanted or Wanted(), after=None, limit=100)
    return [kept.id for kept in page.conversations]


async def test_what_is_appended_is_read_in_order(journal: Journal) -> None:
    for entry in whole_log():
        journal.append(CONVERSATION, entry)
    assert await journal.read(CONVERSATION) == whole_log()
    assert await journal.read("conv_of_nobody") == []


async def test_sound_and_tapes_are_kept_and_read_apart(journal: Journal) -> None:
    pieces = [Sounded(at_s=NOW_S, session_id="sess_1", data=bytes([at])) for at in range(3)]
    tape = Taped(at_s=NOW_S, session_id="sess_1", data=b"tape")
    await keep(journal, "a", opened(), pieces[0], said("1"), pieces[1], tape, closed(), pieces[2])
    assert await journal.read("a") == [opened(), said("1"), closed()]
    assert await journal.read_apart("a", Sounded) == pieces
    assert await journal.read_apart("a", Taped) == [tape]
    assert await journal.read_apart("b", Sounded) == []
    await journal.erase("a")
    assert await journal.read_apart("a", Sounded) == []
    assert await journal.read_apart("a", Taped) == []


async def test_tickets_are_settled_in_order(journal: Journal) -> None:
    journal.append("a", opened())
    tickets = [journal.append("a", said(str(at))) for at in range(50)]
    order: list[int] = []
    for at, ticket in enumerate(tickets):
        ticket.then(lambda _, at=at: order.append(at))  # type: ignore[misc]
    await fate(journal.append("a", closed()))
    assert order == list(range(50))


async def test_conversations_are_kept_apart(journal: Journal) -> None:
    await keep(journal, "a", opened(), said("1"))
    await keep(journal, "b", opened(), said("2"), said("3", after="2"))
    assert len(await journal.read("a")) == 2
    assert len(await journal.read("b")) == 3


async def test_the_list_is_filtered_and_paged_newest_first(journal: Journal) -> None:
    for at, name in enumerate("abcd"):
        user, model = ("x" if name in "ac" else None), ("m" if name in "ab" else "n")
        await keep(journal, name, opened(NOW_S + at, end_user_id=user, model=model))
    assert await names(journal) == ["d", "c", "b", "a"]
    assert await names(journal, Wanted(end_user_id="x")) == ["c", "a"]
    assert await names(journal, Wanted(model="m")) == ["b", "a"]
    between = Wanted(began_after_s=NOW_S, began_before_s=NOW_S + 3)
    assert await names(journal, between) == ["c", "b"]
    first = await journal.listed(Wanted(), after=None, limit=3)
    assert ([k.id for k in first.conversations], first.has_more) == (["d", "c", "b"], True)
    rest = await journal.listed(Wanted(), after="b", limit=3)
    assert ([k.id for k in rest.conversations], rest.has_more) == (["a"], False)
    assert (await journal.listed(Wanted(), after="nobody", limit=3)).conversations == ()


async def test_a_conversation_is_of_the_tenant_that_began_it(journal: Journal) -> None:
    await keep(journal, "a", opened(tenant="acme"), closed())
    await keep(journal, "b", opened(), closed())
    await keep(journal, "a", opened(NOW_S + 9), closed(NOW_S + 10))
    assert await names(journal, Wanted(tenant="acme")) == ["a"]
    assert await names(journal, Wanted(tenant="default")) == ["b"]
    assert await names(journal, Wanted(tenant="acme", model="other")) == []
    page = await journal.listed(Wanted(), after=None, limit=9)
    assert [kept.tenant for kept in page.conversations] == ["default", "acme"]


async def test_a_file_from_before_there_were_tenants_is_the_default_ones(tmp_path: Path) -> None:
    path = tmp_path / "conversations.sqlite3"
    journal = SqliteJournal(path)
    await journal.start()
    await keep(journal, "a", opened(), closed())
    await journal.aclose()
    in_file(path, "ALTER TABLE conversations DROP COLUMN tenant")
    again = SqliteJournal(path)
    await again.start()
    try:
        assert await names(again, Wanted(tenant="default")) == ["a"]
        await keep(again, "b", opened(tenant="acme"))
        assert await names(again, Wanted(tenant="acme")) == ["b"]
    finally:
        await again.aclose()


async def test_one_that_goes_on_is_one_in_the_list(journal: Journal) -> None:
    await keep(journal, "a", opened(NOW_S), closed(NOW_S + 5))
    again = opened(NOW_S + 9, session_id="sess_2", model="other", end_user_id=None)
    await keep(journal, "a", again)
    [kept] = (await journal.listed(Wanted(), after=None, limit=9)).conversations
    assert (kept.began_at_s, kept.changed_at_s) == (NOW_S, NOW_S + 9)
    assert (kept.model, kept.end_user_id) == ("other", "user-7")


async def test_what_is_erased_is_gone_and_stays_gone(journal: Journal) -> None:
    await keep(journal, "a", opened(), said("1"))
    await keep(journal, "b", opened(), said("2"))
    assert await journal.erase("a")
    assert not await journal.erase("a")
    await keep(journal, "a", said("late"))  # A session that had not heard of it.
    assert await journal.read("a") == []
    assert await names(journal) == ["b"]


async def test_a_sweep_takes_what_has_not_changed_for_long(journal: Journal) -> None:
    await keep(journal, "old", opened(NOW_S - 100), closed(NOW_S - 90))
    await keep(journal, "used again", opened(NOW_S - 100), opened(NOW_S))
    assert await journal.sweep(Expiry(before_s=NOW_S - 50)) == 1
    assert await names(journal) == ["used again"]


async def test_tenants_have_ages_of_their_own(journal: Journal) -> None:
    for name, tenant, age_s in (
        ("acme's", "acme", 20),
        ("acme's of today", "acme", 5),
        ("beta's", "beta", 200),
        ("another's", "gamma", 20),
        ("another's old one", "gamma", 200),
    ):
        await keep(journal, name, opened(NOW_S - age_s, tenant=tenant))
    expiry = Expiry(before_s=NOW_S - 100, of_tenants={"acme": NOW_S - 10, "beta": NOW_S - 1_000})
    assert await journal.sweep(expiry) == 2
    assert sorted(await names(journal)) == ["acme's of today", "another's", "beta's"]
    assert await journal.read("acme's") == []


async def test_entries_that_fail_are_told(tmp_path: Path) -> None:
    memory = MemoryJournal(fails=True)
    assert memory.trouble
    assert await fate(memory.append("a", opened())) is Fate.LOST
    small = SqliteJournal(tmp_path / "j.sqlite3", max_queued_bytes=2_500)
    await small.start()
    await fate(small.append("a", opened()))
    tickets = [small.append("a", said("x", "y" * 1_000)) for _ in range(3)]
    assert [await fate(t) for t in tickets] == [Fate.DURABLE, Fate.DURABLE, Fate.LOST]
    await small.aclose()
    assert await fate(small.append("a", closed())) is Fate.LOST


# --- The file ----------------------------------------------------------------


def traces(folder: Path, *needles: bytes) -> list[str]:
    return [
        f"{needle!r} in {path.name}"
        for path in folder.rglob("*")
        if path.is_file()
        for needle in needles
        if needle in path.read_bytes()
    ]


async def test_words_are_sealed_and_after_erasure_every_trace_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "conversations.sqlite3"
    journal = SqliteJournal(path)
    await journal.start()
    for at in range(50):
        name = f"conv_{at:02}"
        await keep(journal, name, opened(end_user_id=f"user-{at:02}"), said("1"), said("2"))
    assert traces(tmp_path, b"swordfish") == []
    assert traces(tmp_path, b"conv_07", b"user-07") != [], "the list is plain"
    [(key,)] = in_file(path, "SELECT key FROM conversations WHERE id = 'conv_07'")
    assert traces(tmp_path, key) != []
    [[sealed], *_] = in_file(
        path,
        "SELECT sealed FROM entries JOIN conversations ON number = conversation WHERE id='conv_07'",
    )
    assert await journal.erase("conv_07")
    needles = (b"swordfish", b"conv_07", b"user-07", key, sealed[:24])
    assert traces(tmp_path, *needles) == []
    assert len(await journal.read("conv_08")) == 3
    await journal.aclose()
    assert traces(tmp_path, *needles) == []


async def test_who_reads_meanwhile_is_told_of_and_what_is_left_goes_later(tmp_path: Path) -> None:
    path = tmp_path / "conversations.sqlite3"
    journal = SqliteJournal(path)
    await journal.start()
    await keep(journal, "conv_1", opened(), said("1"))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN")
    other.execute("SELECT * FROM entries").fetchall()
    with pytest.raises(JournalError, match="another program reads"):
        await journal.erase("conv_1")
    assert await journal.read("conv_1") == []
    other.close()
    await journal.sweep(Expiry(before_s=0))
    assert traces(tmp_path, b"conv_1", b"user-7") == []
    await journal.aclose()


async def test_an_entry_that_was_moved_or_changed_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "conversations.sqlite3"
    journal = SqliteJournal(path)
    await journal.start()
    await keep(journal, "a", opened(), said("1"), said("2", after="1"))
    await journal.aclose()
    in_file(path, "UPDATE entries SET place = 9 WHERE place = 2")
    file = JournalFile(path)
    with pytest.raises(JournalError, match=r"conversations\.sqlite3: conversation a: its seal"):
        file.read("a")
    file.close()


async def test_a_disk_that_cannot_be_written_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "conversations.sqlite3"
    journal = SqliteJournal(path)
    await journal.start()
    await keep(journal, "a", opened())
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    tickets = [journal.append("a", said(str(at))) for at in range(3)]
    await until(lambda: journal.trouble is not None)
    assert all(ticket.waits for ticket in tickets)
    other.execute("ROLLBACK")
    other.close()
    assert [await fate(ticket) for ticket in tickets] == [Fate.DURABLE] * 3
    assert journal.trouble is None
    assert len(await journal.read("a")) == 4, "none twice"
    await journal.aclose()


async def test_what_cannot_be_written_at_the_end_is_lost_and_told(tmp_path: Path) -> None:
    path = tmp_path / "conversations.sqlite3"
    journal = SqliteJournal(path)
    await journal.start()
    await keep(journal, "a", opened())
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    ticket = journal.append("a", said("1"))
    await journal.aclose()
    assert await fate(ticket) is Fate.LOST
    other.close()


def test_its_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "conversations.sqlite3"
    JournalFile(path).close()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def _other_database(path: Path) -> None:
    in_file(path, "CREATE TABLE other (x)")


def _later_version(path: Path) -> None:
    JournalFile(path).close()
    in_file(path, "PRAGMA user_version = 2")


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda path: path.write_bytes(b"no database at all" * 100), "not a database"),
        (_other_database, "something else"),
        (_later_version, "its format is 2; this version reads 1"),
        (lambda path: path.mkdir(), "cannot be written here"),
    ],
)
async def test_a_file_that_is_no_journal_is_named(
    tmp_path: Path, make: object, problem: str
) -> None:
    path = tmp_path / "it.sqlite3"
    make(path)  # type: ignore[operator]
    with pytest.raises(JournalError, match=problem) as told:
        await SqliteJournal(path).start()
    assert str(path) in str(told.value)


def test_a_file_that_must_be_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="no such file"):
        JournalFile(tmp_path / "none.sqlite3", create=False)
    assert list(tmp_path.iterdir()) == []


async def test_a_broken_page_is_told(tmp_path: Path) -> None:
    path = tmp_path / "conversations.sqlite3"
    journal = SqliteJournal(path)
    await journal.start()
    await keep(journal, "a", opened(), *(said(str(at), WORDS * 40) for at in range(20)))
    await journal.aclose()
    data = bytearray(path.read_bytes())
    data[-4096:] = bytes(range(256)) * 16
    path.write_bytes(data)
    again = SqliteJournal(path)
    await again.start()
    with pytest.raises(JournalError, match=r"conversations\.sqlite3"):
        await again.read("a")
    await again.aclose()
