from __future__ import annotations

import pytest

from antiphon.engines.cascade.stt.choice import Choice, choose


@pytest.mark.parametrize(
    ("sentence", "free", "text", "in_grammar"),
    [
        # The same words: the grammar's spelling.
        ("book a room", "Book a room.", "book a room", True),
        ("two thirty pm", "2.30. PM", "two thirty pm", True),
        ("nine oh two one oh", "90210", "nine oh two one oh", True),
        # Nearly the same: the grammar knows better.
        ("billing department", "building department.", "billing department", True),
        ("i don't know i'm not so sure", "I don't know I'm not sure sure.",
         "i don't know i'm not so sure", True),
        # Something else was said.
        ("take the white card right in the middle", "A thin stripe runs down the middle.",
         "A thin stripe runs down the middle.", False),
        ("tell me a story", "Tell me a joke.", "Tell me a joke.", False),
        ("two fifteen pm", "2:50 p.m.", "2:50 p.m.", False),
        ("yes", "Yeah.", "Yeah.", False),
        # No sentence of the grammar.
        (None, "Mend the coat before you go out.", "Mend the coat before you go out.", False),
        (None, "", "", False),
        # Noise: grammars find a sentence in everything.
        ("yes", "", "", False),
    ],
)  # fmt: skip
def test_who_is_believed(sentence: str | None, free: str, text: str, in_grammar: bool) -> None:
    assert choose(sentence, free) == Choice(text, in_grammar)


def test_the_same_words_stay_as_they_were_shown() -> None:
    assert choose("book a room", "Book a room.", spelled=True) == Choice("Book a room.", True)


def test_other_words_are_put_right_though_some_were_shown() -> None:
    choice = choose("billing department", "building department.", spelled=True)
    assert choice == Choice("billing department", True)
