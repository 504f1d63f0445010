"""A function's arguments from the words of the user, and from nothing else.

Numbers, days, times, enumerations and yes or no are read by type; other text by the
preposition before it ("in Paris") or as what is left of the sentence.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from antiphon.engines.cascade.llm.offline.calendar import (
    read_date,
    read_duration,
    read_time,
)
from antiphon.engines.cascade.llm.offline.english import ENGLISH
from antiphon.engines.cascade.llm.offline.numbers import read_digits, read_number
from antiphon.engines.cascade.llm.offline.schema_check import Schema, fits, resolved, types_of
from antiphon.engines.cascade.llm.offline.schema_values import value_for
from antiphon.engines.cascade.llm.offline.words import (
    Word,
    canon,
    corrected,
    said,
    stem,
    words_of,
)

NOTHING = object()
"""No value was found; None may be one."""

_BEFORE: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    # Parts of a property's name, and the words that its value follows.
    (("destination", "recipient", "target", "dest"), ("to", "for")),
    (("origin", "departure", "source", "from"), ("from",)),
    (("city", "location", "place", "town", "country", "region", "where", "address", "area"),
     ("in", "at", "for", "near", "around")),
    (("query", "topic", "subject", "q", "search", "question", "keyword", "keywords"),
     ("for", "about", "on")),
    (("name", "title", "label", "person", "user", "contact"),
     ("named", "called", "for", "to", "is")),
    (("message", "text", "note", "body", "content", "reminder", "task", "reason", "comment"),
     ("saying", "that", "says", "to", "because", "about")),
)  # fmt: skip
_ANY_BEFORE = ("in", "for", "to", "about", "of", "named", "called", "with", "at", "on", "from")
_ENDS = frozenset([*_ANY_BEFORE, "please", "and", "saying", "because", "by"])
_COMMON, _SWITCHES, _YES, _NO = (
    frozenset(ENGLISH["functions"][name].split()) for name in ("common", "switches", "yes", "no")
)


def filled_arguments(
    parameters: Schema, text: str, today: dt.date, *, known: Iterable[str] = ()
) -> tuple[dict[str, Any], list[str]]:
    """What ``text`` says for a function's parameters, and what is required and missing.

    ``known`` are words that named the function itself and can be no value.
    """
    properties = properties_of(parameters, parameters)
    required = [name for name in parameters.get("required", ()) if name in properties]
    # Days and times first: their numbers are no one else's.
    ordered = sorted(
        properties,
        key=lambda name: (
            "string" not in types_of(_plain(properties[name], parameters)),
            name not in required,
        ),
    )
    words = words_of(text)
    values: dict[str, Any] = {}
    used: set[int] = set()
    for name in [*ordered] if words else ():
        schema = _plain(properties[name], parameters)
        found = _from_words(name, schema, words, used, today)
        if found is not NOTHING and fits(found[0], properties[name], parameters):
            values[name] = found[0]
            used |= found[1]
    texts = [n for n in ordered if n not in values and _is_free_text(properties[n], parameters)]
    for name in texts:
        value = _free_text(name, words, used, known, only=len(texts) == 1 and name in required)
        if value and fits(value[0], properties[name], parameters):
            values[name] = value[0]
            used |= value[1]
    return values, [name for name in required if name not in values]


def answered_argument(name: str, parameters: Schema, text: str, today: dt.date) -> Any:
    """The value that ``text`` is for property ``name``, asked for alone; or `NOTHING`."""
    whole = properties_of(parameters, parameters)[name]
    schema, words = _plain(whole, parameters), words_of(text)
    found = _from_words(name, schema, words, set(), today, alone=True)
    if found is not NOTHING and fits(found[0], whole, parameters):
        return found[0]
    plain = text.strip().rstrip(".!?")
    if _is_free_text(whole, parameters) and plain and fits(plain, whole, parameters):
        return plain
    return NOTHING


def forced_arguments(parameters: Schema, text: str, today: dt.date) -> dict[str, Any]:
    """Arguments that fit, with what ``text`` says where it says something."""
    made = value_for(parameters, parameters, text=text.strip() or "unknown")
    if not isinstance(made, dict):
        return {}
    if not isinstance(parameters, dict):
        return made
    values, _ = filled_arguments(parameters, text, today)
    for name, value in values.items():
        tried = {**made, name: value}
        if fits(tried, parameters, parameters):
            made = tried
    return made


def properties_of(parameters: Schema, root: Schema) -> dict[str, Schema]:
    parameters = _plain(parameters, root)
    found = parameters.get("properties", {}) if isinstance(parameters, dict) else {}
    return found if isinstance(found, dict) else {}


def enum_of(schema: Schema, root: Schema) -> list[Any]:
    """The values of an enumeration, also of an array of one; [] if it is none."""
    schema = _plain(schema, root)
    if isinstance(schema.get("enum"), list):
        return list(schema["enum"])
    items = _plain(schema.get("items", True), root) if "items" in schema else {}
    return list(items["enum"]) if isinstance(items.get("enum"), list) else []


def spoken_name(name: str) -> str:
    """As "partySize", "party_size" and "party-size" as words."""
    return " ".join(re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[_\-.]+", " ", name).lower().split())


def _plain(schema: Schema, root: Schema) -> dict[str, Any]:
    """References and optional forms (``anyOf`` with null) looked through."""
    for _ in range(8):
        if not isinstance(schema, dict):
            return {}
        if "$ref" in schema:
            schema = {**{k: v for k, v in schema.items() if k != "$ref"}} | (
                r if isinstance(r := resolved(schema["$ref"], root), dict) else {}
            )
            continue
        for key in ("anyOf", "oneOf", "allOf"):
            real = [s for s in schema.get(key, ()) if s != {"type": "null"}]
            if real and "type" not in schema and isinstance(real[0], dict):
                schema = {k: v for k, v in schema.items() if k != key} | real[0]
                break
        else:
            return schema
    return schema if isinstance(schema, dict) else {}


def _is_free_text(schema: Schema, root: Schema) -> bool:
    plain = _plain(schema, root)
    kinds = types_of(plain)
    return "enum" not in plain and "const" not in plain and (not kinds or "string" in kinds)


# --- By type -----------------------------------------------------------------

_Found = tuple[Any, set[int]]


def _from_words(
    name: str,
    schema: Mapping[str, Any],
    words: tuple[Word, ...],
    used: set[int],
    today: dt.date,
    *,
    alone: bool = False,
) -> Any:
    """A `_Found`, or `NOTHING`."""
    kinds = types_of(schema)
    if "enum" in schema:
        found = _enum_items(schema["enum"], words)
        return found[0] if found else NOTHING
    if "array" in kinds:
        return _array(schema, words)
    if "boolean" in kinds:
        return _boolean(name, words, alone=alone)
    if "integer" in kinds or "number" in kinds:
        return _number(name, schema, words, used, whole="number" not in kinds)
    if "string" in kinds or not kinds:
        return _formatted(name, schema, words, used, today, alone=alone)
    return NOTHING


def _enum_items(values: list[Any], words: tuple[Word, ...]) -> list[_Found]:
    ways = {canon(spoken_name(str(value))): value for value in values if value is not None}
    heard = corrected(words, {word for way in ways for word in way})
    found = []
    for way in sorted(ways, key=len, reverse=True):
        for start in range(len(heard) - len(way) + 1):
            here = tuple(word.canon for word in heard[start : start + len(way)])
            if way and here in (way, (*way[:-1], way[-1] + "s")):
                found.append((ways[way], set(range(start, start + len(way)))))
                break
    return found


def _array(schema: Mapping[str, Any], words: tuple[Word, ...]) -> Any:
    items = schema.get("items")
    if isinstance(items, dict) and isinstance(items.get("enum"), list):
        found = _enum_items(items["enum"], words)
        found.sort(key=lambda pair: min(pair[1]))
        if found:
            return [value for value, _ in found], set().union(*(places for _, places in found))
    return NOTHING


def _boolean(name: str, words: tuple[Word, ...], *, alone: bool) -> Any:
    own = set(spoken_name(name).split()) - {"is", "with", "include", "use", "has"}
    heard = [word.canon for word in words]
    if own & _SWITCHES:
        switched = [word for word in heard if word in ("on", "off")]
        if switched:
            return switched[0] == "on", {heard.index(switched[0])}
    places = [index for index, word in enumerate(heard) if word in own]
    if not places and not alone:
        return NOTHING
    near = heard if alone else heard[max(0, places[0] - 3) : places[0] + 3]
    if any(word in _NO for word in near):
        return False, set(places)
    if alone and not any(word in _YES for word in near) and not places:
        return NOTHING
    return True, set(places)


def _number(
    name: str, schema: Mapping[str, Any], words: tuple[Word, ...], used: set[int], *, whole: bool
) -> Any:
    heard = tuple(word.canon for word in words)
    described = {*spoken_name(name).split(), *canon(str(schema.get("description", "")))}
    if described & {"minute", "minutes", "duration"}:
        length = _first(heard, used, lambda at: read_duration(heard, at))
        if length:
            return length
    best: tuple[int, _Found] | None = None
    at = 0
    while at < len(heard):
        number = None if at in used else read_number(heard, at)
        if number is None:
            at += 1
            continue
        end, value = number
        if not (whole and not float(value).is_integer()):
            value = int(value) if float(value).is_integer() else value
            near = {*heard[max(0, at - 1) : at], *heard[end : end + 1]}
            score = len({stem(word) for word in near} & {stem(word) for word in described})
            if best is None or score > best[0]:
                best = (score, (value, set(range(at, end))))
        at = end
    return best[1] if best else NOTHING


def _formatted(
    name: str,
    schema: Mapping[str, Any],
    words: tuple[Word, ...],
    used: set[int],
    today: dt.date,
    *,
    alone: bool,
) -> Any:
    heard = tuple(word.canon for word in words)
    form, parts = schema.get("format", ""), set(spoken_name(name).split())
    day = time = None
    if form in ("date", "date-time") or parts & {"date", "day"}:
        day = _first(heard, used, lambda at: _read_day(heard, at, today))
    if form in ("time", "date-time") or parts & {"time", "hour"}:
        time = _first(heard, used, lambda at: _read_time(heard, at, alone=alone))
    if form == "date-time":
        if day is None:
            return NOTHING
        clock, places = time or ("00:00", set())
        return f"{day[0]}T{clock}:00Z", day[1] | places
    if form == "time":
        return (f"{time[0]}:00Z", time[1]) if time else NOTHING
    if parts & {"code", "pin", "digits", "phone", "number"}:
        code = _first(heard, used, lambda at: _read_code(heard, at))
        if code:
            return code
    return day or time or NOTHING


def _first(
    heard: tuple[str, ...], used: set[int], read: Callable[[int], tuple[int, Any] | None]
) -> _Found | None:
    """What is read first, of words that nothing else has used."""
    for start in range(len(heard)):
        found = read(start)
        if found and not used & set(range(start, found[0])):
            return found[1], set(range(start, found[0]))
    return None


def _read_code(heard: tuple[str, ...], at: int) -> tuple[int, str] | None:
    end, digits = read_digits(heard, at)
    return (end, digits) if len(digits) >= 3 else None


def _read_day(heard: tuple[str, ...], at: int, today: dt.date) -> tuple[int, str] | None:
    found = read_date(heard, at, today)
    return found and (found[0], found[1].isoformat())


def _read_time(heard: tuple[str, ...], at: int, *, alone: bool) -> tuple[int, str] | None:
    """A bare number is a time only after "at", or where a time was asked for."""
    found = read_time(heard, at)
    if found is None:
        return None
    bare = found[0] == at + 1 and heard[at].isdecimal() and len(heard[at]) <= 2
    return None if bare and not alone else (found[0], found[1].strftime("%H:%M"))


def _free_text(
    name: str, words: tuple[Word, ...], used: set[int], known: Iterable[str], *, only: bool
) -> _Found | None:
    """Text after a fitting preposition; for an ``only`` one, else what is left over."""
    parts = set(spoken_name(name).split())
    before = next((marks for names, marks in _BEFORE if parts & set(names)), _ANY_BEFORE)
    for mark in (*spoken_name(name).split()[-1:], *before):
        for index, word in enumerate(words[:-1]):
            if word.canon == mark and index not in used and index + 1 not in used:
                places = _up_to_end(words, index + 1, used, long=bool(parts & _LONG_TEXTS))
                if places:
                    return said(words[place] for place in places), {index, *places}
    if not only:
        return None
    spoken = {*known, *_COMMON}
    left = [i for i, word in enumerate(words) if i not in used and stem(word.canon) not in spoken]
    left = [i for i in left if words[i].canon not in spoken]
    return (said(words[i] for i in left), set(left)) if left else None


def _up_to_end(words: tuple[Word, ...], start: int, used: set[int], *, long: bool) -> list[int]:
    places = []
    for index in range(start, len(words)):
        if index in used or (not long and words[index].canon in _ENDS):
            break
        places.append(index)
    while places and words[places[0]].canon in ("the", "a", "an", "is") and len(places) > 1:
        places.pop(0)
    if places and words[places[-1]].canon in _TRAILING:
        places.pop()
    return places


_LONG_TEXTS = frozenset(_BEFORE[-1][0]) | frozenset(_BEFORE[3][0])
"""Names of properties that take the rest of the sentence, prepositions and all."""
_TRAILING = frozenset(["please", "today", "tomorrow", "now", "tonight"])
