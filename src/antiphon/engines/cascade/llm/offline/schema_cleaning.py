"""A client's JSON Schema, reduced to what is known and well formed.

A client may send anything as a function's parameters: a keyword with a value of the wrong
type is dropped, so that the rest can be read without asking at each step.
"""

from __future__ import annotations

from typing import Any

from antiphon.engines.cascade.llm.offline.schema_check import searchable

_NUMBERS = frozenset(["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"])
_COUNTS = frozenset(
    ["minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties",
     "minContains", "maxContains"]
)  # fmt: skip
_SCHEMAS = frozenset(
    ["items", "additionalProperties", "propertyNames", "contains", "not", "if", "then", "else"]
)
_LISTS = frozenset(["allOf", "anyOf", "oneOf", "prefixItems"])
_MAPS = frozenset(["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"])
_TYPES = ("string", "number", "integer", "boolean", "object", "array", "null")
_TEXTS = frozenset(["$ref", "format", "description", "title"])
_MAX_DEPTH = 40


def clean(schema: Any, depth: int = 0) -> Any:
    """``schema`` with what is malformed left out: a dict, or a bool."""
    if isinstance(schema, bool):
        return schema
    if not isinstance(schema, dict) or depth > _MAX_DEPTH:
        return True
    kept: dict[str, Any] = {}
    for key, value in schema.items():
        found = _cleaned(key, value, depth + 1)
        if found is not None:
            kept[key] = found
    for key in ("const", "default"):
        if key in schema:  # Null is a value here.
            kept[key] = schema[key]
    return kept


def _cleaned(key: str, value: Any, depth: int) -> Any:
    """The keyword's value; None where it is unknown or malformed."""
    if key in _SCHEMAS and isinstance(value, dict | bool):
        return clean(value, depth)
    if key in _LISTS and isinstance(value, list) and (value or key == "prefixItems"):
        return [clean(inner, depth) for inner in value]
    if key in _MAPS and isinstance(value, dict):
        patterns = key == "patternProperties"
        return {
            name: clean(inner, depth)
            for name, inner in value.items()
            if not patterns or searchable(name)
        }
    if key == "type":
        named = [value] if isinstance(value, str) else value if _are_texts(value) else []
        known = list(dict.fromkeys(name for name in named if name in _TYPES))
        return (known if isinstance(value, list) else known[0]) if known else None
    return value if _is_plain(key, value) else None


def _is_plain(key: str, value: Any) -> bool:
    if key in _TEXTS:
        return isinstance(value, str)
    if key in _NUMBERS:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and abs(value) < 1e300 and (key != "multipleOf" or value > 0)
    if key in _COUNTS:
        return isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if key == "pattern":
        return isinstance(value, str) and searchable(value)
    if key == "dependentRequired":
        return isinstance(value, dict) and all(_are_texts(names) for names in value.values())
    if key == "required":
        return _are_texts(value)
    if key == "uniqueItems":
        return isinstance(value, bool)
    return key in ("enum", "examples") and isinstance(value, list) and bool(value)


def _are_texts(value: Any) -> bool:
    """Whether it is a list of different texts."""
    texts = isinstance(value, list) and all(isinstance(inner, str) for inner in value)
    return texts and len(set(value)) == len(value)
