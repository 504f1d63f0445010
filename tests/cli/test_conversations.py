"""`antiphon conversations`, on a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from antiphon.cli import main
from antiphon.journal.backlog import Append
from antiphon.journal.entries import LogEntry, Sounded, encode
from antiphon.journal.journal import Ticket
from antiphon.journal.sqlite_file import JournalFile
from tests.journal.logs import CONVERSATION, NOW_S, WORDS, opened, said, whole_log

OTHER = "conv_other"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "conversations.sqlite3"
    file = JournalFile(path)
    other: list[LogEntry] = [opened(NOW_S + 1, end_user_id="user-8"), said("a")]
    logs: dict[str, list[LogEntry]] = {CONVERSATION: whole_log(), OTHER: other}
    file.commit(
        [Append(name, e, encode(e), Ticket(), 0) for name, log in logs.items() for e in log]
    )
    file.close()
    return path


def run(path: Path, *arguments: str) -> int:
    return main(["conversations", "--path", str(path), *arguments])


def test_they_are_listed_newest_first(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(path, "list") == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(OTHER)
    assert second.startswith(CONVERSATION)
    assert first.endswith("gpt-realtime  user-8")
    assert run(path, "list", "--end-user", "user-7", "--limit", "1") == 0
    assert capsys.readouterr().out.startswith(CONVERSATION)
    assert run(path, "list", "--limit", "1") == 0
    assert "more than 1" in capsys.readouterr().err


def test_one_is_shown_as_it_was_said(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(path, "show", CONVERSATION) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("gpt-realtime on offline")
    assert lines[2:] == [
        "user       Hello.",
        "assistant  Hi there. (interrupted)",
        f"system     {WORDS}",
    ]


def test_one_is_exported_entry_by_entry(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(path, "export", CONVERSATION) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(whole_log())
    assert json.loads(lines[0])["entry"] == "opened"


def test_one_is_erased(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(path, "erase", CONVERSATION) == 0
    assert "erased" in capsys.readouterr().out
    for what in ("show", "export", "erase"):
        assert run(path, what, CONVERSATION) == 1
        assert f"no conversation '{CONVERSATION}'" in capsys.readouterr().err
    assert run(path, "show", OTHER) == 0


def test_where_nothing_was_kept_nothing_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path / "none.sqlite3", "list") == 1
    assert "there is no such file" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_file_is_that_of_the_configuration(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ANTIPHON_JOURNAL_PATH", str(path))
    assert main(["conversations", "list"]) == 0
    assert OTHER in capsys.readouterr().out


def test_the_sound_of_a_session_is_written_to_a_file(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = JournalFile(path)
    pieces = [Sounded(at_s=NOW_S, session_id=f"sess_{at // 2}", data=b"%d" % at) for at in range(4)]
    file.commit([Append(OTHER, piece, encode(piece), Ticket(), 0) for piece in pieces])
    file.close()
    target = tmp_path / "call.ogg"
    assert run(path, "recording", OTHER, str(target)) == 0
    assert target.read_bytes() == b"23"
    assert run(path, "recording", OTHER, str(target), "--session", "sess_0") == 0
    assert target.read_bytes() == b"01"
    assert run(path, "recording", CONVERSATION, str(target)) != 0
    assert "nothing of" in capsys.readouterr().err
