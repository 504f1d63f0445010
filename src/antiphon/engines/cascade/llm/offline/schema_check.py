"""Whether a value fits a JSON Schema (draft 2020-12), in a bounded number of steps.

The library judges; what is added is for schemas that anybody may send: steps are counted,
nothing is fetched, a reference that leads nowhere or round in circles allows anything, and
no pattern is tried that could be searched for ever.  Formats are not checked, as the
standard allows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend
from referencing import Registry, Resource
from referencing.exceptions import PointerToNowhere, Unresolvable
from referencing.jsonschema import DRAFT202012

Schema = Any
"""A dict, or a bool."""

MAX_STEPS = 20_000
MAX_DEPTH = 80
"""Of rules within rules.  Python's own limit may be met in the library's compiled part, which then
raises what no handler of exceptions catches.
"""

_Rule = Callable[..., Iterator[ValidationError] | None]


class _SpentError(Exception):
    """Choices within choices multiply: there were too many, or too many within one another."""


class _Steps(FormatChecker):
    """Checks no format, and is the one thing that the library hands on to every step."""

    def __init__(self, count: int) -> None:
        super().__init__(formats=())
        self.left = count
        self.begin()

    def begin(self) -> None:
        self.depth = 0
        self.followed: set[tuple[int, int]] = set()
        """References, and the values they are followed for at the moment."""


def _counted(rule: _Rule) -> _Rule:
    def counted(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[Any]:
        steps: _Steps = validator.format_checker
        steps.left -= 1
        if steps.left < 0 or steps.depth >= MAX_DEPTH:
            raise _SpentError
        steps.depth += 1
        try:
            yield from rule(validator, value, instance, schema) or ()
        finally:
            steps.depth -= 1

    return counted


def _reference(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[Any]:
    followed, here = validator.format_checker.followed, (id(schema), id(instance))
    if here in followed:
        return  # Round in a circle.
    followed.add(here)
    try:
        yield from Draft202012Validator.VALIDATORS["$ref"](validator, value, instance, schema) or ()
    except Unresolvable:
        return
    finally:
        followed.discard(here)


def _pattern(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[Any]:
    del validator, schema
    if isinstance(instance, str) and not matches(value, instance):
        yield ValidationError("no match")


_RULES: dict[str, _Rule] = {
    **Draft202012Validator.VALIDATORS, "$ref": _reference, "pattern": _pattern
}  # fmt: skip
_Validator: Any = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator, {name: _counted(rule) for name, rule in _RULES.items()}
)


class Judge:
    """Judges values by ``root`` and what is inside it, in ``steps`` altogether."""

    def __init__(self, root: Schema, steps: int = MAX_STEPS) -> None:
        self.steps = _Steps(steps)
        self._root = _Validator(root, format_checker=self.steps, registry=Registry())

    def errors(self, value: Any, schema: Schema) -> list[ValidationError] | None:
        """What is wrong with it; None, if the steps were used up meanwhile."""
        if not isinstance(schema, dict | bool):
            return []
        self.steps.begin()
        try:
            return list(self._root.descend(value, schema))
        except _SpentError:
            return None
        except RecursionError:  # Of values to compare.
            return []

    def fits(self, value: Any, schema: Schema) -> bool:
        """Whether it fits; not, if the steps were used up meanwhile."""
        return self.errors(value, schema) == []


def fits(value: Any, schema: Schema, root: Schema) -> bool:
    """Whether ``value`` fits ``schema``, whose ``$ref`` point into ``root``."""
    return Judge(root).fits(value, schema)


def resolved(reference: Any, root: Schema) -> Schema:
    """What a local reference points at; anything fits one that points nowhere."""
    whole: Resource[Any] = DRAFT202012.create_resource(root)
    try:
        return Registry().with_resource("", whole).resolver().lookup(reference).contents
    except (Unresolvable, PointerToNowhere, ValueError, AttributeError, TypeError):
        return True


def types_of(schema: Schema) -> tuple[str, ...]:
    """The types that the schema names; () if it names none."""
    named = schema.get("type") if isinstance(schema, dict) else None
    return tuple(named) if isinstance(named, list) else (named,) if isinstance(named, str) else ()


_SLOW = re.compile(r"\([^()]*[+*}][^()]*\)[+*{]|\)[+*}]?[)]+[+*{]|(?:[+*][^()]{0,3}){4}|\\\d")
"""Repetition within repetition and the like: Python may search for ever.  Better unchecked."""


def searchable(pattern: str) -> bool:
    """Whether it is a pattern, and one that ends its search soon."""
    return _compiled(pattern) is not None


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
