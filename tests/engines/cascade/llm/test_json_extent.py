from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.engines.cascade.llm.json_extent import JsonExtent

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text('ab"\\{}[] \n', max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text('a"\\{}', max_size=3), inner)
    ),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text('a"\\{}', max_size=3), VALUES, max_size=3)


@given(OBJECTS, st.sampled_from([None, 1]), st.lists(st.integers(0, 200), max_size=8), st.text())
def test_an_object_ends_where_it_ends_wherever_it_is_cut(
    value: dict[str, Any], indent: int | None, cuts: list[int], after: str
) -> None:
    text = " " + json.dumps(value, indent=indent)
    whole = text + after
    places = sorted({0, len(whole), *(min(cut, len(whole)) for cut in cuts)})
    extent, rest = JsonExtent(), ""
    for start, end in itertools.pairwise(places):
        rest += extent.add(whole[start:end])
    assert (extent.text, rest) == (text, after)
    assert extent.is_closed
    assert extent.is_filled == bool(value)


@pytest.mark.parametrize("text", ["", " ", "{", '{"a": "}', '{"a": [}', '"{}"', "null", "1"])
def test_what_has_not_ended_or_is_no_object_is_not_closed(text: str) -> None:
    extent = JsonExtent()
    assert extent.add(text) == ""
    assert not extent.is_closed
    assert extent.text == text


@pytest.mark.parametrize(
    ("text", "filled"), [("{", False), ("{ }", False), ("[]", False), ('{"', True), ("[[", True)]
)
def test_an_object_is_filled_once_something_is_in_it(text: str, filled: bool) -> None:
    extent = JsonExtent()
    extent.add(text)
    assert extent.is_filled is filled
