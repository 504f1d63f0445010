"""A client's JSON Schema, reduced to what is known and well formed.

A client may send anything as a function's parameters: a keyword with a value that the
standard does not allow is dropped, so that the rest can be read without asking at each step.
"""

from __future__ import annotations

from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema_specifications import REGISTRY

from antiphon.engines.cascade.llm.offline.schema_check import searchable

_SCHEMAS = frozenset(
    ["items", "additionalProperties", "propertyNames", "contains", "not", "if", "then", "else"]
)
_LISTS = frozenset(["allOf", "anyOf", "oneOf", "prefixItems"])
_MAPS = frozenset(["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"])
_TEXTS = frozenset(["$ref", "format", "description", "title"])
_MAX_DEPTH = 40

_MAX_NUMBER = 1e300
_PLAIN: Final[Any] = REGISTRY.contents("https://json-schema.org/draft/2020-12/meta/validation")
"""What the standard says about keywords that have no schemas inside."""
_STANDARD = Draft202012Validator(_PLAIN)


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
    return value if _is_plain(key, value) else None


def _is_plain(key: str, value: Any) -> bool:
    if key in _TEXTS:
        return isinstance(value, str)
    if key in ("enum", "examples"):
        return isinstance(value, list) and bool(value)
    if key not in _PLAIN["properties"] or (
        isinstance(value, float) and not abs(value) < _MAX_NUMBER
    ):
        return False
    if key == "pattern" and not (isinstance(value, str) and searchable(value)):
        return False
    return _STANDARD.is_valid({key: value})
