from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from antiphon.talk.captions import ReplyText


def spoken(*deltas: tuple[str, int]) -> ReplyText:
    reply = ReplyText()
    for delta, received_ms in deltas:
        reply.add(delta, received_ms=received_ms)
    return reply


def test_words_are_spread_over_the_sound_by_their_length() -> None:
    reply = spoken(("one two three four", 0))
    assert reply.split(700, 1800, is_complete=True) == ("one two", "three four")


def test_a_word_is_not_spoken_before_the_sound_that_was_there_when_it_came() -> None:
    reply = spoken(("Yes.", 0), (" And a second sentence.", 2000))
    # By length alone, "And" would have been spoken by 600 ms.
    assert reply.split(1500, 4000, is_complete=True) == ("Yes.", "And a second sentence.")


def test_a_reply_still_to_come_is_not_thought_shorter_than_its_words() -> None:
    reply = spoken(("one two three four five", 0))
    assert reply.split(500, 600, is_complete=False) == ("one two", "three four five")


def test_all_of_it_was_heard() -> None:
    assert spoken(("one two", 0)).split(800, 800, is_complete=True) == ("one two", "")


def test_none_of_it_was_heard() -> None:
    assert spoken(("one two", 0)).split(0, 800, is_complete=True) == ("", "one two")
    assert spoken(("one two", 0)).split(0, 0, is_complete=True) == ("", "one two")


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.text("ab ,.é\n", max_size=20), st.integers(0, 5000)), max_size=8),
    st.integers(0, 6000),
    st.integers(0, 6000),
    st.booleans(),
)
def test_no_word_is_lost(
    deltas: list[tuple[str, int]], heard_ms: int, received_ms: int, is_complete: bool
) -> None:
    reply = spoken(*deltas)
    heard, cut = reply.split(heard_ms, received_ms, is_complete=is_complete)
    assert (heard + " " + cut).split() == reply.text.split()
