"""The names that users build on: they are told in the docs, and nobody changes them in passing."""

from __future__ import annotations

import re
import subprocess
import sys
import typing
from pathlib import Path

import pytest

import antiphon

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "python.md"
UNIONS = {"EngineCommand", "EngineNews"}


def told() -> list[str]:
    return re.findall(r"^\| `(\w+)` \|", PAGE.read_text(), re.MULTILINE)


def test_the_docs_tell_each_of_them() -> None:
    assert sorted(told()) == list(antiphon.__all__)


def test_there_are_about_forty() -> None:
    assert 30 <= len(antiphon.__all__) <= 45


@pytest.mark.parametrize("name", antiphon.__all__)
def test_each_is_there_and_says_what_it_is(name: str) -> None:
    value = getattr(antiphon, name)
    assert name in dir(antiphon)
    if name not in UNIONS:
        assert value.__name__ == name
        assert value.__doc__


@pytest.mark.parametrize("name", sorted(UNIONS))
def test_the_parts_of_a_union_are_public_too(name: str) -> None:
    parts = {part.__name__ for part in typing.get_args(getattr(antiphon, name))}
    assert parts - set(antiphon.__all__) <= {"EngineLost"}, "told by the session alone"


def test_others_are_not() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Manager'"):
        antiphon.Manager  # noqa: B018


def test_nothing_is_loaded_before_it_is_asked_for() -> None:
    code = "import antiphon, sys; print([m for m in sys.modules if m.startswith('antiphon.')])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
