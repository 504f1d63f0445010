"""Numbers and texts are what the model gave for recordings and synthetic voices."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.engines.cascade.stt.short_words import (
    PHRASES,
    WATCHED,
    is_doubtful,
    probable,
    urgent_already,
)
from antiphon.engines.cascade.stt.whisper_model import (
    DOUBTED_S,
    Beginning,
    Hypothesis,
    Instead,
    beginning,
    spellings,
)


def heard(text: str, mean_logprob: float, first: float, **watched: float) -> Hypothesis:
    """``first``: of the word that ``text`` begins with."""
    return Hypothesis(text, mean_logprob, 0.2, begins=Beginning(first, watched))


@pytest.mark.parametrize(
    ("hypothesis", "said"),
    [
        (heard("time", -1.51, -0.9, m=-2.6, h=-4.0, no=-5.1), "Mm-hmm."),
        (heard("fun", -1.26, -1.9, m=-4.0, uh=-4.4, no=-5.7), "Mm-hmm."),
        (heard("You had.", -1.29, -0.4, yes=-3.8, yeah=-4.3, wait=-7.4), "Yes."),
        (heard("you have you have", -1.14, -1.0, yeah=-2.5, yes=-4.1, no=-6.8), "Yeah."),
        (heard("Go, go, okay.", -1.02, -1.2, okay=-2.3, oh=-2.4, no=-3.4), "Okay."),
        (heard("stop", -1.41, -1.5, stop=-1.5, oh=-4.9), "Stop."),
        (heard("stuff.", -1.29, -1.5, stop=-2.8, uh=-5.0), "Stop."),
        (heard("Stop.", -1.36, -1.9, stop=-1.9, uh=-2.6), "Stop."),
        # What was said
        (heard("Meet on Thursday.", -1.70, -1.2, m=-1.2, h=-4.4, no=-7.8), ""),
        (heard("Mountain.", -1.28, -0.3, m=-4.4, no=-7.8), ""),
        (heard("How old are you?", -0.70, -0.3, oh=-5.2, hold=-7.7), ""),
        (heard("We are sure.", -0.75, -0.3, yeah=-1.0), ""),
        (heard("Hello?", -1.55, -2.2, oh=-4.2, no=-6.4), ""),
        (heard("but ruin.", -1.27, -2.2, okay=-4.8, no=-6.7), ""),
        (heard("Today.", -1.08, -0.1, okay=-6.2, no=-9.8), ""),
        # It may be either
        (heard("No.", -1.25, -2.3, no=-2.3, yeah=-2.1), ""),
        (Hypothesis("Okay.", -1.2), ""),
    ],
)
def test_what_a_short_sound_was(hypothesis: Hypothesis, said: str) -> None:
    assert probable(hypothesis, 0.8) == said


def compared(text: str, logprob: float, **phrases: float) -> Hypothesis:
    """Each phrase by its letters alone."""
    named = {"".join(filter(str.isalpha, phrase.lower())): phrase for phrase in PHRASES}
    instead = Instead(logprob, {named[name]: value for name, value in phrases.items()})
    return Hypothesis(text, -1.0, 0.2, instead=instead)


@pytest.mark.parametrize(
    ("hypothesis", "said"),
    [
        # A hum, by telephone
        (compared("Good time.", -2.2, good=-5.8, yeah=-8.0, nope=-9.9), "Good."),
        (compared("You have you have.", -6.8, yes=-6.0, yeah=-7.2, no=-9.1), "Yes."),
        (compared("No, okay.", -3.5, okay=-3.0, ohokay=-3.1, nookay=-5.5), "Okay."),
        (compared("Duh.", -7.3, good=-4.4, no=-7.7), "Good."),
        # "Stop", by telephone
        (compared("time.", -5.4, okay=-6.9, good=-7.3, yeah=-8.3, stop=-6.9), "Stop."),
        (compared("Stop.", -1.0, stop=-1.0), "Stop."),
        # What was said
        (compared("No, okay.", -3.3, okay=-3.0, ohokay=-3.1, nookay=-3.4, no=-4.0), ""),
        (compared("Good times.", -0.7, good=-7.8, no=-10.4), ""),
        (compared("No.", -1.7, yeah=-3.0, no=-1.5), ""),
        (compared("Hello?", -1.8, alright=-8.0, no=-9.4), ""),
        (compared("To the...", -5.3, okay=-8.2, excuseme=-8.0), ""),
        (compared("Start.", -1.7, okay=-7.0, stop=-5.8), ""),
        (compared("Bye, bye.", -7.3, okay=-7.1, no=-7.5, stop=-10.0), ""),  # A hum
        (compared("Tuesday.", -3.3, excuseme=-8.0), ""),
    ],
)
def test_a_phrase_that_fits_as_well_was_said(hypothesis: Hypothesis, said: str) -> None:
    assert probable(hypothesis, 0.8) == said


@pytest.mark.parametrize(
    ("text", "mean_logprob", "is_compared"),
    [("No, okay.", -0.9, True), ("No, okay.", -0.5, False), ("Oh, okay.", -0.9, False)],
)
def test_only_doubtful_words_that_do_not_listen_are_compared(
    text: str, mean_logprob: float, is_compared: bool
) -> None:
    assert is_doubtful(Hypothesis(text, mean_logprob)) == is_compared


def test_what_is_longer_is_what_it_says() -> None:
    assert probable(heard("time", -1.51, -0.9, m=-2.6), DOUBTED_S) == ""


@pytest.mark.parametrize(
    ("hypothesis", "said"),
    [
        (heard("stop", -1.48, -1.5, stop=-1.5, oh=-4.0), "Stop."),
        (heard("way.", -1.52, -1.7, wait=-2.0, oh=-4.4), "Wait."),
        (heard("No.", -1.30, -1.8, no=-1.8, okay=-2.7, oh=-3.8), ""),  # Oh, okay
        (heard("Okay.", -1.03, -0.4, okay=-0.4, no=-4.2), ""),
        (heard("And...", -1.80, -2.1, m=-1.4, no=-3.6), ""),
        (heard("Power.", -1.21, -0.5, okay=-4.8, hold=-6.8), ""),
        (Hypothesis("No."), ""),
    ],
)
def test_only_who_wants_the_floor_is_understood_in_mid_word(
    hypothesis: Hypothesis, said: str
) -> None:
    assert urgent_already(hypothesis) == said


@given(st.dictionaries(st.sampled_from(WATCHED), st.floats(-9, 0)), st.floats(-3, 0))
def test_one_sound_is_not_both(watched: dict[str, float], first: float) -> None:
    hypothesis = heard("fun", -1.2, first, **watched)
    early, whole = urgent_already(hypothesis), probable(hypothesis, 0.8)
    if early and whole:
        assert early == whole


def test_a_word_counts_however_it_is_spelled() -> None:
    spelled = spellings(["Stop", "Ġstop", "Ġnow", "stop"], ["stop", "wait"])
    assert spelled == {"stop": [3, 1, 0]}
    logprobs = np.log(np.array([0.1, 0.2, 0.4, 0.3], np.float32))
    begins = beginning(logprobs, 2, spelled)
    assert np.exp(begins.logprob) == pytest.approx(0.4, abs=1e-6)
    assert np.exp(begins.watched["stop"]) == pytest.approx(0.6, abs=1e-6)
