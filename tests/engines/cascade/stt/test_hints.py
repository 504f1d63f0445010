from __future__ import annotations

import pytest

from antiphon.engines.cascade.parts import Grammar
from antiphon.engines.cascade.stt.hints import VOCABULARY_CHARS, language_code, prompt_of

GRAMMAR = Grammar("g", "#JSGF V1.0;\ngrammar g;\npublic <g> = book a room | book it;\n")


def test_the_prompt_holds_the_operators_words_and_those_that_are_expected() -> None:
    assert prompt_of("Antiphon.", GRAMMAR) == "Antiphon. book a room it"
    assert prompt_of("", None) == ""
    many = " | ".join(f"w{n}" for n in range(1_000))
    long = Grammar("l", f"#JSGF V1.0;\ngrammar l;\npublic <l> = {many};\n")
    assert len(prompt_of("", long)) == VOCABULARY_CHARS


@pytest.mark.parametrize(
    ("tag", "code"),
    [("en", "en"), ("pt-BR", "pt"), ("yue_HK", "yue"), (None, None), ("no language", None)],
)
def test_languages_are_named_by_their_codes(tag: str | None, code: str | None) -> None:
    assert language_code(tag) == code
