from __future__ import annotations

import io
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.talk import notices
from antiphon.talk.conversation import State
from antiphon.talk.screen import COLOURS, PLAIN, Status, columns, live_lines, render, tail
from antiphon.talk.views import JsonView, LiveView, PlainView

STATUS = Status(
    state=State.LISTENING, user_db=-60, agent_db=0, elapsed_ms=65_000, turns=3, last_ms=612
)
CUT = notices.AgentSaid(item_id="a", text="one two", cut="three four", audio_end_ms=700)


def without_colours(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def test_words_that_were_cut_off_stand_in_brackets_or_struck_through() -> None:
    assert render(CUT, 80, PLAIN) == "agent   one two [three four]"
    assert render(CUT, 80, COLOURS) == (
        "\x1b[35magent   \x1b[0mone two \x1b[9;31mthree\x1b[0m\x1b[9;31m four\x1b[0m"
    )


def test_long_captions_hang_under_their_label() -> None:
    said = notices.UserSaid(item_id="u", text="one two three four")
    assert render(said, 18, PLAIN) == "you     one two\n        three four"


def test_nobody_steers_the_terminal_with_words() -> None:
    said = notices.UserSaid(item_id="u", text="red \x1b[31m\x07alert")
    assert render(said, 80, PLAIN) == "you     red [31m alert"


@pytest.mark.parametrize(
    ("notice", "line"),
    [
        (
            notices.TurnTimed(
                turn=1, audio_after_ms=550, sound_after_ms=612, sound_after_speech_ms=1130
            ),
            "        first sound 1.13 s after the last word · 0.61 s after the turn ended · "
            "first audio message 0.55 s",
        ),
        (
            notices.TurnTimed(turn=1, audio_after_ms=550, sound_after_ms=612),
            "        first sound 0.61 s after the turn ended · first audio message 0.55 s",
        ),
        (
            notices.Connected(session_id="s", model="gpt-realtime", engine="offline", voice="gb"),
            "        connected · engine offline · voice gb · model asked for: gpt-realtime",
        ),
        (notices.Connected(session_id="s", model="", again=True), "        connected again"),
        (notices.ServerError(message="Bad.", param="x"), "error   Bad. [x]"),
        (
            notices.Reconnecting(why="the connection broke", attempt=1, delay_ms=250),
            "lost    the connection broke; back in 0.25 s",
        ),
        (notices.ToolCalled(call_id="c", name="f", arguments="{}"), "tool    f({})"),
        (notices.AgentSaid(item_id="a", text=""), "agent   (sound without words)"),
        (
            notices.Summary(exit=0, turns=1, median_ms=500, max_ms=700, sent_s=3.2, heard_s=1),
            "        1 turn · first sound after 0.50 s (median), 0.70 s (longest) · "
            "3.2 s sent, 1.0 s heard",
        ),
    ],
)
def test_notices_read_well(notice: notices.Notice, line: str) -> None:
    assert render(notice, 200, PLAIN) == line


def test_the_status_line() -> None:
    lines = live_lines("", STATUS, 100, PLAIN, hint="")
    assert lines == [
        "● listening      you ▕          ▏ agent ▕██████████▏ 1:05  turn 3  0.61 s",
    ]


@given(st.integers(20, 120), st.text(max_size=60), st.text(max_size=200), st.text(max_size=200))
def test_no_live_line_is_wider_than_the_terminal(
    width: int, user: str, heard: str, coming: str
) -> None:
    status = Status(
        state=State.SPEAKING,
        user_db=-20,
        agent_db=-20,
        elapsed_ms=0,
        turns=1,
        heard=heard,
        coming=coming,
        name="a_rather_long_name.wav",
        draft=user.replace("\n", ""),
        asks="result of f",
    )
    for line in live_lines(user, status, width, COLOURS, hint="type"):
        assert columns(without_colours(line)) <= width


def test_wide_characters_count_twice() -> None:
    assert columns("砸a") == 3
    assert tail("砸砸砸", 5) == "…砸砸"


def test_the_live_part_is_redrawn_in_place_and_at_most_15_times_a_second() -> None:
    out = io.StringIO()
    view = LiveView(out, PLAIN, width=lambda: 81)
    view.draw(STATUS, 0)
    first = out.tell()
    view.draw(Status(state=State.THINKING, user_db=0, agent_db=0, elapsed_ms=0, turns=0), 60)
    assert out.tell() == first
    view.draw(Status(state=State.THINKING, user_db=0, agent_db=0, elapsed_ms=0, turns=0), 70)
    assert out.getvalue()[first:].startswith("\r\x1b[J● thinking")
    # What stays is written above; the live part is drawn again at once.
    view.show(CUT, 75)
    assert out.getvalue().endswith("\r\x1b[Jagent   one two [three four]\n")
    view.draw(STATUS, 76)
    assert "● listening" in out.getvalue().rsplit("\n", 1)[1]
    view.close()
    assert out.getvalue().endswith("\x1b[?25h")


def test_json_lines_leave_out_what_is_not_final() -> None:
    out = io.StringIO()
    view = JsonView(out)
    view.show(notices.AgentSaying(item_id="a", text="o"), 1)
    view.show(notices.UserSaid(item_id="u", text="h", final=False), 2)
    view.show(CUT, 3.4)
    assert [json.loads(line) for line in out.getvalue().splitlines()] == [
        {
            "at_ms": 3,
            "event": "agent",
            "item_id": "a",
            "text": "one two",
            "cut": "three four",
            "audio_end_ms": 700,
        }
    ]


def test_plain_lines_are_not_broken() -> None:
    out = io.StringIO()
    PlainView(out).show(notices.UserSaid(item_id="u", text="word " * 100), 0)
    assert out.getvalue().count("\n") == 1
