"""What is kept of end users: the law of all journals, and what is left after erasure."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from antiphon.journal.entries import JournalError
from antiphon.journal.journal import Journal, Note
from antiphon.journal.memory import MemoryJournal
from antiphon.journal.postgres import PostgresJournal
from antiphon.journal.sqlite import SqliteJournal
from antiphon.journal.sqlite_file import JournalFile
from tests.journal.logs import NOW_S, in_file
from tests.journal.postgres import Postgres, new_database

WORDS = b"plays the ocarina"


@pytest.fixture(params=["memory", "sqlite", "postgres"])
async def journal(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Journal]:
    made: Journal
    match request.param:
        case "memory":
            made = MemoryJournal()
        case "sqlite":
            made = SqliteJournal(tmp_path / "conversations.sqlite3")
        case _:
            made = PostgresJournal(new_database(request.getfixturevalue("postgres")))
    await made.start()
    yield made
    await made.aclose()


async def test_a_note_is_written_read_and_erased(journal: Journal) -> None:
    assert await journal.read_note("ada") is None
    assert await journal.write_note("ada", b"one", over=0, now_s=NOW_S)
    assert await journal.write_note("bob", b"his", over=0, now_s=NOW_S)
    assert await journal.write_note("ada", b"two", over=1, now_s=NOW_S)
    assert await journal.read_note("ada") == Note(b"two", 2)
    assert await journal.erase_note("ada")
    assert not await journal.erase_note("ada")
    assert await journal.read_note("ada") is None
    assert await journal.read_note("bob") == Note(b"his", 1)


@pytest.mark.parametrize("over", [0, 1, 3])
async def test_of_two_who_write_at_once_the_second_changes_nothing(
    journal: Journal, over: int
) -> None:
    await journal.write_note("ada", b"one", over=0, now_s=NOW_S)
    await journal.write_note("ada", b"two", over=1, now_s=NOW_S)
    assert not await journal.write_note("ada", b"three", over=over, now_s=NOW_S)
    assert await journal.read_note("ada") == Note(b"two", 2)


def traces(folder: Path, *needles: bytes) -> list[str]:
    return [
        f"{needle!r} in {path.name}"
        for path in folder.rglob("*")
        if path.is_file()
        for needle in needles
        if needle in path.read_bytes()
    ]


async def test_a_note_is_sealed_and_what_was_written_over_or_erased_leaves_no_trace(
    tmp_path: Path,
) -> None:
    path = tmp_path / "conversations.sqlite3"
    journal = SqliteJournal(path)
    await journal.start()
    keys: list[bytes] = []
    for version in range(2):
        await journal.write_note("user-07", WORDS, over=version, now_s=NOW_S)
        [(key,)] = in_file(path, "SELECT key FROM notes")
        keys.append(key)
    assert traces(tmp_path, WORDS) == [], "it is sealed"
    assert traces(tmp_path, keys[0]) == [], "the key of what was written over is gone"
    assert traces(tmp_path, keys[1], b"user-07") != []
    await journal.erase_note("user-07")
    assert traces(tmp_path, *keys, b"user-07", WORDS) == []
    await journal.aclose()


async def test_in_postgres_no_table_holds_an_erased_note_or_its_key(postgres: Postgres) -> None:
    url = new_database(postgres)
    journal = PostgresJournal(url)
    await journal.start()
    database = url.rpartition("/")[2]
    await journal.write_note("user-07", WORDS, over=0, now_s=NOW_S)
    key = postgres.sql("SELECT encode(key, 'hex') FROM antiphon_notes", database)
    await journal.write_note("user-07", WORDS, over=1, now_s=NOW_S)
    table = postgres.sql("SELECT pg_relation_filepath('antiphon_notes')", database).strip()
    await journal.erase_note("user-07")
    postgres.sql("CHECKPOINT", database)
    [file] = [path for path in postgres.files() if str(path).endswith(f"/{table}")]
    assert bytes.fromhex(key.strip()) not in file.read_bytes()
    assert WORDS not in file.read_bytes()
    await journal.aclose()


async def test_a_note_that_was_changed_or_given_to_another_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "conversations.sqlite3"
    journal = SqliteJournal(path)
    await journal.start()
    await journal.write_note("ada", WORDS, over=0, now_s=NOW_S)
    await journal.aclose()
    in_file(path, "UPDATE notes SET user = 'bob'")
    again = SqliteJournal(path)
    await again.start()
    with pytest.raises(JournalError, match="its seal is broken"):
        await again.read_note("bob")
    await again.aclose()


async def test_a_file_of_before_takes_notes_too(tmp_path: Path) -> None:
    path = tmp_path / "conversations.sqlite3"
    JournalFile(path).close()
    in_file(path, "DROP TABLE notes")
    journal = SqliteJournal(path)
    await journal.start()
    assert await journal.write_note("ada", WORDS, over=0, now_s=NOW_S)
    await journal.aclose()
