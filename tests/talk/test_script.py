from __future__ import annotations

from dataclasses import replace

from antiphon.talk.script import SILENCE, TICK_BYTES, Move, Script, Speech, Standing, Typed

IDLE = Standing(is_ready=True, is_idle=True, replies_done=0, news_ms=0, reply_began_ms=None)
BUSY = replace(IDLE, is_idle=False)
FILE = Speech("a.wav", b"\x01" * (TICK_BYTES * 2 + 10), TICK_BYTES + 4)


def test_nothing_is_sent_before_the_session_is_ready() -> None:
    script = Script((Typed("hi"),))
    assert script.tick(replace(IDLE, is_ready=False), 0) == Move(SILENCE)
    assert script.tick(IDLE, 20).text == "hi"


def test_a_file_is_cut_into_20_ms_and_its_end_is_told() -> None:
    script = Script((FILE,))
    piece = b"\x01" * TICK_BYTES
    assert script.tick(IDLE, 0) == Move(piece, begins=True)
    assert script.name == "a.wav"
    assert script.tick(IDLE, 20) == Move(piece, speech_ended=True)
    last = b"\x01" * 10 + bytes(TICK_BYTES - 10)
    assert script.tick(IDLE, 40) == Move(last, ends_turn=True)
    assert script.tick(BUSY, 60) == Move(SILENCE)
    assert script.name is None


def test_the_next_step_waits_for_the_reply_and_a_second_for_a_late_turn() -> None:
    script = Script((replace(FILE, pcm=b"\x01" * TICK_BYTES), Typed("next")))
    script.tick(IDLE, 0)
    answered = replace(IDLE, replies_done=1)
    assert script.tick(answered, 500).text is None
    assert script.tick(replace(answered, is_idle=False), 1500).text is None
    assert script.tick(answered, 1520).text == "next"
    assert not script.is_over
    script.tick(replace(answered, replies_done=2), 1540)
    assert script.is_over


def test_barging_in_counts_from_when_the_reply_began() -> None:
    script = Script((Typed("one"), Typed("two")), barge_in_ms=500)
    script.tick(IDLE, 0)
    speaking = replace(BUSY, reply_began_ms=100)
    assert script.tick(speaking, 580).text is None
    assert script.tick(speaking, 600).text == "two"


def test_the_last_reply_is_heard_to_its_end() -> None:
    script = Script((Typed("one"),), barge_in_ms=500)
    script.tick(IDLE, 0)
    script.tick(replace(BUSY, reply_began_ms=100), 5000)
    assert not script.is_over


def test_a_step_without_a_reply_is_told_and_left_behind() -> None:
    script = Script((Typed("one"), Typed("two")), patience_ms=1000)
    script.tick(IDLE, 0)
    assert script.tick(replace(IDLE, news_ms=400), 1400).unanswered is None
    assert script.tick(replace(IDLE, news_ms=400), 1420).unanswered == "one"
    assert script.tick(IDLE, 1440).text == "two"


def test_a_step_can_be_sent_again() -> None:
    script = Script((FILE,))
    script.tick(IDLE, 0)
    script.restart_step()
    assert script.tick(IDLE, 20).begins


def test_in_manual_turns_there_is_no_silence_between_files() -> None:
    script = Script((Typed("one"),), is_manual=True)
    assert script.tick(IDLE, 0).sound == b""
