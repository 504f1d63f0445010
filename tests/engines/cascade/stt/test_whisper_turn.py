"""When a turn is decoded, and what is told: with texts in place of a model."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from antiphon.engines.cascade.stt.whisper_model import Beginning, Hypothesis
from antiphon.engines.cascade.stt.whisper_turn import CUT_FROM, CUT_TO, Need, Turn
from antiphon.engines.cascade.stt.wire import Heard

QUIET, LOUD = 10, 3_000
SURE, NOISE = (-0.4, 0.1), (-2.0, 0.7)


def sound(seconds: float, level: int) -> bytes:
    """At 24 kHz."""
    rng = np.random.default_rng(1)
    return (rng.normal(size=round(seconds * 24_000)) * level).astype("<i2").tobytes()


def hear(turn: Turn, seconds: float, level: int) -> Turn:
    pcm = sound(seconds, level)
    for at in range(0, len(pcm), 960):
        turn.hear(pcm[at : at + 960])
    return turn


def talk(turn: Turn, seconds: float) -> Turn:
    """Syllables."""
    for _ in range(round(seconds * 2)):
        hear(hear(turn, 0.4, LOUD), 0.1, QUIET)
    return turn


def speaking(*, live: bool = False) -> Turn:
    return hear(hear(Turn(live=live), 0.3, QUIET), 1.0, LOUD)


def decode(turn: Turn, text: str, quality: tuple[float, float] = SURE) -> Heard | None:
    return turn.done(turn.work(), Hypothesis(text, *quality))


def test_nothing_is_done_while_somebody_speaks() -> None:
    assert speaking().need is None


def test_a_pause_is_decoded_once() -> None:
    turn = hear(speaking(), 0.3, QUIET)
    assert turn.need is Need.PAUSE
    work = turn.work()
    assert turn.need is None, "it is under way"
    assert turn.done(work, Hypothesis("Today.", *SURE)) == Heard("Today.", False, 0)
    assert hear(turn, 0.5, QUIET).need is None


def test_a_turn_that_ends_in_the_pause_is_known_at_once() -> None:
    turn = hear(speaking(), 0.3, QUIET)
    decode(turn, "Today.")
    hear(turn, 0.2, QUIET).finish()
    assert turn.over
    assert turn.final() == Heard("Today.", True, 6)


def test_the_language_is_that_of_what_was_understood() -> None:
    turn = hear(speaking(), 0.3, QUIET)
    turn.done(turn.work(), Hypothesis("Heute.", *SURE, "de"))
    hear(hear(turn, 1.0, LOUD), 0.3, QUIET)
    turn.done(turn.work(), Hypothesis("La la.", *NOISE, "fr"))
    turn.finish()
    assert turn.final().language == "de"


def test_a_turn_that_ends_while_the_pause_is_decoded_waits_for_no_more_than_that() -> None:
    turn = hear(speaking(), 0.3, QUIET)
    work = turn.work()
    turn.finish()
    assert not turn.over
    assert turn.done(work, Hypothesis("Today.", *SURE)) is None
    assert turn.over
    assert turn.final().text == "Today."


def test_who_goes_on_is_decoded_again() -> None:
    turn = hear(speaking(), 0.3, QUIET)
    decode(turn, "Isolated tornadoes.")
    hear(hear(turn, 1.0, LOUD), 0.1, QUIET).finish()
    assert not turn.over
    assert turn.need is Need.END
    decode(turn, "Isolated tornadoes and heavy rain.")
    assert turn.over
    assert turn.final().text == "Isolated tornadoes and heavy rain."


def test_words_are_looked_for_while_spoken_only_where_they_are_wanted() -> None:
    turn = speaking(live=True)
    assert turn.need is Need.LIVE
    assert decode(turn, "How old is it?") == Heard("How old is it?", False, 0, while_spoken=True)
    assert turn.need is None
    hear(turn, 0.9, LOUD)
    assert turn.need is Need.LIVE
    assert decode(turn, "How old is the") == Heard("How old is the", False, 10, while_spoken=True)


def interrupting(text: str, **watched: float) -> Heard | None:
    turn = hear(hear(Turn(live=True), 0.3, QUIET), 0.3, LOUD)
    work = turn.work()
    assert work.need is Need.EARLY
    told = turn.done(work, Hypothesis(text, *SURE, begins=Beginning(-0.5, watched)))
    assert turn.need is None, "it is looked at once so early"
    assert hear(turn, 0.3, LOUD).need is Need.LIVE, "as if nobody had looked"
    return told


def test_a_word_that_wants_the_floor_is_told_before_it_is_over() -> None:
    assert interrupting("Stop.", stop=-0.5, oh=-5.0) == Heard(
        "", False, while_spoken=True, aside="Stop."
    )


def test_of_other_words_that_go_on_nothing_is_told() -> None:
    assert interrupting("Okay.", okay=-0.5, no=-5.0) is None
    assert interrupting("Today.", okay=-5.0, no=-6.0) is None


def test_where_no_words_are_wanted_early_nobody_looks_for_them() -> None:
    assert hear(hear(Turn(live=False), 0.3, QUIET), 0.3, LOUD).need is None


def test_what_it_was_beside_somebodys_speech_is_told_beside_the_text() -> None:
    turn = hear(hear(hear(Turn(live=True), 0.3, QUIET), 0.3, LOUD), 0.3, QUIET)
    hypothesis = Hypothesis("fun", -1.1, 0.2, begins=Beginning(-1.9, {"m": -2.0}))
    told = turn.done(turn.work(), hypothesis)
    assert told == Heard("fun", False, aside="Mm-hmm.")
    turn.finish()
    assert turn.final() == Heard("fun", True, 3, aside="Mm-hmm.")


def test_what_was_said_instead_matters_where_words_are_wanted_and_of_a_whole_sound() -> None:
    pause = hear(hear(hear(Turn(live=True), 0.3, QUIET), 0.4, LOUD), 0.3, QUIET)
    assert pause.work().compares
    early = hear(hear(Turn(live=True), 0.3, QUIET), 0.3, LOUD).work()
    assert early.need is Need.EARLY
    assert not early.compares
    assert not hear(speaking(), 0.3, QUIET).work().compares


def test_noise_says_nothing() -> None:
    turn = hear(speaking(), 0.3, QUIET)
    assert decode(turn, "Thank you.", NOISE) == Heard("", final=False), "it was listened to"
    turn.finish()
    assert turn.final() == Heard("", True)


def test_an_empty_turn_is_over_at_once() -> None:
    turn = Turn(live=False)
    turn.hear(b"")
    assert turn.need is None
    turn.finish()
    if turn.need is not None:  # What the filters hold back is looked at.
        decode(turn, "")
    assert turn.over
    assert turn.final() == Heard("", True)


def test_a_turn_without_a_loud_moment_is_decoded_at_its_end() -> None:
    turn = hear(Turn(live=False), 1.0, QUIET)
    turn.finish()
    assert turn.need is Need.END
    decode(turn, "You", NOISE)
    assert turn.over


def test_a_long_turn_is_decoded_in_parts_cut_where_it_is_quiet() -> None:
    turn = talk(hear(hear(Turn(live=False), 10.0, LOUD), 0.2, QUIET), 6.5)
    work = turn.work()
    assert work.need is Need.PART
    assert CUT_FROM <= work.end <= CUT_TO
    assert 1_000 <= work.end <= 1_020
    turn.done(work, Hypothesis("The first part.", *SURE))
    turn.finish()
    assert turn.need is Need.END
    decode(turn, "The second.")
    assert turn.over
    assert turn.final().text == "The first part. The second."


def test_a_long_turn_is_settled_in_its_pauses() -> None:
    turn = hear(talk(Turn(live=False), 11.0), 0.4, QUIET)
    assert turn.need is Need.PAUSE
    decode(turn, "A long sentence.")
    hear(turn, 0.5, QUIET).finish()
    assert turn.over, "nothing was said since"
    assert turn.final().text == "A long sentence."


def test_after_a_settled_pause_only_what_follows_is_decoded() -> None:
    turn = hear(talk(Turn(live=False), 11.0), 0.4, QUIET)
    decode(turn, "A long sentence.")
    hear(talk(hear(turn, 0.4, QUIET), 1.0), 0.4, QUIET)
    work = turn.work()
    assert work.end < 300
    turn.done(work, Hypothesis("And more.", *SURE))
    turn.finish()
    assert turn.final().text == "A long sentence. And more."


PIECES = st.lists(
    st.tuples(st.sampled_from([0.1, 0.4, 1.0, 3.0]), st.sampled_from([QUIET, LOUD])), max_size=8
)


@settings(deadline=None, max_examples=50)
@given(PIECES, st.booleans())
def test_every_turn_comes_to_its_end(pieces: list[tuple[float, int]], live: bool) -> None:
    turn = Turn(live=live)
    shown = ""
    for seconds, level in pieces:
        hear(turn, seconds, level)
        while turn.need is not None:
            if told := decode(turn, "one two three"):
                assert told.text.startswith(shown)
                shown = told.text[: told.stable_chars]
    turn.finish()
    if turn.need is Need.PART:
        decode(turn, "four")
    if turn.need is not None:
        decode(turn, "five")
    assert turn.over
    assert turn.final().final


def test_what_is_made_of_a_hum_is_told_only_at_the_end() -> None:
    turn = hear(hear(hear(Turn(live=True), 0.3, QUIET), 0.4, LOUD), 0.3, QUIET)
    unsure = (-1.5, 0.2)
    assert decode(turn, "Time.", unsure) == Heard("", final=False)
    turn.finish()
    assert turn.final().text == "Time."


def test_that_nothing_more_was_said_is_told_too_where_somebody_waits_for_it() -> None:
    turn = speaking(live=True)
    decode(turn, "Okay.")
    decode(hear(turn, 0.9, LOUD), "Okay.")
    hear(turn, 0.3, QUIET)
    assert turn.need is Need.PAUSE
    assert decode(turn, "Okay.") == Heard("Okay.", False, 4)
