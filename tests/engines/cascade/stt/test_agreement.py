from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.engines.cascade.stt.agreement import (
    AgreedPrefix,
    StablePrefix,
    TimedWord,
    agreement,
)


@pytest.mark.parametrize(
    ("a", "b", "value"),
    [
        ("", "", 1.0),
        ("Y EH S", "Y EH S", 1.0),
        ("Y EH S", "", 0.0),
        ("Y EH S", "Y AA S", 2 / 3),
        ("N OW", "N OW P", 2 / 3),
    ],
)
def test_agreement(a: str, b: str, value: float) -> None:
    assert agreement(a.split(), b.split()) == pytest.approx(value)
    assert agreement(b.split(), a.split()) == pytest.approx(value)


def _timed(text: str) -> list[TimedWord]:
    return [TimedWord(word, 20 * n, 20 * n + 19) for n, word in enumerate(text.split())]


def test_a_word_is_promised_when_it_has_stood_long_enough() -> None:
    prefix = StablePrefix(100)
    assert prefix.update(_timed("how"), 30) == ("how", 0)
    assert prefix.update(_timed("how old"), 90) == ("how old", 0)
    assert prefix.update(_timed("how old is"), 130) == ("how old is", 3)
    assert prefix.update(_timed("how told is"), 190) == ("how told is", 3)


def test_what_was_promised_stays_though_the_search_changes_its_mind() -> None:
    prefix = StablePrefix(100)
    prefix.update(_timed("how old"), 0)
    assert prefix.update(_timed("how old"), 100) == ("how old", 7)
    assert prefix.update(_timed("who told is it"), 110) == ("how old is it", 7)
    assert prefix.final(_timed("a cold is this")) == "how old is this"


@given(st.lists(st.lists(st.sampled_from("abc"), max_size=6), max_size=30))
def test_a_stable_prefix_never_changes(results: list[list[str]]) -> None:
    prefix = StablePrefix(30)
    promised = ""
    for n, result in enumerate(results):
        text, stable_chars = prefix.update(_timed(" ".join(result)), 10 * n)
        assert text.startswith(promised)
        assert stable_chars >= len(promised)
        promised = text[:stable_chars]
    final = prefix.final(_timed(" ".join(results[-1] if results else [])))
    assert final.startswith(promised)


def test_words_are_promised_once_two_results_in_a_row_begin_with_them() -> None:
    prefix = AgreedPrefix()
    assert prefix.update("How old is it?") == ("How old is it?", 0)
    assert prefix.update("How old is the Brooklyn") == ("How old is the Brooklyn", 10)
    assert prefix.update("how old, is the Brooklyn Bridge?") == (
        "How old is the Brooklyn Bridge?",
        len("How old is the Brooklyn"),
    )
    assert prefix.final("How old is the Brooklyn Bridge?") == "How old is the Brooklyn Bridge?"


def test_the_mark_after_the_last_promised_word_may_still_change() -> None:
    prefix = AgreedPrefix()
    prefix.update("Isolated tornadoes.")
    assert prefix.update("Isolated tornadoes.") == ("Isolated tornadoes.", 18)
    assert prefix.update("isolated tornadoes, and heavy")[0] == "Isolated tornadoes, and heavy"
    assert (
        prefix.final("isolated tornadoes and heavy rain.") == "Isolated tornadoes and heavy rain."
    )


def test_the_end_overrules_what_was_promised_wrongly() -> None:
    prefix = AgreedPrefix()
    prefix.update("1 0 0")
    prefix.update("1 0 0 0")
    assert prefix.final("10001 90210") == "10001 90210"


RESULTS = st.lists(
    st.lists(st.sampled_from(["a", "A,", "b.", "B", "–", "c"]), max_size=6).map(" ".join),
    max_size=20,
)


@given(RESULTS)
def test_what_was_agreed_on_never_changes(results: list[str]) -> None:
    prefix = AgreedPrefix()
    promised = ""
    for result in results:
        text, stable_chars = prefix.update(result)
        assert text.startswith(promised)
        assert stable_chars >= len(promised)
        promised = text[:stable_chars]


@given(RESULTS, st.text("abc ,.", max_size=12))
def test_the_end_has_the_words_of_the_last_result(results: list[str], last: str) -> None:
    prefix = AgreedPrefix()
    for result in results:
        prefix.update(result)
    assert _bare_words(prefix.final(last)) == _bare_words(last)


def _bare_words(text: str) -> list[str]:
    return [bare for word in text.split() if (bare := word.strip(",.–").lower())]
