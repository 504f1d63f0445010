from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.engines.cascade.parts import Speech, SpokenWord
from antiphon.engines.cascade.tts.local_voice_parts import (
    FIRST_CHARS,
    LATER_CHARS,
    parts,
    pieces,
)


def test_the_first_clause_is_made_first() -> None:
    text = "The table is booked, for two people. See you there, and have a nice day."
    found = list(parts(text))
    assert [part.spoken for part in found] == [
        "The table is booked,",
        "for two people. See you there, and have a nice day.",
    ]
    assert [text[part.begin : part.end] for part in found] == [
        "The table is booked, ",
        "for two people. See you there, and have a nice day.",
    ]


@pytest.mark.parametrize("text", ["Yes, sure.", "No.", "Well, I see."])
def test_a_short_sentence_is_made_whole(text: str) -> None:
    assert [part.spoken for part in parts(text)] == [text]


@given(st.text(alphabet="ab c,.!?…\n", max_size=600))
def test_parts_are_the_text_and_not_too_long(text: str) -> None:
    found = list(parts(text))
    limits = (FIRST_CHARS, *[LATER_CHARS] * len(found))
    assert all(len(part.spoken) <= limit for part, limit in zip(found, limits, strict=False))
    for before, after in pairwise(found):
        assert before.begin + len(before.spoken) <= before.end <= after.begin
    for part in found:
        assert text[part.begin : part.begin + len(part.spoken)].split() == part.spoken.split()
    said = sum(map(str.isalnum, "".join(part.spoken for part in found)))
    assert said == sum(map(str.isalnum, text))


@given(
    st.integers(0, 60_000),
    st.lists(st.integers(0, 60_000), max_size=20).map(sorted),
)
def test_pieces_are_the_whole_and_each_word_is_in_its_own(samples: int, ends: list[int]) -> None:
    words = tuple(SpokenWord(n + 1, min(end, samples)) for n, end in enumerate(ends))
    whole = Speech(bytes(2 * samples), words if samples else ())
    found = list(pieces(whole))
    assert b"".join(piece.pcm for piece in found) == whole.pcm
    assert [word for piece in found for word in piece.words] == list(whole.words)
    at = 0
    for piece in found:
        at += len(piece.pcm) // 2
        assert all(word.end_sample <= at for word in piece.words)
