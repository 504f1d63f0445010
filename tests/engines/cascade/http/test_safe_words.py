from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.engines.cascade.http.safe_words import MAX_CHARACTERS, safe_words

SAID = ["My name is Helga Müller and my card is 4111 1111 1111 1111.", "我的名字是小明"]


@pytest.mark.parametrize(
    "text",
    [
        "Conversation roles must alternate user/assistant/user/assistant/...",
        "This model's maximum context length is 4096 tokens. However, you requested 5100 tokens.",
        "registry.ollama.ai/library/gemma:2b does not support tools",
        "Tool call id was call_1 but must be a-z, A-Z, 0-9, with a length of 9.",
    ],
)
def test_what_a_server_says_of_itself_is_shown(text: str) -> None:
    assert safe_words(text, private=SAID) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Invalid content 'Helga Müller' in messages.1", "Invalid content '…' in messages.1"),
        ("bad input: M\\u00fcller", "bad input: …"),
        ("cannot read 'elga Mül...'", "cannot read '…...'"),
        ("4111 1111 is no number", "… is no number"),
        ("错误: 名字是小", "错误: …"),
        ("prompt: My name is Helga Müller and my card is 4111", "prompt: …"),
    ],
)
def test_words_of_the_conversation_are_left_out(text: str, shown: str) -> None:
    assert safe_words(text, private=SAID) == shown


def test_many_ordinary_words_in_a_row_are_a_sentence_of_somebody() -> None:
    said = ["You must stop the model before the turn is over"]
    assert safe_words("got: you must stop the model before.", private=said) == "got: …."


@pytest.mark.parametrize(
    "text",
    [
        "Incorrect API key provided: sk-proj-abcdefgh1234",
        "Authorization: Bearer abc.def",
        "token eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9",
        "the key hunter2 is wrong",
        "File /home/joe/models/x.py failed",
        "no route to http://joe:pass@10.0.0.7:8000/v1",
        "10.0.0.7:8000 refused",
    ],
)
def test_keys_and_places_are_left_out(text: str) -> None:
    shown = safe_words(text, secrets=["hunter2"])
    assert "…" in shown
    for secret in ("abcdefgh", "abc.def", "eyJ", "hunter2", "joe", "10.0.0.7"):
        assert secret not in shown


def test_it_is_one_line_and_not_long() -> None:
    assert safe_words("one\n\ttwo\x00  three") == "one two three"
    assert len(safe_words("word " * 1_000)) <= MAX_CHARACTERS


@given(st.text(max_size=300), st.lists(st.text(max_size=60), max_size=3))
def test_no_word_that_tells_something_survives(text: str, said: list[str]) -> None:
    shown = safe_words(" ".join([text, *said]), private=said)
    assert len(shown) <= MAX_CHARACTERS
    assert shown.isprintable()
    long_words = {w for s in said for w in re.findall(r"\w+", s.casefold()) if len(w) > 15}
    assert not any(word in shown.casefold() for word in long_words)
