"""Words get marks: some as the sound comes, all of them in the end, each within the sound."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from antiphon.core.causes import MEDIA_RATE_HZ, Word
from antiphon.engines.relay.pace import Pace, Speech


def test_words_that_have_ended_are_marked_while_the_sound_still_comes() -> None:
    speech = Speech(Pace(iter(range(1000)).__next__))  # A second passes with each look.
    speech.say("Let me tell you")  # 15 characters, a second at the first guess
    assert speech.speak(MEDIA_RATE_HZ // 2) == (Word(3, 4800), Word(6, 9600))
    assert speech.speak(MEDIA_RATE_HZ // 2) == (Word(11, 17600),)
    assert speech.finish() == (Word(15, 24000),)
    assert speech.heard_samples("Let me") == 9600
    assert speech.heard_samples("") == 0


def test_in_an_item_that_is_whole_before_it_is_heard_its_own_pace_counts() -> None:
    speech = Speech(Pace(lambda: 0))
    speech.say("one two three four")
    assert speech.speak(MEDIA_RATE_HZ) == ()
    assert speech.finish() == (Word(3, 4000), Word(7, 9333), Word(13, 17333), Word(18, 24000))


def test_the_pace_of_a_voice_is_learnt() -> None:
    pace = Pace(lambda: 0)
    for _ in range(12):
        speech = Speech(pace)
        speech.say("twenty characters it")
        speech.speak(MEDIA_RATE_HZ * 4)
        speech.finish()
    assert abs(pace.samples_per_character - MEDIA_RATE_HZ / 5) < 10


@given(
    st.lists(st.tuples(st.text(alphabet="ab \n", max_size=12), st.integers(0, 30_000)), max_size=8)
)
def test_marks_go_forward_and_stay_within_text_and_sound(pieces: list[tuple[str, int]]) -> None:
    speech = Speech(Pace(lambda: 0))
    for text, samples in pieces:
        speech.say(text)
        speech.speak(samples)
    speech.finish()
    ends = [(mark.text_end, mark.end_sample) for mark in speech.marks]
    assert ends == sorted(ends)
    assert all(end <= len(speech.text) and at <= speech.samples for end, at in ends)
    assert len(ends) == len(speech.text.split())
