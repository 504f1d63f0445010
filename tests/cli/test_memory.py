"""`antiphon memory`, on a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from antiphon.cli import main
from antiphon.journal.sqlite_file import JournalFile
from antiphon.profiles.profile import Profile, encode
from antiphon.profiles.profiles import owner_of


@pytest.fixture(autouse=True)
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "conversations.sqlite3"
    monkeypatch.setenv("ANTIPHON_JOURNAL_PATH", str(path))
    file = JournalFile(path)
    profile = Profile().agreed(1, "conversation").with_facts(["Likes tea.", "Sings."], 1, "api")
    file.notes.write(owner_of("default", "user-7"), encode(profile), over=0, now_s=1.0)
    file.close()
    return path


def shown(capsys: pytest.CaptureFixture[str], user: str = "user-7") -> str:
    assert main(["memory", "show", user]) == 0
    return capsys.readouterr().out


def test_consent_and_facts_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(capsys)
    assert out.startswith("user-7 agreed")
    assert "Likes tea." in out
    assert shown(capsys, "user-8") == "user-8: nothing is remembered.\n"


def test_one_fact_is_forgotten_or_all(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["memory", "forget", "user-7", "fact_1"]) == 0
    capsys.readouterr()
    out = shown(capsys)
    assert "Likes tea." not in out
    assert "Sings." in out
    assert main(["memory", "forget", "user-7"]) == 0
    assert not any(b"user-7" in file.read_bytes() for file in path.parent.iterdir())


@pytest.mark.parametrize("wanted", [["user-8"], ["user-7", "fact_9"]])
def test_what_is_not_there_is_told(wanted: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["memory", "forget", *wanted]) == 1
    assert wanted[-1] in capsys.readouterr().err
