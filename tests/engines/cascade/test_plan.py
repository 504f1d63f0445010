from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.engines.cascade.plan import MAX_CHARS, SentencePlan


def pieces(*texts: str) -> list[str]:
    plan = SentencePlan()
    return [piece for text in texts for piece in plan.add(text)] + plan.flush()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello there. How are you?", ["Hello there. ", "How are you?"]),
        ("It is 3.5 metres. Fine.", ["It is 3.5 metres. ", "Fine."]),
        ("Ask Dr. Smith about it. Then go.", ["Ask Dr. Smith about it. ", "Then go."]),
        ("Yes. No. Maybe so, they said.", ["Yes. ", "No. Maybe so, they said."]),
        ("One\nTwo", ["One\n", "Two"]),
    ],
)
def test_text_is_cut_where_a_speaker_would_breathe(text: str, expected: list[str]) -> None:
    assert pieces(text) == expected


def test_a_sentence_is_given_as_soon_as_the_next_one_begins() -> None:
    plan = SentencePlan()
    assert plan.add("It is half past t") == []
    assert plan.add("wo. ") == ["It is half past two. "]


def test_speech_begins_with_the_first_clause_of_a_long_sentence() -> None:
    plan = SentencePlan()
    assert plan.add("When the moon is full, the ti") == []
    assert plan.add("de is high, and ") == ["When the moon is full, the tide is high, "]
    assert plan.add("low, and so on, and on, and on") == []


def test_text_without_any_end_is_cut_all_the_same() -> None:
    found = pieces("word " * 200)
    assert max(map(len, found)) <= MAX_CHARS


@given(st.lists(st.text("ab .,!?\n…", max_size=60), max_size=12))
def test_nothing_is_lost_or_added(texts: list[str]) -> None:
    assert "".join(pieces(*texts)) == "".join(texts)


@given(st.text("ab .,!?\n", max_size=200), st.integers(1, 7))
def test_no_piece_is_empty(text: str, step: int) -> None:
    assert all(pieces(*(text[i : i + step] for i in range(0, len(text), step))))
