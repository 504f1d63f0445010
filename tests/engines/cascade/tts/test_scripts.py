from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.engines.cascade.tts.scripts import language_of


@pytest.mark.parametrize(
    ("text", "wanted", "language"),
    [
        ("Good morning", None, None),
        ("Guten Tag", "de", "de"),
        ("Bom dia", "pt-BR", "pt-BR"),
        ("Good morning", "zh", "en"),
        ("Dobar dan", "sr", "sr"),
        ("नमस्ते", None, "hi"),
        ("नमस्ते", "en", "hi"),
        ("नमस्ते", "mr", "mr"),
        ("سلام دنیا", "fa-IR", "fa-IR"),
        ("سلام", "en", "ar"),
        ("今天天气很好。", None, "zh"),
        ("今天天气很好。", "zh-TW", "zh-TW"),
        ("東京", "ja", "ja"),
        ("東京大学へ行く", None, "ja"),
        ("안녕하세요", "en", "ko"),
        ("สวัสดี", None, "th"),
        ("Добрый день", "en", "ru"),
        ("Добрий день", "uk", "uk"),
        ("用 GitHub 吧", None, "zh"),
        ("在 JavaScript 里用 TypeScript", "zh", "zh"),
        ("请看 https://example.com/a/very/long/path", None, "zh"),
        ("看[这里](https://example.com) `some_code()`", "en", "zh"),
        ("The word नमस्ते means hello", "en", "en"),
        ("123 ... !", "hi", "hi"),
        ("", None, None),
    ],
)
def test_the_session_says_the_language_unless_the_script_says_otherwise(
    text: str, wanted: str | None, language: str | None
) -> None:
    assert language_of(text, wanted) == language


@given(st.text(max_size=60), st.sampled_from([None, "en", "zh", "x", "de_AT", ""]))
def test_any_text_has_an_answer(text: str, wanted: str | None) -> None:
    found = language_of(text, wanted)
    assert found == wanted or (found and found.isalpha())
