from __future__ import annotations

import pytest

from antiphon.engines.cascade.completeness import (
    COMPLETE,
    COUNTING,
    NOTHING_YET,
    UNDECIDED,
    UNFINISHED,
    completeness,
)
from antiphon.engines.cascade.parts import Transcript


def judged(text: str) -> float:
    return completeness(Transcript(text, final=False))


def test_what_was_expected_is_complete_whatever_its_last_word() -> None:
    assert completeness(Transcript("what is it for", final=False, complete=True)) == COMPLETE


def test_nobody_knows_before_there_are_words() -> None:
    assert judged("  ") == NOTHING_YET


@pytest.mark.parametrize(
    "text",
    [
        "I would like to book a table for.",
        "My number is...",
        "I am testing to...",
        "Tell me about the",
        "I think we should.",
        "This is something, I'm",
        "This is something that",
        "I need someone who.",
        "Um, I, uh.",
        "What I wanted to ask you.",
        "Ich möchte, dass",
        "Je voudrais une",
        "Quiero hablar con el",
        "Well —",
    ],
)
def test_some_words_end_no_sentence(text: str) -> None:
    assert judged(text) == UNFINISHED


@pytest.mark.parametrize("text", ["My number is 555.", "1 0 0 0 1.", "90210", "555-121"])
def test_digits_come_in_groups(text: str) -> None:
    assert judged(text) == COUNTING


@pytest.mark.parametrize(
    "text",
    [
        "Tell me a joke.",
        "What time is it in Berlin?",
        "Turn the light on.",
        "A table for 4 at 7.",
        "Yes, I did.",
        "I like that.",
        "Can somebody do that?",
        "What can I do?",
        "Where we met is a secret.",
        "你好",
    ],
)
def test_about_other_words_nobody_can_tell(text: str) -> None:
    assert judged(text) == UNDECIDED
