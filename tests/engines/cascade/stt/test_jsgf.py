from __future__ import annotations

import pytest

from antiphon.engines.cascade.stt.jsgf import words
from tests.engines.cascade.stt.command_clips import GRAMMARS


@pytest.mark.parametrize(
    ("rules", "found"),
    [
        ("public <a> = yes | no;", ["yes", "no"]),
        ("public <a> = [please] (stop)+ <b>*;\n<b> = now | now;", ["please", "stop", "now"]),
        ('public <a> = /0.5/ yes {TAG \\} more} | /2/ "ok" | <NULL>;', ["yes", "ok"]),
        ("// no words\n/* nor | here */ public <a> = don't;", ["don't"]),
        ("import <other.rule>;\npublic <a> = <other.rule> public;", ["public"]),
        ("public <a> = x-ray p.m.;", ["x-ray", "p.m."]),
    ],
)
def test_the_words_are_found(rules: str, found: list[str]) -> None:
    assert words(f"#JSGF V1.0 UTF-8 en;\ngrammar a.b;\n{rules}") == found


def test_a_whole_grammar() -> None:
    found = words(GRAMMARS["cards"].jsgf)
    assert found[:6] == ["take", "the", "one", "card", "yes", "no"]
    assert not {"public", "grammar", "cmd", "color", "state", "#JSGF"} & set(found)
