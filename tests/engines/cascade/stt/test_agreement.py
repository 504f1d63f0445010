from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.engines.cascade.stt.agreement import StablePrefix, TimedWord, agreement


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
