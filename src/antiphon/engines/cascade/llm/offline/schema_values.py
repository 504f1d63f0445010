"""Values that fit a JSON Schema, for a call that must be made whatever was said.

A first guess is made, and what the judge finds wrong with it is put right until nothing is.
"""

from __future__ import annotations

import copy
import math
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from fractions import Fraction
from typing import Any

import rstr
from jsonschema.exceptions import ValidationError

from antiphon.engines.cascade.llm.offline.english import ENGLISH
from antiphon.engines.cascade.llm.offline.schema_check import (
    Judge,
    Schema,
    matches,
    resolved,
    types_of,
)

_MAX_ROUNDS = 100
_MAX_DEPTH = 16
"""Of references and choices that are followed for a first guess."""
_ROUNDS_FOR_A_CHOICE = 8
"""So long one way of ``anyOf`` is tried to be met before the next one."""
_MAX_ITEMS = 512
_MAX_CHARS = 16_384
_MAX_SIZE = 20_000
"""Values within values; a larger one is not sent."""
_MAX_REPEAT = 512

_FORMATS: dict[str, str] = ENGLISH["formats"]
_HINTS = {
    "object": ("properties", "required", "additionalProperties", "minProperties",
               "patternProperties"),
    "array": ("items", "prefixItems", "minItems", "contains", "uniqueItems"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "string": ("pattern", "minLength", "maxLength", "format"),
}  # fmt: skip
"""Keywords that tell the type where none is named."""
_KINDS: dict[str, type | tuple[type, ...]] = {
    "string": str, "object": dict, "number": (int, float), "boolean": bool, "array": list,
    "null": type(None),
}  # fmt: skip


def value_for(schema: Schema, root: Schema, *, text: str = "unknown") -> Any:
    """A value that fits ``schema``; ``text`` is put where any text may stand.

    Where nothing that fits was found, an empty one: the schema may fit nothing at all.
    """
    making = _Making(root, text)
    try:
        return making.value(schema)
    except (_NoneFitsError, RecursionError):
        return {} if "object" in types_of(schema) else None


def text_matching(pattern: str) -> str | None:
    """A text for ``pattern``, which the caller checks; None where none can be made."""
    counts = re.findall(r"\{(\d+)", pattern)
    if math.prod(max(1, int(count)) for count in counts) > _MAX_REPEAT:
        return None
    try:
        return rstr.Rstr(_First(0)).xeger(pattern)
    except (re.error, LookupError, ValueError, OverflowError, RecursionError):
        return None


class _First(random.Random):
    """Chance that always takes the least: no repetition, the first way, a plain letter."""

    def randint(self, a: int, b: int) -> int:
        del b
        return a

    def choice(self, seq: Any) -> Any:
        # The library's own sets of letters have no order.
        return min(seq, key=lambda c: (not c.isalnum(), c)) if isinstance(seq[0], str) else seq[0]


class _NoneFitsError(Exception):
    """None was found; there may be none."""


class _Making:
    def __init__(self, root: Schema, text: str) -> None:
        self.root = root
        self.text = text
        self.judge = Judge(root, steps=30_000)
        self.rounds = _MAX_ROUNDS
        self.tried: Counter[tuple[Any, ...]] = Counter()
        """How often each complaint was met."""

    def value(self, schema: Schema) -> Any:
        """A first guess, put right."""
        box = [self.guess(schema)]
        while found := self.judge.errors(box[0], schema):
            self.rounds -= 1
            if self.rounds < 0 or _size(box[0]) > _MAX_SIZE:
                raise _NoneFitsError
            mended: set[tuple[Any, ...]] = set()
            for error in found:
                for single in self._singled(error):
                    path = (0, *single.absolute_path)
                    if not any(path[:length] in mended for length in range(len(path) + 1)):
                        mended.add(path)
                        with suppress(LookupError):  # It went with what was mended before.
                            self._mend(box, path, single)
        if found is None or _size(box[0]) > _MAX_SIZE:
            raise _NoneFitsError
        return box[0]

    def guess(self, schema: Schema, nth: int = 0, depth: int = 0) -> Any:
        """What may fit, without looking far; each ``nth`` is another one, if that is easy."""
        if not isinstance(schema, dict) or depth > _MAX_DEPTH:
            return self.text
        for key in ("enum", "examples"):
            if key in schema and (key == "enum" or "default" not in schema):
                return copy.deepcopy(schema[key][nth % len(schema[key])])
        for key in ("const", "default"):
            if key in schema:
                return copy.deepcopy(schema[key])
        kinds = types_of(schema) or [
            kind for kind, hints in _HINTS.items() if not schema.keys().isdisjoint(hints)
        ]
        if "$ref" in schema and not kinds:
            return self.guess(resolved(schema["$ref"], self.root), nth, depth + 1)
        for key in () if kinds else ("allOf", "anyOf", "oneOf"):
            for part in schema.get(key, ())[:1]:
                return self.guess(part, nth, depth + 1)
        return self._of_kind(next(iter(kinds), "string"), schema, nth)

    def _of_kind(self, kind: str, schema: dict[str, Any], nth: int) -> Any:
        match kind:
            case "integer" | "number":
                return _number(schema, 1, nth, whole=kind == "integer")
            case "string":
                texts = list(_texts(schema, self.text))
                return texts[nth] if nth < len(texts) else f"{texts[-1]}{nth}"
            case "boolean":
                return nth % 2 == 0
        return {"array": list, "object": dict}.get(kind, lambda: None)()

    def _singled(self, error: ValidationError) -> Iterator[ValidationError]:
        """The error itself, or those of the way that is tried of several."""
        # That nothing fits "false" is told without a path.
        told = [inner for inner in error.context or () if inner.schema_path]
        ways = sorted({inner.schema_path[0] for inner in told}, key=str)
        if not ways:
            yield error
            return
        key = (*error.absolute_path, *error.absolute_schema_path)
        chosen = ways[self.tried[key] // _ROUNDS_FOR_A_CHOICE % len(ways)]
        self.tried[key] += 1
        for inner in told:
            if inner.schema_path[0] == chosen:
                yield from self._singled(inner)

    # --- What is done about each complaint ---

    def _mend(self, box: list[Any], path: tuple[Any, ...], error: ValidationError) -> None:
        *above, last = path
        holder: Any = box
        for step in above:
            holder = holder[step]
        key = (*error.absolute_path, *error.absolute_schema_path)
        count, self.tried[key] = self.tried[key], self.tried[key] + 1
        value = holder[last]
        if error.instance is not value and isinstance(value, dict):  # A name was judged.
            value.pop(error.instance, None)
        elif error.validator is None:  # Nothing may stand here.
            if holder is box:
                raise _NoneFitsError
            del holder[last]
        else:
            schema = error.schema if isinstance(error.schema, dict) else {}
            holder[last] = self._mended(value, str(error.validator), schema, count)

    def _mended(self, value: Any, keyword: str, schema: dict[str, Any], count: int) -> Any:
        wanted = schema.get(keyword)
        match keyword, value:
            case "const", _:
                return copy.deepcopy(wanted)
            case "enum", _:
                return copy.deepcopy(wanted[count % len(wanted)]) if wanted else value
            case "type", _:
                kinds = types_of(schema)
                return self._of_kind(kinds[count % len(kinds)], schema, 0)
            case _, int() | float() if keyword in _HINTS["number"]:
                return _number(schema, value, count // 2, whole=isinstance(value, int))
            case _, str() if keyword in _HINTS["string"]:
                texts = list(_texts(schema, value))
                return texts[count % len(texts)]
            case _, list():
                return self._list_mended(value, keyword, schema)
            case _, dict():
                return self._object_mended(value, keyword, schema)
        return self._another(value, count)

    def _another(self, value: Any, count: int) -> Any:
        """Some other value: of the same kind at first."""
        kinds = [kind for kind, python in _KINDS.items() if isinstance(value, python)]
        if count >= _ROUNDS_FOR_A_CHOICE or not isinstance(value, str | int | float):
            kinds = [kind for kind in _KINDS if kind not in kinds]
        return self._of_kind(kinds[count % len(kinds)], {}, count + 1)

    def _list_mended(self, value: list[Any], keyword: str, schema: dict[str, Any]) -> list[Any]:
        first = schema.get("prefixItems", [])
        match keyword:
            case "contains":
                both = {"allOf": [schema["contains"], schema.get("items", True)]}
                wanted = min(schema.get("minContains", 1), _MAX_ITEMS)
                return value + [self.value(both) for _ in range(int(wanted))]
            case "maxItems":
                return value[: int(schema["maxItems"])]
            case "items":
                return value[: len(first)]
            case "minItems":
                start, unique = len(value), schema.get("uniqueItems")
            case "uniqueItems":
                start, unique = 0, True
            case _:
                return value
        made = value[:start]
        for at in range(start, min(int(max(schema.get("minItems", 0), len(value))), _MAX_ITEMS)):
            item = first[at] if at < len(first) else schema.get("items", True)
            made.append(self.guess(item, at if unique else 0))
        return made

    def _object_mended(
        self, value: dict[str, Any], keyword: str, schema: dict[str, Any]
    ) -> dict[str, Any]:
        named: dict[str, Any] = schema.get("properties", {})
        names: Iterable[str] = ()
        match keyword:
            case "additionalProperties":
                patterns = schema.get("patternProperties", {})
                known = [n for n in value if n in named or any(matches(p, n) for p in patterns)]
                return {name: value[name] for name in known}
            case "maxProperties":
                return dict(list(value.items())[: int(schema["maxProperties"])])
            case "required":
                names = schema["required"]
            case "dependentRequired":
                names = [n for name in value for n in schema[keyword].get(name, ())]
            case "minProperties":
                made = map(text_matching, schema.get("patternProperties", {}))
                more = (f"property_{number}" for number in range(1, _MAX_ITEMS))
                new = [n for n in (*named, *made, *more) if n is not None and n not in value]
                names = new[: int(schema["minProperties"]) - len(value)]
            case _:  # Perhaps one that may be left out is what makes it fit.
                names = [name for name in named if name not in value][:1]
        other = schema.get("additionalProperties", True)
        return value | {n: self.guess(named.get(n, other)) for n in names if n not in value}


def _size(value: Any) -> int:
    """How many values are inside, or a number above `_MAX_SIZE`."""
    count, todo = 0, [value]
    while todo and count <= _MAX_SIZE:
        inner = todo.pop()
        count += 1
        if isinstance(inner, dict | list):
            todo += list(inner.values()) if isinstance(inner, dict) else inner
    return count


def _texts(schema: dict[str, Any], text: str) -> Iterator[str]:
    least = min(int(schema.get("minLength", 0)), _MAX_CHARS)
    most = min(int(schema.get("maxLength", _MAX_CHARS)), _MAX_CHARS)
    if "pattern" in schema:
        matching = text_matching(schema["pattern"])
        if matching is not None:
            yield matching.ljust(least, matching[-1:] or "a")
            yield matching.rjust(least, matching[:1] or "a")
    if schema.get("format") in _FORMATS:
        yield _FORMATS[schema["format"]]
    for start in (text, "a", "b", "0", ""):
        yield start[:most].ljust(least, "x")


def _number(schema: dict[str, Any], near: float, nth: int, *, whole: bool) -> int | float:
    """The multiple that is ``nth`` from the bounds, from ``near`` on."""
    bounds = {key: Fraction(str(schema[key])) for key in _HINTS["number"] if key in schema}
    low = max((bounds[k] for k in ("minimum", "exclusiveMinimum") if k in bounds), default=None)
    high = min((bounds[k] for k in ("maximum", "exclusiveMaximum") if k in bounds), default=None)
    step = bounds.get("multipleOf", Fraction(1))
    step = Fraction(step.numerator) if whole and step.denominator != 1 else step
    at = Fraction(str(near))
    at = at if low is None else max(at, low)
    at = at if high is None else min(at, high)
    up = math.ceil(at / step) + nth
    down = math.floor(at / step) - nth
    out = {bounds.get("exclusiveMinimum"), bounds.get("exclusiveMaximum")}
    for count in (up, up + 1, down, down - 1):
        value = count * step
        if (low is None or low <= value) and (high is None or value <= high) and value not in out:
            break
    else:
        value = (low + high) / 2 if low is not None and high is not None else up * step
    return int(value) if value.denominator == 1 else float(value)
