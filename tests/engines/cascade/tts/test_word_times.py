from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.core.causes import MEDIA_RATE_HZ
from antiphon.engines.cascade.parts import SpokenWord
from antiphon.engines.cascade.tts.word_times import LETTERS_PER_S, WordTimes, word_times

SECOND = MEDIA_RATE_HZ


def test_words_share_the_sound_by_their_letters() -> None:
    assert word_times("one two, three", 14_000) == (
        SpokenWord(3, 4_000),
        SpokenWord(8, 9_000),
        SpokenWord(14, 14_000),
    )


def test_signs_that_stand_alone_belong_to_the_word_before() -> None:
    assert [word.text_end for word in word_times("yes — no !", 100)] == [5, 10]


def test_signs_of_scripts_without_spaces_are_words() -> None:
    assert [word.text_end for word in word_times("今日は。", 4_000)] == [1, 2, 4]


@pytest.mark.parametrize("text", ["", "…", " ! "])
def test_what_is_silent_has_no_words(text: str) -> None:
    assert word_times(text, SECOND) == ()


def test_while_it_comes_words_are_told_at_the_known_pace_and_the_last_one_at_the_end() -> None:
    times = WordTimes("abcd efgh ijkl", letters_per_s=10)
    assert times.grow(SECOND // 4) == ()
    assert times.grow(SECOND // 4) == (SpokenWord(4, SECOND // 2),)
    assert times.grow(2 * SECOND) == (SpokenWord(9, SECOND),)
    assert times.end() == (SpokenWord(14, 5 * SECOND // 2),)


def test_a_pace_is_learned_of_an_utterance_that_is_long_enough() -> None:
    long, short = WordTimes("abcd efgh ijkl"), WordTimes("abc")
    for times in (long, short):
        times.grow(2 * SECOND)
        times.end()
    assert long.letters_per_s == 7
    assert short.letters_per_s == LETTERS_PER_S


@given(
    text=st.text(max_size=60),
    pieces=st.lists(st.integers(0, 60_000), max_size=8),
    letters_per_s=st.floats(1, 100),
)
def test_marks_grow_and_end_with_the_text_and_within_the_sound(
    text: str, pieces: list[int], letters_per_s: float
) -> None:
    times = WordTimes(text, letters_per_s=letters_per_s)
    words: list[SpokenWord] = []
    come = 0
    for samples in pieces:
        words += times.grow(samples)
        come += samples
        assert all(word.end_sample <= come for word in words)
    words += times.end()
    ends = [word.text_end for word in words]
    samples_at = [word.end_sample for word in words]
    assert ends == sorted(set(ends))
    assert samples_at == sorted(samples_at)
    if any(map(str.isalnum, text)):
        assert ends[-1] == len(text.rstrip())
        assert samples_at[-1] == come
