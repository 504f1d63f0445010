"""Whether a value fits a JSON Schema, as far as tools use them (draft 2020-12).

Knows types, enum, const, bounds, text, arrays, objects, the combining words, ``if`` and
local ``$ref``.  Formats, remote references and ``unevaluated…`` are not checked, as the
standard allows for formats.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from typing import Any

Schema = Any
"""A dict, or a bool."""

_MAX_DEPTH = 24


MAX_STEPS = 20_000


class Judge:
    """Judges values by one schema, in a bounded number of steps.

    Choices within choices multiply, and a client may send any schema at all: what is not
    judged when the steps are used up does not fit.
    """

    def __init__(self, root: Schema, steps: int = MAX_STEPS) -> None:
        self.root = root
        self.steps = steps

    def fits(self, value: Any, schema: Schema, depth: int = 0) -> bool:
        self.steps -= 1
        if isinstance(schema, bool) or self.steps < 0:
            return schema is True and self.steps >= 0
        if not isinstance(schema, dict) or depth > _MAX_DEPTH:
            return True
        if "$ref" in schema:
            target = resolved(schema["$ref"], self.root)
            if not self.fits(value, target, depth + 1):
                return False
        return (
            _fits_plain(value, schema)
            and _fits_combined(value, schema, self, depth + 1)
            and _fits_inside(value, schema, self, depth + 1)
        )


def fits(value: Any, schema: Schema, root: Schema) -> bool:
    """Whether ``value`` fits ``schema``, whose ``$ref`` point into ``root``."""
    return Judge(root).fits(value, schema)


def resolved(reference: Any, root: Schema) -> Schema:
    """What a local reference points at; anything fits one that points nowhere."""
    if not isinstance(reference, str) or not reference.startswith("#"):
        return True
    found = root
    for part in reference[1:].split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~").replace("%25", "%")
        if isinstance(found, list) and name.isdecimal() and int(name) < len(found):
            found = found[int(name)]
        elif isinstance(found, dict) and name in found:
            found = found[name]
        else:
            return True
    return found


def types_of(schema: Schema) -> tuple[str, ...]:
    """The types that the schema names; () if it names none."""
    named = schema.get("type") if isinstance(schema, dict) else None
    return tuple(named) if isinstance(named, list) else (named,) if isinstance(named, str) else ()


def same(one: Any, other: Any) -> bool:
    """Equality of JSON, where true is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return bool(one == other)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_TYPES: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": _is_number,
    "integer": lambda value: _is_number(value) and float(value).is_integer(),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}


def _fits_plain(value: Any, schema: dict[str, Any]) -> bool:
    kinds = types_of(schema)
    if kinds and not any(_TYPES.get(kind, lambda _: True)(value) for kind in kinds):
        return False
    if "const" in schema and not same(value, schema["const"]):
        return False
    if isinstance(schema.get("enum"), list) and not any(same(value, e) for e in schema["enum"]):
        return False
    if isinstance(value, str):
        return _fits_text(value, schema)
    return not _is_number(value) or _fits_number(value, schema)


def _fits_text(value: str, schema: dict[str, Any]) -> bool:
    if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
        return False
    return "pattern" not in schema or matches(schema["pattern"], value)


_SLOW = re.compile(r"\([^()]*[+*}][^()]*\)[+*{]|\)[+*}]?[)]+[+*{]|(?:[+*][^()]{0,3}){4}|\\\d")
"""Repetition within repetition and the like: Python may search for ever.  Better unchecked."""


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str] | None:
    if len(pattern) > 1000 or _SLOW.search(pattern):
        return None
    try:
        return re.compile(pattern)
    except (re.error, RecursionError, OverflowError):
        return None


def matches(pattern: Any, text: str) -> bool:
    """Whether ``pattern`` is found in ``text``; one that Python cannot read is."""
    compiled = _compiled(pattern) if isinstance(pattern, str) else None
    return compiled is None or compiled.search(text) is not None


def _fits_number(value: float, schema: dict[str, Any]) -> bool:
    checks: tuple[tuple[str, Callable[[Any], bool]], ...] = (
        ("minimum", lambda bound: value >= bound),
        ("maximum", lambda bound: value <= bound),
        ("exclusiveMinimum", lambda bound: value > bound),
        ("exclusiveMaximum", lambda bound: value < bound),
        ("multipleOf", lambda step: step <= 0 or is_multiple(value, step)),
    )
    return all(check(schema[key]) for key, check in checks if _is_number(schema.get(key)))


def is_multiple(value: float, step: float) -> bool:
    """Whether a division leaves no rest, by floating point and by decimals alike."""
    exact = Fraction(str(value)) % Fraction(str(step)) == 0
    return exact and (isinstance(value, int) or float(value / step).is_integer())


def _fits_combined(value: Any, schema: dict[str, Any], judge: Judge, depth: int) -> bool:
    def fit(inner: Schema) -> bool:
        return judge.fits(value, inner, depth)

    if not all(fit(inner) for inner in _listed(schema, "allOf")):
        return False
    if "anyOf" in schema and not any(fit(inner) for inner in _listed(schema, "anyOf")):
        return False
    if "oneOf" in schema and sum(fit(inner) for inner in _listed(schema, "oneOf")) != 1:
        return False
    if "not" in schema and fit(schema["not"]):
        return False
    if "if" in schema:
        return fit(schema.get("then" if fit(schema["if"]) else "else", True))
    return True


def _listed(schema: dict[str, Any], key: str) -> list[Schema]:
    found = schema.get(key, [])
    return found if isinstance(found, list) else []


def _fits_inside(value: Any, schema: dict[str, Any], judge: Judge, depth: int) -> bool:
    if isinstance(value, list):
        return _fits_array(value, schema, judge, depth)
    if isinstance(value, dict):
        return _fits_object(value, schema, judge, depth)
    return True


def _fits_array(value: list[Any], schema: dict[str, Any], judge: Judge, depth: int) -> bool:
    if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
        return False
    first = _listed(schema, "prefixItems")
    rest = schema.get("items", True)
    for index, item in enumerate(value):
        if not judge.fits(item, first[index] if index < len(first) else rest, depth):
            return False
    if schema.get("uniqueItems") and any(
        same(one, other) for index, one in enumerate(value) for other in value[:index]
    ):
        return False
    if "contains" in schema:
        found = sum(judge.fits(item, schema["contains"], depth) for item in value)
        return bool(schema.get("minContains", 1) <= found <= schema.get("maxContains", found))
    return True


def _fits_object(value: dict[str, Any], schema: dict[str, Any], judge: Judge, depth: int) -> bool:
    if not schema.get("minProperties", 0) <= len(value) <= schema.get("maxProperties", len(value)):
        return False
    if any(name not in value for name in required(schema, value)):
        return False
    properties = schema.get("properties", {})
    patterns = schema.get("patternProperties", {})
    for name, inner in value.items():
        if "propertyNames" in schema and not judge.fits(name, schema["propertyNames"], depth):
            return False
        schemas = [properties[name]] if name in properties else []
        schemas += [found for pattern, found in patterns.items() if matches(pattern, name)]
        schemas = schemas or [schema.get("additionalProperties", True)]
        if not all(judge.fits(inner, found, depth) for found in schemas):
            return False
    return all(
        judge.fits(value, inner, depth)
        for name, inner in schema.get("dependentSchemas", {}).items()
        if name in value
    )


def required(schema: dict[str, Any], present: dict[str, Any]) -> list[str]:
    """Names that must be there, those that others bring with them included."""
    names = [name for name in schema.get("required", ()) if isinstance(name, str)]
    for name, others in schema.get("dependentRequired", {}).items():
        if name in present or name in names:
            names += [other for other in others if other not in names]
    return names
