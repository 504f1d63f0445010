from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from num2words import num2words

from antiphon.engines.cascade.stt.spoken_words import spoken_words


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("How old is the Brooklyn Bridge?", "how old is the brooklyn bridge"),
        ("2.30. PM", "two thirty pm"),
        ("It’s 2:30 p.m.", "it's two thirty pm"),
        ("at 3:05", "at three oh five"),
        ("7 am", "seven am"),
        ("AM I late?", "am i late"),
        ("90210 01803", "nine zero two one zero zero one eight zero three"),
        ("a 12% chance, not 600,000", "a twelve percent chance not six hundred thousand"),
        ("6 × 10 = 60", "six times ten equals sixty"),
        ("the 21st, 2nd and 30th", "the twenty first second and thirtieth"),
        ("3.5 meters", "three point five meters"),
        ("Mr. Quilter, OK", "mister quilter okay"),
        ("R&D", "r and d"),
        ("...", ""),
    ],
)  # fmt: skip
def test_text_as_it_is_spoken(text: str, spoken: str) -> None:
    assert " ".join(spoken_words(text)) == spoken


@given(st.integers(0, 9_999))
def test_numbers(number: int) -> None:
    judge = num2words(number).replace("-", " ").replace(" and ", " ").replace(",", "")
    assert " ".join(spoken_words(str(number))) == judge


@given(st.integers(10_000, 10**12 - 1))
def test_long_numbers_with_commas(number: int) -> None:
    judge = num2words(number).replace("-", " ").replace(" and ", " ").replace(",", "")
    assert " ".join(spoken_words(f"{number:,}")) == judge


@given(st.text())
def test_spoken_words_are_their_own_spelling(text: str) -> None:
    spoken = spoken_words(text)
    assert spoken_words(" ".join(spoken)) == spoken
