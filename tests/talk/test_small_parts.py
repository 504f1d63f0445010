"""Levels, the turn clock, tool calls, keys."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.talk.level import FLOOR_DB, Meter, bar, level_db
from antiphon.talk.terminal import LineEditor
from antiphon.talk.toolcalls import Call, ToolCalls
from antiphon.talk.turns import TurnClock
from tests.fakes.realtime_server import tone


def test_the_level_of_a_full_scale_sine_is_3_db_below_full_scale() -> None:
    assert level_db(tone(100, amplitude=32767)) == pytest.approx(-3.01, abs=0.01)
    assert level_db(bytes(960)) == FLOOR_DB
    assert level_db(b"") == FLOOR_DB


def test_a_meter_rises_at_once_and_falls_slowly() -> None:
    meter = Meter()
    meter.hear(tone(20, amplitude=32767), 0)
    assert meter.db(500) == pytest.approx(-23.01, abs=0.1)
    meter.hear(bytes(960), 500)
    assert meter.db(600) == pytest.approx(-27.01, abs=0.1)


@given(st.floats(-200, 50), st.integers(1, 40))
def test_a_bar_has_its_width(db: float, width: int) -> None:
    assert len(bar(db, width)) == width


def test_a_turn_is_timed_from_the_first_news_of_its_end() -> None:
    clock = TurnClock()
    clock.speech_began()
    clock.speech_was_sent(1000)
    clock.turn_ended(1500)
    clock.turn_ended(1510)
    clock.audio_came(1800)
    clock.audio_came(1900)
    turn = clock.sound_began(1840)
    assert turn is not None
    assert (turn.audio_after_ms, turn.sound_after_ms) == (300, 340)
    assert turn.sound_after_speech_ms == 840
    assert clock.sound_began(2500) is None


def test_a_turn_that_was_never_answered_is_counted_but_not_timed() -> None:
    clock = TurnClock()
    clock.turn_ended(0)
    clock.speech_began()
    clock.turn_ended(1000)
    clock.audio_came(1100)
    clock.sound_began(1200)
    assert len(clock.turns) == 2
    assert clock.summary_ms() == (200, 200)


def test_a_call_without_a_canned_result_waits_for_the_user_if_one_can_be_asked() -> None:
    calls = ToolCalls({"known": "1"}, may_ask=True)
    assert calls.called(Call("c1", "known", "{}")) == "1"
    assert calls.called(Call("c2", "other", "{}")) is None
    assert calls.waiting == Call("c2", "other", "{}")
    assert calls.answer("c2") == Call("c2", "other", "{}")
    assert calls.answer("c2") is None
    assert calls.waiting is None


def test_keys_become_lines() -> None:
    editor = LineEditor()
    assert editor.feed("grü".encode()[:3]) == []
    assert editor.feed("grü".encode()[3:] + b"\x1b[1;5Csx\x7f") == []
    assert editor.draft == "grüs"
    assert editor.feed(b"\n\nabc\x15d\r") == ["grüs", "", "d"]
