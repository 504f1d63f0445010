"""What was committed to the SQLite file lies in its stage first, and nobody can tell."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from antiphon.journal.backlog import Append
from antiphon.journal.entries import AnyEntry, JournalError, Metered, Sounded, encode
from antiphon.journal.journal import Ticket
from antiphon.journal.line_table import LinesWanted
from antiphon.journal.sqlite_file import JournalFile
from antiphon.journal.sqlite_stage import MAX_ROWS, MAX_STAGED
from tests.journal.logs import NOW_S, closed, in_file, opened, said
from tests.journal.test_lines import line

STAGED = "SELECT count(*) FROM staged"
ALL = LinesWanted()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "conversations.sqlite3"


def metered(number: int) -> Metered:
    return Metered(at_s=NOW_S, session_id="sess_1", line=line(number))


def commit(file: JournalFile, name: str, *entries: AnyEntry) -> None:
    file.commit([Append(name, entry, encode(entry), Ticket(), 0.0) for entry in entries])


def staged(path: Path) -> int:
    [(count,)] = in_file(path, STAGED)
    return int(count)


def read_by_another(path: Path, name: str) -> Sequence[AnyEntry]:
    file = JournalFile(path)
    try:
        return file.read(name)
    finally:
        file.close()


def test_what_is_staged_is_read_like_all_the_rest(path: Path) -> None:
    file = JournalFile(path)
    log: list[AnyEntry] = [opened()]
    commit(file, "conv_1", opened())
    for at in range(3):
        commit(file, "conv_1", said(f"item_{at}"), metered(at))
        log.append(said(f"item_{at}"))
    assert staged(path) == 6
    assert file.read("conv_1") == log == read_by_another(path, "conv_1")
    assert staged(path) == 6, "who reads a conversation changes nothing"
    assert file.lines(ALL, after=0, limit=10).lines == tuple(map(line, range(3)))
    assert staged(path) == 0
    commit(file, "conv_1", closed())
    assert file.read("conv_1") == [*log, closed()]
    file.close()


def test_the_stage_is_emptied_when_it_is_full_and_at_the_end(path: Path) -> None:
    file = JournalFile(path)
    commit(file, "conv_1", opened())
    for at in range(MAX_STAGED):
        assert staged(path) == at
        commit(file, "conv_1", said(f"item_{at}"))
        file.tidy()
    assert staged(path) == 0
    commit(file, "conv_1", said("last"))
    assert staged(path) == 1
    file.close()
    assert staged(path) == 0
    log = read_by_another(path, "conv_1")
    assert log == [opened(), *(said(f"item_{at}") for at in range(MAX_STAGED)), said("last")]


def test_what_is_large_or_much_goes_where_it_belongs_at_once(path: Path) -> None:
    file = JournalFile(path)
    commit(file, "conv_1", opened())
    commit(file, "conv_1", said("item_0"))
    piece = Sounded(at_s=NOW_S, session_id="sess_1", data=b"Ogg")
    commit(file, "conv_1", piece)
    many = [said(f"item_{at}") for at in range(1, MAX_ROWS + 2)]
    commit(file, "conv_1", *many)
    assert staged(path) == 1
    assert file.read("conv_1") == [opened(), said("item_0"), *many], "in order all the same"
    assert file.read_apart("conv_1", Sounded) == [piece]
    file.close()


def test_what_a_killed_process_had_staged_is_there_and_goes_with_its_conversation(
    path: Path,
) -> None:
    file = JournalFile(path)
    commit(file, "conv_1", opened())
    commit(file, "conv_1", said("item_1"), metered(1))
    # It is not closed: as after `kill -9`.
    other = JournalFile(path)
    assert other.read("conv_1") == [opened(), said("item_1")]
    commit(other, "conv_1", said("item_2"))
    assert other.read("conv_1") == [opened(), said("item_1"), said("item_2")]
    assert other.erase("conv_1") == 1
    assert staged(path) == 0
    assert other.read("conv_1") == []
    [kept] = other.lines(ALL, after=0, limit=10).lines
    assert kept.conversation_id.startswith("erased_")
    assert (kept.nano, kept.day) == (line(1).nano, line(1).day), "what it cost stays true"
    other.close()
    assert b"sess_1/resp_1" not in path.read_bytes()
    commit(file, "conv_1", said("item_3"))
    assert file.read("conv_1") == [], "who remembers the conversation is told that it is gone"
    file.close()


def test_of_two_that_write_to_one_conversation_at_a_time_none_loses_an_entry(path: Path) -> None:
    one, other = JournalFile(path), JournalFile(path)
    commit(one, "conv_1", opened())
    commit(one, "conv_1", said("item_1"))
    commit(other, "conv_1", said("item_2"))
    # To know, it would have to look again.
    commit(other, "conv_1", said("item_3"))
    commit(one, "conv_1", said("item_4"))
    commit(one, "conv_2", opened())  # It looks.
    commit(one, "conv_1", said("item_5"))
    everything: list[AnyEntry] = [opened(), *(said(f"item_{at}") for at in range(1, 6))]

    def in_any_order(log: Sequence[AnyEntry]) -> list[bytes]:
        return sorted(map(encode, log))

    assert in_any_order(one.read("conv_1")) == in_any_order(everything)
    one.close()
    other.close()
    assert staged(path) == 0
    assert in_any_order(read_by_another(path, "conv_1")) == in_any_order(everything)


def test_a_commit_that_failed_is_made_again_in_its_place(path: Path) -> None:
    file = JournalFile(path)
    commit(file, "conv_1", opened())
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError):
        commit(file, "conv_1", said("item_1"))
    other.execute("ROLLBACK")
    other.close()
    commit(file, "conv_1", said("item_1"))
    assert file.read("conv_1") == [opened(), said("item_1")]
    assert [place for (place,) in in_file(path, "SELECT place FROM entries ORDER BY place")] == [
        1,
        2,
    ]
    file.close()


def test_what_has_rotted_here_is_told_and_harms_nothing_else(path: Path) -> None:
    file = JournalFile(path)
    commit(file, "conv_1", opened())
    commit(file, "conv_1", metered(1), said("item_1"))
    in_file(path, "UPDATE staged SET data = x'01ff' WHERE conversation IS NULL")
    commit(file, "conv_1", metered(2))
    for _ in range(2):
        with pytest.raises(JournalError, match=r"conversations\.sqlite3: a line of the bill"):
            file.lines(ALL, after=0, limit=10)
    assert staged(path) == 1
    [((), total)] = file.totals(ALL, (), after=None, limit=10).totals
    assert total.nano == line(2).nano
    assert file.read("conv_1") == [opened(), said("item_1")]

    other = JournalFile(path)
    commit(file, "conv_1", said("item_2"))
    in_file(path, "UPDATE staged SET data = x'00' WHERE conversation IS NOT NULL")
    commit(other, "conv_1", said("item_3"))
    in_file(path, "UPDATE staged SET place = 3 WHERE conversation IS NOT NULL")
    other.close()
    with pytest.raises(JournalError, match="conversation conv_1: its seal is broken"):
        file.read("conv_1")
    assert file.erase("conv_1"), "what cannot be read can be erased"
    file.close()
