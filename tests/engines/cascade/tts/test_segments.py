from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from antiphon.engines.cascade.tts.segments import Segment, segments


def test_a_short_text_is_one_segment_without_the_space_around_it() -> None:
    assert segments("  Hello there. \n", 300) == [Segment("Hello there.", 2, 16)]


def test_cuts_prefer_sentences_then_clauses_then_words() -> None:
    assert [s.spoken for s in segments("One two. Three four five", 16)] == [
        "One two.",
        "Three four five",
    ]
    assert [s.spoken for s in segments("One two, three four", 14)] == ["One two,", "three four"]
    assert [s.spoken for s in segments("One two three four", 14)] == ["One two three", "four"]
    assert [s.spoken for s in segments("x" * 25, 10)] == ["x" * 10, "x" * 10, "x" * 5]


def test_what_is_silent_belongs_to_the_segment_before() -> None:
    assert segments("Yes. " + "." * 30, 10) == [Segment("Yes.", 0, 35)]
    assert segments("." * 30, 10) == []


@given(st.text(alphabet=st.sampled_from("ab .,\n\0é…你%"), max_size=200), st.integers(4, 40))
def test_segments_are_the_text_in_order(text: str, limit_chars: int) -> None:
    found = segments(text, limit_chars)
    for segment in found:
        assert len(segment.spoken) <= limit_chars
        assert segment.begin + len(segment.spoken) <= segment.end
        stood_for = text[segment.begin : segment.begin + len(segment.spoken)]
        assert segment.spoken == stood_for.replace("\0", " ").replace("\n", " ")
    for a, b in itertools.pairwise(found):
        assert a.end <= b.begin
    said = "".join(s.spoken for s in found)
    assert sum(map(str.isalnum, said)) == sum(map(str.isalnum, text))
    if found:
        assert found[-1].end == len(text)
