from __future__ import annotations

import json
import re
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from antiphon.engines.cascade.llm.offline.schema_check import Judge, fits
from antiphon.engines.cascade.llm.offline.schema_cleaning import clean
from antiphon.engines.cascade.llm.offline.schema_values import text_matching, value_for


def judged(schema: Any, value: Any) -> None:
    """By an independent library, from the JSON that would go over the wire."""
    jsonschema.Draft202012Validator(schema).validate(json.loads(json.dumps(value)))


SCALARS = st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3) | st.floats(-9, 9)
NAMES = st.sampled_from(["city", "size", "when", "a b", "ü"])


@st.composite
def number_schemas(draw: st.DrawFn) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": draw(st.sampled_from(["integer", "number"]))}
    low = draw(st.integers(-1000, 1000))
    if draw(st.booleans()):
        schema[draw(st.sampled_from(["minimum", "exclusiveMinimum"]))] = low
    if draw(st.booleans()):
        high = low + draw(st.integers(40, 900))
        schema[draw(st.sampled_from(["maximum", "exclusiveMaximum"]))] = high
    if draw(st.booleans()):
        schema["multipleOf"] = draw(st.sampled_from([1, 2, 3, 5, 7, 0.5, 0.25, 10]))
    return schema


@st.composite
def text_schemas(draw: st.DrawFn) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    least = draw(st.integers(0, 20))
    if draw(st.booleans()):
        schema["minLength"] = least
    if draw(st.booleans()):
        schema["maxLength"] = least + draw(st.integers(0, 9))
    elif draw(st.booleans()):
        schema = {"type": "string", "pattern": draw(st.sampled_from(PATTERNS))}
    elif draw(st.booleans()):
        schema = {"type": "string", "format": draw(st.sampled_from(["date", "email", "uuid"]))}
    return schema


@st.composite
def array_schemas(draw: st.DrawFn, inner: st.SearchStrategy[Any]) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "array", "items": draw(inner)}
    if draw(st.booleans()):
        schema["minItems"] = draw(st.integers(0, 4))
    if draw(st.booleans()):
        schema["maxItems"] = schema.get("minItems", 0) + draw(st.integers(0, 4))
    return schema


@st.composite
def object_schemas(draw: st.DrawFn, inner: st.SearchStrategy[Any]) -> dict[str, Any]:
    properties = draw(st.dictionaries(NAMES, inner, max_size=4))
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if properties:
        schema["required"] = draw(st.lists(st.sampled_from(sorted(properties)), unique=True))
    if draw(st.booleans()):
        schema["additionalProperties"] = draw(st.booleans() | inner)
    elif draw(st.booleans()):
        schema["minProperties"] = draw(st.integers(0, 5))
    return schema


def combined(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return (
        array_schemas(inner)
        | object_schemas(inner)
        | st.builds(lambda schemas: {"anyOf": schemas}, st.lists(inner, min_size=1, max_size=3))
        | st.builds(lambda schema: {"allOf": [schema, {"description": "x"}, True]}, inner)
        | st.builds(lambda schema: {"allOf": [schema, {"not": {"const": "unknown"}}]}, inner)
        | st.builds(lambda name: {"$ref": f"#/$defs/{name}"}, st.sampled_from(["one", "two"]))
    )


KEYWORDS = st.sampled_from(
    ["type", "properties", "required", "items", "enum", "minimum", "multipleOf", "minLength",
     "anyOf", "$ref", "$defs", "const", "pattern", "uniqueItems", "if", "dependentRequired", "x"]
)  # fmt: skip
PATTERNS = [
    "^[A-Z]{2}[0-9]{3,5}$",
    r"^\+?\d{3}-\d{4}$",
    "^(red|green)(ish)?$",
    "b+c",
    r"^\w+@\w+\.\w{2,}$",
]
LEAVES = (
    st.builds(lambda values: {"enum": values}, st.lists(SCALARS, min_size=1, max_size=4))
    | st.builds(lambda value: {"const": value}, SCALARS)
    | number_schemas()
    | text_schemas()
    | st.sampled_from(
        [{"type": "boolean"}, {"type": ["null", "integer"]}, {}, {"type": "null"}, {"minimum": 3}]
    )
)
SCHEMAS = st.recursive(LEAVES, combined, max_leaves=12)


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much], deadline=None)
@given(object_schemas(SCHEMAS), LEAVES, LEAVES)
def test_made_arguments_fit_the_schema(schema: dict[str, Any], one: Any, two: Any) -> None:
    schema = {**schema, "$defs": {"one": one, "two": two}}
    judged(schema, value_for(schema, schema))


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    SCHEMAS,
    LEAVES,
    st.recursive(
        SCALARS, lambda s: st.lists(s, max_size=3) | st.dictionaries(NAMES, s, max_size=3)
    ),
)
def test_what_is_added_to_the_library_changes_no_judgement(
    schema: Any, leaf: Any, value: Any
) -> None:
    schema = {"allOf": [schema], "$defs": {"one": leaf, "two": leaf}}
    theirs = jsonschema.Draft202012Validator(schema).is_valid(value)
    assert fits(value, schema, schema) == theirs


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "minItems": 300, "uniqueItems": True, "items": {"type": "integer"}},
        {"type": "array", "minItems": 4, "uniqueItems": True, "items": {"type": "string"}},
        {"type": "array", "prefixItems": [{"type": "string"}, {"const": 3}], "minItems": 3},
        {"type": "array", "contains": {"const": 7}, "items": {"type": "integer"}},
        {"type": "object", "patternProperties": {"^x_": {"type": "integer"}}, "minProperties": 1,
         "additionalProperties": False},
        {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "null"}},
         "required": ["a"], "dependentRequired": {"a": ["b"]}},
        {"type": "object", "properties": {"kind": {"enum": ["a", "b"]}, "n": {"type": "integer"}},
         "required": ["kind"], "if": {"properties": {"kind": {"const": "a"}}},
         "then": {"required": ["n"]}},
        {"oneOf": [{"type": "integer"}, {"type": "number", "minimum": 2}]},
        {"oneOf": [{"type": "object", "required": ["a"]}, {"type": "object", "required": ["b"]}]},
        {"allOf": [{"type": "integer", "minimum": 5}, {"multipleOf": 4}, {"multipleOf": 6}]},
        {"type": "string", "allOf": [{"minLength": 3}, {"maxLength": 3}]},
        {"type": "string", "minLength": 5000},
        {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.001},
        {"type": "number", "multipleOf": 0.01, "minimum": 19.99},
        {"$ref": "#/$defs/node", "$defs": {"node": {"type": "object", "required": ["value"],
         "properties": {"value": {"type": "integer"}, "next": {"$ref": "#/$defs/node"}}}}},
        {"definitions": {"x/y": {"const": 4}}, "$ref": "#/definitions/x~1y"},
        {"type": "object", "properties": {"a": False}},
        {"not": {"type": "string"}},
        True,
    ],
    ids=str,
)  # fmt: skip
def test_schemas_that_tools_have(schema: Any) -> None:
    judged(schema, value_for(schema, schema))


def test_a_schema_that_fits_nothing_ends_all_the_same() -> None:
    assert value_for(False, False) is None
    endless = {"type": "object", "required": ["a"], "properties": {"a": {"$ref": "#"}}}
    assert value_for(endless, endless) == {}
    for circle, value in (({"$ref": "#"}, "unknown"), ({"$ref": "", "type": "object"}, {})):
        assert value_for(circle, circle) == value


def test_what_may_not_stand_in_a_list_is_taken_out_and_lists_of_themselves_end() -> None:
    none = {"default": [1, 2, 3], "type": "array", "items": {"allOf": [False]}}
    assert value_for(none, none) == []
    itself = {"type": "array", "contains": {"$ref": "#"}}
    assert value_for(itself, itself) is None


def test_schemas_made_to_take_long_do_not() -> None:
    deep: Any = True
    for _ in range(200):
        deep = {"anyOf": [deep, deep], "not": {"type": "null"}}
    many: Any = {"type": "integer"}
    for _ in range(4):
        many = {"type": "array", "minItems": 500, "items": many}
    wild = {"type": "string", "pattern": "^(a+)+$", "minLength": 40}
    for schema in (deep, many, wild):
        assert len(json.dumps(value_for(schema, schema))) < 100_000


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "https://example.com/schema"},
        {"$ref": "#/nowhere"},
        {"$ref": "#"},
        {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]},
    ],
    ids=str,
)
def test_a_reference_that_leads_nowhere_allows_anything(schema: Any) -> None:
    assert fits(3, schema, schema)


@pytest.mark.parametrize("frames", range(0, 500, 20))
def test_circles_end_however_deep_the_stack_is(frames: int) -> None:
    """At Python's limit, the library's compiled part would raise what nobody catches."""

    def at_depth(frames: int) -> object:
        return at_depth(frames - 1) if frames else value_for({"$ref": "#"}, {"$ref": "#"})

    for more in range(20):
        assert at_depth(frames + more) == "unknown"


def test_deep_values_are_judged_to_their_ends() -> None:
    tree = {"type": "object", "properties": {"child": {"$ref": "#"}}}
    value: Any = "no object"
    for _ in range(25):
        value = {"child": value}
    assert not fits(value, tree, tree)


def test_what_is_not_judged_within_the_steps_does_not_fit() -> None:
    judge = Judge(True, steps=3)
    assert judge.fits("a", {"minLength": 1, "maxLength": 2})
    assert not judge.fits("a", {"minLength": 1, "maxLength": 2})


def test_patterns_that_search_for_ever_are_left_out() -> None:
    slow = {"^(a+)+$": {"type": "integer"}}
    text = "a" * 60 + "b"
    schema = {"patternProperties": slow, "additionalProperties": {"type": "integer"}}
    assert fits({text: 3}, clean(schema), clean(schema))
    assert clean({"pattern": "^(a+)+$"}) == {}


JSON = st.recursive(
    SCALARS, lambda s: st.lists(s, max_size=3) | st.dictionaries(KEYWORDS, s, max_size=4)
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.dictionaries(KEYWORDS, JSON, max_size=6))
def test_a_malformed_schema_is_read_as_far_as_it_goes(schema: dict[str, Any]) -> None:
    cleaned = clean(schema)
    jsonschema.Draft202012Validator.check_schema(cleaned)
    json.dumps(value_for(cleaned, cleaned))


@given(SCHEMAS)
def test_a_well_formed_schema_is_left_as_it_is(schema: Any) -> None:
    assert clean(schema) == schema


def test_text_is_what_was_said_where_any_text_may_stand() -> None:
    schema = {"type": "object", "required": ["q"], "properties": {"q": {"type": "string"}}}
    assert value_for(schema, schema, text="red shoes") == {"q": "red shoes"}


@pytest.mark.parametrize(
    "pattern",
    [
        *PATTERNS,
        "^$",
        "[^a]",
        r"\u0041\x42",
        r"a{2,}?b*",
        "(?:x|y)(?P<n>z)",
        r"[\]\\]",
        "]",
        "x{,2}y",
        r"(a|b)\1",
        "(?i)x",
    ],
)
def test_a_text_is_made_for_a_pattern(pattern: str) -> None:
    text = text_matching(pattern)
    assert text is not None
    assert re.search(pattern, text)


@pytest.mark.parametrize("pattern", ["(", "[a", "a{9999}", "((a{99}){99}){99}", ")"])
def test_patterns_it_cannot_read_have_no_text(pattern: str) -> None:
    assert text_matching(pattern) is None
