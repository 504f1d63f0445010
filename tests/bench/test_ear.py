from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antiphon.bench.ear import Ear
from antiphon.testing.conformance.sound import square_wave

QUIET = bytes(48)


def test_over_websocket_a_piece_is_heard_when_all_before_it_is_over() -> None:
    ear = Ear(is_live=False)
    ear.sound(square_wave(1_000), 100, "a")
    ear.sound(QUIET * 300 + square_wave(500), 110, "a")
    assert [(s.start_ms, s.end_ms) for s in ear.stretches] == [(100, 1_100), (1_400, 1_900)]
    assert ear.first_after(1_200) == 1_400


def test_sound_begins_at_its_first_audible_sample() -> None:
    ear = Ear(is_live=True)
    ear.sound(QUIET * 7 + square_wave(13), 50)
    assert ear.first_after(0) == 57


def test_what_was_stopped_is_not_heard_nor_what_still_comes_of_it() -> None:
    ear = Ear(is_live=False)
    ear.sound(square_wave(2_000), 0, "a")
    ear.stop(700)
    ear.sound(square_wave(100), 710, "a")
    assert [(s.start_ms, s.end_ms) for s in ear.stretches] == [(0, 700)]
    ear.sound(square_wave(100), 2_000, "b")
    assert ear.first_after(1_000) == 2_000


def test_live_only_the_server_can_stop() -> None:
    ear = Ear(is_live=True)
    for at in range(0, 100, 20):
        ear.sound(square_wave(20), at)
    ear.stop(50)
    assert ear.audible_until_ms() == 100


def test_a_piece_that_comes_after_its_time_is_late_and_all_behind_it() -> None:
    ear = Ear(is_live=False)
    for at_ms in (0, 5, 70, 75):
        ear.sound(square_wave(20), at_ms, "a")
    assert ear.take_lateness_ms() == [0, 0, 30, 15]
    assert ear.take_lateness_ms() == []


def test_each_reply_has_its_own_time() -> None:
    ear = Ear(is_live=False)
    ear.sound(square_wave(20), 0, "a")
    ear.sound(square_wave(20), 5_000, "b")
    assert ear.take_lateness_ms() == [0, 0]


def test_a_stall_in_live_speech_is_lateness_and_silence_around_it_is_none() -> None:
    ear = Ear(is_live=True)
    sounds = [(0, QUIET * 20), (20, square_wave(20)), (540, square_wave(20)), (900, QUIET * 20)]
    for at_ms, pcm in sounds:
        ear.sound(pcm, at_ms)
    assert ear.take_lateness_ms() == [0, 500]


@settings(derandomize=True, max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 300), st.integers(1, 200), st.booleans()), max_size=20),
    st.booleans(),
)
def test_stretches_are_in_order_apart_and_no_longer_than_what_came(
    pieces: list[tuple[int, int, bool]], is_live: bool
) -> None:
    ear, at_ms, heard_ms = Ear(is_live=is_live), 0, 0
    for wait_ms, length_ms, loud in pieces:
        at_ms += wait_ms
        ear.sound(square_wave(length_ms) if loud else QUIET * length_ms, at_ms)
        heard_ms += length_ms if loud else 0
    for before, after in zip(ear.stretches, ear.stretches[1:], strict=False):
        assert before.end_ms + 200 <= after.start_ms
    assert all(stretch.start_ms < stretch.end_ms for stretch in ear.stretches)
    assert bool(ear.stretches) == bool(heard_ms)
    assert all(late >= 0 for late in ear.take_lateness_ms())


@pytest.mark.parametrize("odd", [b"", b"\0"])
def test_half_a_sample_is_no_sound(odd: bytes) -> None:
    ear = Ear(is_live=False)
    ear.sound(odd, 0)
    assert ear.stretches == []
