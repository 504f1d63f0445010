from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from antiphon.engines.cascade.llm.offline.pieces import pieces_of


def test_the_dot_of_an_abbreviation_ends_the_sentence_too() -> None:
    assert list(pieces_of("It is nine p.m.. Go at two a.m. sharp.")) == [
        "It is nine p.m. ",
        "Go at two a.m. sharp.",
    ]


@given(st.text("Ab, .!?\n", max_size=200))
def test_nothing_is_lost(text: str) -> None:
    assert "".join(pieces_of(text)) == text
