"""Values that fit a JSON Schema, for a call that must be made whatever was said.

Candidates are made from what the schema says and checked against all of it; the first
one that fits is taken.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from typing import Any

from antiphon.engines.cascade.llm.offline.pattern_text import text_matching
from antiphon.engines.cascade.llm.offline.schema_check import (
    Judge,
    Schema,
    matches,
    required,
    resolved,
    same,
    types_of,
)

_MAX_DEPTH = 16
_MAX_CANDIDATES = 40
"""Of one schema; the rest of an endless choice is not tried."""
_MAX_ITEMS = 512
_MAX_CHARS = 16_384
_MAX_SIZE = 20_000
"""Values within values; a larger one is not sent."""

_FORMATS = {
    "date": "2026-01-01",
    "time": "12:00:00Z",
    "date-time": "2026-01-01T12:00:00Z",
    "duration": "PT1H",
    "email": "someone@example.com",
    "idn-email": "someone@example.com",
    "hostname": "example.com",
    "uri": "https://example.com/",
    "uri-reference": "https://example.com/",
    "url": "https://example.com/",
    "iri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "json-pointer": "/a",
    "regex": "a",
}


def value_for(schema: Schema, root: Schema, *, text: str = "unknown") -> Any:
    """A value that fits ``schema``; ``text`` is put where any text may stand.

    Where nothing that fits was found, the best try: the schema may fit nothing at all.
    """
    first = next(_fitting(schema, _Making(root, text), 0), _NOTHING)
    if first is not _NOTHING and _size(first) <= _MAX_SIZE:
        return first
    return {} if "object" in types_of(schema) else None


def _size(value: Any) -> int:
    """How many values are inside, or a number above `_MAX_SIZE`."""
    count, todo = 0, [value]
    while todo and count <= _MAX_SIZE:
        inner = todo.pop()
        count += 1
        if isinstance(inner, dict | list):
            todo += list(inner.values()) if isinstance(inner, dict) else inner
    return count


_NOTHING = object()


class _Making:
    def __init__(self, root: Schema, text: str) -> None:
        self.root = root
        self.text = text
        self.budget = 4000
        """Candidates still to be looked at, so that no schema takes long."""
        self.judge = Judge(root, steps=30_000)


def _fitting(schema: Schema, making: _Making, depth: int) -> Iterator[Any]:
    for value in itertools.islice(_candidates(schema, making, depth), _MAX_CANDIDATES):
        making.budget -= 1
        if making.budget < 0:
            return
        if making.judge.fits(value, schema):
            yield value


def _candidates(schema: Schema, making: _Making, depth: int) -> Iterator[Any]:
    if depth > _MAX_DEPTH or schema is False or making.budget < 0:
        return
    if not isinstance(schema, dict) or not schema:
        yield from (making.text, {}, 0, 1, True, None, [])
        return
    if "const" in schema:
        yield schema["const"]
        return
    if isinstance(schema.get("enum"), list):
        yield from schema["enum"]
        return
    if "default" in schema:
        yield schema["default"]
    yield from schema.get("examples", ()) if isinstance(schema.get("examples"), list) else ()
    for plain in _branches(schema, making):
        for kind in _kinds(plain):
            yield from _of_kind(kind, plain, making, depth)


# --- Combining words ---------------------------------------------------------


def _branches(schema: dict[str, Any], making: _Making, depth: int = 0) -> Iterator[dict[str, Any]]:
    """The schema with references and choices worked in, one for each way to choose."""
    plain = {
        key: value
        for key, value in schema.items()
        if key not in ("$ref", "allOf", "anyOf", "oneOf", "if", "then", "else", "not", "default")
    }
    together: list[Schema] = list(schema.get("allOf", ()))
    if "$ref" in schema:
        together.append(resolved(schema["$ref"], making.root))
    choices: list[list[Schema]] = [schema[key] for key in ("anyOf", "oneOf") if schema.get(key)]
    if "if" in schema:
        choices.append(
            [{"allOf": [schema["if"], schema.get("then", True)]}, schema.get("else", True), True]
        )
    for chosen in itertools.islice(itertools.product(*choices), _MAX_CANDIDATES):
        merged, again = dict(plain), False
        for part in (*together, *chosen):
            if part is False:
                break
            if isinstance(part, dict):
                again = again or any(k in part for k in ("$ref", "allOf", "anyOf", "oneOf", "if"))
                merged = _merged(merged, part)
        else:
            making.budget -= 1
            if making.budget < 0 or depth > _MAX_DEPTH:  # A reference may lead round in circles.
                return
            yield from _branches(merged, making, depth + 1) if again else (merged,)


def _merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """A schema that asks for both, as far as that can be said in one."""
    both = {**one, **other}
    for key in one.keys() & other.keys():
        if same(one[key], other[key]):
            continue
        if key in ("anyOf", "oneOf"):
            both[key] = one[key]
            both["allOf"] = [*both.get("allOf", ()), {key: other[key]}]
        elif key in _MERGES:
            both[key] = _MERGES[key](one[key], other[key])
    return both


def _both(one: Schema, other: Schema) -> Schema:
    if one is True or other is True:
        return other if one is True else one
    return False if one is False or other is False else {"allOf": [one, other]}


def _common_types(one: tuple[str, ...], other: tuple[str, ...]) -> list[str]:
    wide = {*other, *(("integer",) if "number" in other else ())}
    kept = [kind for kind in one if kind in wide]
    return kept + (["integer"] if "number" in one and "integer" in other and not kept else [])


def _common_multiple(one: float, other: float) -> float:
    a, b = Fraction(str(one)), Fraction(str(other))
    common = Fraction(math.lcm(a.numerator, b.numerator), math.gcd(a.denominator, b.denominator))
    return int(common) if common.denominator == 1 else float(common)


_MERGES: dict[str, Callable[[Any, Any], Any]] = {
    **dict.fromkeys(("minimum", "exclusiveMinimum"), max),
    **dict.fromkeys(("minLength", "minItems", "minProperties"), max),
    **dict.fromkeys(("maximum", "exclusiveMaximum"), min),
    **dict.fromkeys(("maxLength", "maxItems", "maxProperties"), min),
    **dict.fromkeys(("items", "additionalProperties", "propertyNames", "contains"), _both),
    **dict.fromkeys(
        ("properties", "patternProperties", "$defs", "dependentSchemas"),
        lambda a, b: {**a, **b} | {name: _both(a[name], b[name]) for name in a.keys() & b.keys()},
    ),
    "multipleOf": _common_multiple,
    "required": lambda a, b: list(dict.fromkeys([*a, *b])),
    "allOf": lambda a, b: [*a, *b],
    "enum": lambda a, b: [value for value in a if any(same(value, item) for item in b)],
    "type": lambda a, b: _common_types(types_of({"type": a}), types_of({"type": b})),
}

# --- By type -----------------------------------------------------------------

_HINTS = {
    "properties": "object", "required": "object", "additionalProperties": "object",
    "minProperties": "object", "patternProperties": "object", "items": "array",
    "prefixItems": "array", "minItems": "array", "contains": "array", "uniqueItems": "array",
    "minimum": "number", "maximum": "number", "exclusiveMinimum": "number",
    "exclusiveMaximum": "number", "multipleOf": "number", "pattern": "string",
    "minLength": "string", "maxLength": "string", "format": "string",
}  # fmt: skip
_ALL_KINDS = ("string", "object", "integer", "number", "boolean", "array", "null")


def _kinds(schema: dict[str, Any]) -> Iterable[str]:
    if "type" in schema:
        return types_of(schema)
    hinted = [_HINTS[key] for key in schema if key in _HINTS]
    return dict.fromkeys((*hinted, *_ALL_KINDS))


def _of_kind(kind: str, schema: dict[str, Any], making: _Making, depth: int) -> Iterator[Any]:
    if "const" in schema:
        yield schema["const"]
    elif isinstance(schema.get("enum"), list):
        yield from schema["enum"]
    elif kind == "string":
        yield from _texts(schema, making)
    elif kind in ("integer", "number"):
        yield from _numbers(schema, whole=kind == "integer")
    elif kind == "boolean":
        yield from (True, False)
    elif kind == "null":
        yield None
    elif kind == "array":
        yield from _arrays(schema, making, depth)
    elif kind == "object":
        yield from _objects(schema, making, depth)


def _texts(schema: dict[str, Any], making: _Making) -> Iterator[str]:
    least = min(int(schema.get("minLength", 0)), _MAX_CHARS)
    most = min(int(schema.get("maxLength", _MAX_CHARS)), _MAX_CHARS)
    if isinstance(schema.get("pattern"), str):
        matching = text_matching(schema["pattern"])
        if matching is not None:
            yield matching
            pad = matching[-1:] or "a"
            yield matching.ljust(least, pad)
            yield matching.rjust(least, matching[:1] or "a")
    if schema.get("format") in _FORMATS:
        yield _FORMATS[schema["format"]]
    text = making.text[:most]
    yield text if len(text) >= least else text.ljust(least, "x")
    for start in ("a", "b", "0", ""):
        yield start.ljust(least, "x")[:most]
    for number in range(_MAX_ITEMS):  # Enough of them for unique items.
        yield str(number).rjust(least, "x")


def _numbers(schema: dict[str, Any], *, whole: bool) -> Iterator[int | float]:
    step = Fraction(str(schema.get("multipleOf", 1 if whole else Fraction(1, 2))))
    if step <= 0:
        step = Fraction(1)
    if whole and step.denominator != 1:
        step = Fraction(step.numerator)
    low = max((Fraction(str(schema[k])) for k in ("minimum", "exclusiveMinimum") if k in schema),
              default=None)  # fmt: skip
    high = min((Fraction(str(schema[k])) for k in ("maximum", "exclusiveMaximum") if k in schema),
               default=None)  # fmt: skip
    if low is not None and low > 0:
        first = math.ceil(low / step)
        order: Iterable[int] = range(first, first + _MAX_ITEMS)
    elif high is not None and high < 0:
        last = math.floor(high / step)
        order = range(last, last - _MAX_ITEMS, -1)
    else:  # One rather than none: "0 people" is seldom meant.
        order = itertools.chain(range(1, _MAX_ITEMS), range(0, -_MAX_ITEMS, -1))
    if low is not None and high is not None and "multipleOf" not in schema and not whole:
        middle = (low + high) / 2
        yield _number(middle)
        yield _number(low)
        yield _number(high)
    for count in order:
        yield _number(count * step)
        if high is not None and high > 0 and count * step > high:
            break
    yield from (0, -1)


def _number(value: Fraction) -> int | float:
    return int(value) if value.denominator == 1 else float(value)


def _arrays(schema: dict[str, Any], making: _Making, depth: int) -> Iterator[list[Any]]:
    least = min(int(schema.get("minItems", 0)), _MAX_ITEMS)
    first = schema.get("prefixItems", [])
    items: list[Any] = []
    if "contains" in schema:
        wanted = int(schema.get("minContains", 1))
        merged = _both(schema["contains"], schema.get("items", True))
        found = list(itertools.islice(_fitting(merged, making, depth + 1), _MAX_CANDIDATES))
        if found:
            items += _picked(found, wanted, unique=bool(schema.get("uniqueItems")))
    elif least == 0:
        yield []
    rest = _many(schema.get("items", True), making, depth + 1)
    while len(items) < least:
        index = len(items)
        source = _many(first[index], making, depth + 1) if index < len(first) else rest
        one = next(source, _NOTHING)
        while one is not _NOTHING and schema.get("uniqueItems") and _among(one, items):
            one = next(source, _NOTHING)
        if one is _NOTHING:
            return
        items.append(one)
        if index >= len(first) and not schema.get("uniqueItems"):
            items += [one] * (least - len(items))
    yield items


def _among(value: Any, items: list[Any]) -> bool:
    return any(same(value, item) for item in items)


def _many(schema: Schema, making: _Making, depth: int) -> Iterator[Any]:
    """Like `_fitting`, with enough values for a long array of different ones."""
    for value in itertools.islice(_candidates(schema, making, depth), _MAX_ITEMS):
        if making.judge.fits(value, schema):
            yield value


def _picked(found: list[Any], count: int, *, unique: bool) -> list[Any]:
    if not unique:
        return [found[0]] * count
    kept: list[Any] = []
    for value in found:
        if len(kept) < count and not any(same(value, item) for item in kept):
            kept.append(value)
    return kept


def _objects(schema: dict[str, Any], making: _Making, depth: int) -> Iterator[dict[str, Any]]:
    least = int(schema.get("minProperties", 0))
    value: dict[str, Any] = {}
    names = iter([*required(schema, {})])
    optional = [name for name in schema.get("properties", {}) if name not in required(schema, {})]
    more = (f"property_{number}" for number in range(1, _MAX_ITEMS))
    patterned = (text_matching(pattern) for pattern in schema.get("patternProperties", {}))
    for name in itertools.chain(
        names, *(_while_short(value, least, n) for n in (optional, patterned, more))
    ):
        if name is None or name in value:
            continue
        inner = next(_fitting(_property(schema, name), making, depth + 1), _NOTHING)
        if inner is not _NOTHING:
            value[name] = inner
    yield value
    for name in optional:  # Perhaps an optional one is what makes it fit.
        inner = next(_fitting(_property(schema, name), making, depth + 1), _NOTHING)
        if inner is not _NOTHING:
            yield {**value, name: inner}


def _while_short(value: dict[str, Any], least: int, names: Iterable[Any]) -> Iterator[Any]:
    for name in names:
        if len(value) >= least:
            return
        yield name


def _property(schema: dict[str, Any], name: str) -> Schema:
    found: Schema = True
    for pattern, inner in schema.get("patternProperties", {}).items():
        if matches(pattern, name):
            found = _both(found, inner)
    if name in schema.get("properties", {}):
        return _both(found, schema["properties"][name])
    return found if found is not True else schema.get("additionalProperties", True)
