"""Numbers and texts are what the model gave for recordings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.engines.cascade.stt.rejection import believed, said_once
from antiphon.engines.cascade.stt.whisper_model import Hypothesis

words = st.lists(st.sampled_from("abc"), max_size=12)


@pytest.mark.parametrize(
    ("text", "mean_logprob", "no_speech", "heard_s"),
    [
        ("Book a room.", -0.78, 0.30, 1.6),
        ("Yes, please.", -1.07, 0.30, 1.6),
        ("Yes please.", -1.44, 0.28, 1.6),
        ("10001 90210 01 803", -1.16, 0.35, 9.0),
        ("No, no, no, no.", -0.7, 0.1, 2.5),
        ("Thank you, thank you.", -0.7, 0.1, 1.8),
    ],
)
def test_what_was_said_is_believed(
    text: str, mean_logprob: float, no_speech: float, heard_s: float
) -> None:
    assert believed(Hypothesis(text, mean_logprob, no_speech), heard_s) == text


@pytest.mark.parametrize(
    ("text", "mean_logprob", "no_speech"),
    [
        ("You", -1.27, 0.63),  # a street
        ("Yep.", -1.48, 0.50),  # a fan
        ("I'm not sure.", -2.10, 0.57),
        ("I don't think I'll be going like this in a while.", -1.18, 0.57),
        ("Oh, oh, oh, oh, oh, oh, oh, oh, oh, oh, oh, oh, oh", -0.38, 0.65),  # a dog
        ("You...", -1.97, 0.42),  # a telephone
        ("...", -0.3, 0.1),
        ("", -0.1, 0.0),
    ],
)
def test_what_noise_is_taken_for_is_not(text: str, mean_logprob: float, no_speech: float) -> None:
    assert believed(Hypothesis(text, mean_logprob, no_speech), 4.8) == ""


@pytest.mark.parametrize(
    ("text", "heard_s", "once"),
    [
        ("10 of clubs. 10 of clubs. 10 of clubs. 10 of clubs", 1.6, "10 of clubs."),
        (
            "What is the capital of Portugal? What is the capital of Portugal? What is the",
            2.8,
            "What is the capital of Portugal?",
        ),
        ("Today, today, today, today, today, today, today", 1.3, "Today,"),
        ("Please book a room book a room book a room book a", 1.8, "Please book a room"),
    ],
)
def test_who_cannot_stop_is_believed_once(text: str, heard_s: float, once: str) -> None:
    assert believed(Hypothesis(text, -0.2, 0.05), heard_s) == once


def test_nobody_says_so_much_in_so_little_time() -> None:
    text = "the quick brown fox jumps over the lazy dog and then it sleeps until noon"
    assert believed(Hypothesis(text, -0.2, 0.05), 1.0) == ""


@given(words, words.filter(bool), st.integers(3, 5))
def test_saying_it_again_adds_nothing(before: list[str], phrase: list[str], times: int) -> None:
    repeated = [*before, *phrase * times]
    assert said_once(repeated) <= len(before) + len(phrase)


@given(words)
def test_what_is_left_is_the_beginning_and_has_no_repeats_to_remove(said: list[str]) -> None:
    left = said[: said_once(said)]
    assert bool(left) == bool(said)
    assert said_once(left) <= len(left)


@given(st.lists(st.integers(), unique=True, max_size=12))
def test_different_words_all_stay(said: list[int]) -> None:
    assert said_once([str(word) for word in said]) == len(said)
