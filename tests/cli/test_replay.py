from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from antiphon.cli import replay
from antiphon.core.causes import Tick
from antiphon.core.effects import ClearPlayout
from antiphon.core.terms import Terms
from antiphon.journal.tape import TapeWriter
from antiphon.testing.virtual_call import SEED, session
from tests.data.tapes import make

TAPE = str(Path(make.__file__).parent / "websocket.tape")


def antiphon(*argv: str) -> int:
    parser = argparse.ArgumentParser()
    replay.add_parser(parser.add_subparsers())
    args = parser.parse_args(["replay", *argv])
    code: int = args.run(args)
    return code


def test_a_call_is_shown_a_line_a_turn(capsys: pytest.CaptureFixture[str]) -> None:
    assert antiphon(TAPE) == replay.SAME
    assert capsys.readouterr().out.splitlines() == [
        "  0:00.040  typed        called get_time · completed · 31 tokens",
        "  0:00.100  after a tool first sound after 0.14 s · cut off, 0.04 s heard · "
        "completed · 37 tokens",
        "  0:00.180  error        response_cancel_not_active",
        "2 turns, 15 steps, all as recorded.  Every step: --full",
    ]


def test_a_spoken_turn_is_timed_from_the_last_word(capsys: pytest.CaptureFixture[str]) -> None:
    assert antiphon(str(Path(TAPE).with_name("interrupted.tape"))) == replay.SAME
    first, second, _ = capsys.readouterr().out.splitlines()
    assert "spoken       first sound after 0.31 s · cut off, 0.30 s heard" in first
    assert "cancelled" in first
    assert "completed" in second


def test_full_shows_what_was_said_but_no_audio(capsys: pytest.CaptureFixture[str]) -> None:
    assert antiphon(TAPE, "--full") == replay.SAME
    out = capsys.readouterr().out
    assert '"type":"session.update"' in out
    assert "It is noon." in out
    assert out.splitlines()[-1].endswith("steps, all as recorded.")
    assert "AAAAAAAAAAAA" not in out


def test_json_is_one_object_a_step(capsys: pytest.CaptureFixture[str]) -> None:
    assert antiphon(TAPE, "--json") == replay.SAME
    steps = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [s["step"] for s in steps] == list(range(len(steps)))
    opening = {"cause": "attached", "connection": "client", "owns": True, "wants_items": False}
    assert steps[0]["cause"] == opening
    assert steps[0]["effects"][0]["event"]["type"] == "session.created"
    assert {s["difference"] for s in steps} == {None}


def test_the_first_difference_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    writer = TapeWriter(tmp_path / "a.tape", Terms(session=session(), seed=SEED))
    writer.saw(1_500, Tick(), [ClearPlayout()])
    writer.close()
    assert antiphon(str(tmp_path / "a.tape"), "--full") == replay.DIFFERENT
    out = capsys.readouterr().out
    assert '  0:01.500  {"cause":"tick",' in out
    assert "First difference: step 0, effect 0:" in out
    assert "recorded: clear_playout()" in out
    assert "now:      nothing" in out


def test_what_is_no_tape_is_said_on_stderr(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "song.wav").write_bytes(b"RIFF")
    assert antiphon(str(tmp_path / "song.wav")) == replay.NO_TAPE
    assert "no tape of a session" in capsys.readouterr().err
