"""`antiphon bench`, as it is typed."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from antiphon.bench.place import check_place, is_own_machine
from antiphon.cli import main
from antiphon.errors import ConfigurationError
from tests.recordings import FOLDER
from tests.server_process import ServerProcess

HERE = "http://127.0.0.1:1"


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        ([HERE, "--calls", "0"], "--calls 0: it must lie between 1 and 10000"),
        ([HERE, "--rate", "nan"], "--rate nan"),
        ([HERE, "--rate", "-1"], "--rate -1"),
        ([HERE, "--duration", "0.1"], "--duration 0.1"),
        ([HERE, "--silence-ms", "5"], "--silence-ms 5"),
        ([HERE, "--barge-in", "0"], "--barge-in 0"),
        ([HERE, "--timeout", "inf"], "--timeout inf"),
        ([HERE, "--wav", "absent.wav"], "--wav absent.wav: No such file"),
        ([HERE, "--wav", "text.wav"], "--wav text.wav: no WAV file"),
        ([HERE, "--csv", "no/such/folder.csv"], "--csv no/such/folder.csv: No such file"),
        (["ftp://127.0.0.1"], "give a base such as"),
        (["http://198.51.100.7"], "add --allow-remote and --yes-this-costs-money"),
        (["http://198.51.100.7", "--allow-remote"], "add --yes-this-costs-money"),
        (["http://198.51.100.7", "--yes-this-costs-money"], "add --allow-remote"),
    ],
)
def test_what_is_wrong_is_said(
    flags: list[str],
    complaint: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.wav").write_text("no sound")
    assert main(["bench", *flags]) == 1
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "localhost", "[::1]"])
def test_these_are_this_machine(host: str) -> None:
    assert is_own_machine(f"ws://{host}:8080/v1/realtime")


def test_another_machine_is_loaded_by_who_said_so_twice() -> None:
    check_place("ws://198.51.100.7", allow_remote=True, yes_this_costs_money=True)
    with pytest.raises(ConfigurationError):
        check_place("ws://198.51.100.7", allow_remote=True, yes_this_costs_money=False)


def test_nobody_there_is_an_error_of_each_call(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", HERE, "--calls", "2", "--rate", "100", "--duration", "1"]) == 1
    shown = capsys.readouterr().out
    assert "2 calls of 1 s" in shown
    assert "1 of 2 over, 1 of them with errors" in shown
    assert "0 of 2 calls connected" in shown
    assert "2  connect_nobody: nobody listens at 127.0.0.1:1" in shown


@pytest.mark.parametrize("way", [[], ["--webrtc"]])
def test_a_real_server_is_measured_in_real_time(
    offline_server: ServerProcess,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    way: list[str],
) -> None:
    table = tmp_path / "turns.csv"
    code = main(
        [
            *("bench", offline_server.url, "--duration", "3", "--timeout", "60"),
            *("--wav", str(FOLDER / "cmd_two_people.wav"), "--no-barge-in"),
            *("--csv", str(table), *way),
        ]
    )
    shown = capsys.readouterr().out
    assert code == 0, shown
    assert "1 of 1 calls connected" in shown
    assert re.search(r"beyond the silence window +[1-9]", shown)
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert rows
    assert all(float(row["answer_ms"]) > 500 for row in rows), "the window of silence is in it"
    assert all(row["errors"] == "" for row in rows)
