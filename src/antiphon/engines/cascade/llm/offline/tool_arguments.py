"""A function's arguments from the words of the user, and from nothing else.

Numbers, days, times, enumerations and yes or no are read by type; other text by the
preposition before it ("in Paris") or as what is left of the sentence.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct, field

from antiphon.engines.cascade.llm.offline.english import ENGLISH
from antiphon.engines.cascade.llm.offline.numbers import read_digits, read_number
from antiphon.engines.cascade.llm.offline.schema_check import Schema, fits, resolved, types_of
from antiphon.engines.cascade.llm.offline.schema_values import value_for
from antiphon.engines.cascade.llm.offline.slots import PLAIN_SLOTS, Choice, EnumSlot, Slot
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

_WORDS = ENGLISH["functions"]
_BEFORE = [(set(names.split()), marks.split()) for names, marks in _WORDS["before"]]
_ANY_BEFORE = _WORDS["any_before"].split()
_ENDS, _LONG_TEXTS, _TRAILING, _COMMON, _SWITCHES, _YES, _NO = (
    frozenset(_WORDS[name].split())
    for name in ("ends", "long", "trailing", "common", "switches", "yes", "no")
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
    hearing, values = _Hearing(words_of(text), today), dict[str, Any]()
    words, used = hearing.words, hearing.used
    for name in [*ordered] if words else ():
        schema = _plain(properties[name], parameters)
        found = _from_words(name, schema, hearing)
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
    hearing = _Hearing(words_of(text), today, alone=True)
    found = _from_words(name, _plain(whole, parameters), hearing)
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


class _Hearing(Struct):
    """What was said, and which words of it are a value already."""

    words: tuple[Word, ...]
    today: dt.date
    alone: bool = False
    """One value was asked for, and nothing else."""
    used: set[int] = field(default_factory=set)

    @property
    def heard(self) -> tuple[str, ...]:
        return tuple(word.canon for word in self.words)

    def is_free(self, start: int, end: int) -> bool:
        return self.used.isdisjoint(range(start, end))


def _from_words(name: str, schema: Mapping[str, Any], hearing: _Hearing) -> Any:
    """A `_Found`, or `NOTHING`."""
    kinds = types_of(schema)
    if "enum" in schema:
        found = _enum_items(schema["enum"], hearing)
        return found[0] if found else NOTHING
    if "array" in kinds:
        return _array(schema, hearing)
    if "boolean" in kinds:
        return _boolean(name, hearing)
    if "integer" in kinds or "number" in kinds:
        return _number(name, schema, hearing, whole="number" not in kinds)
    if "string" in kinds or not kinds:
        return _formatted(name, schema, hearing)
    return NOTHING


def _enum_items(values: list[Any], hearing: _Hearing) -> list[_Found]:
    """Each value that was said once, the longest name first; an "s" may follow its name."""
    names = {spoken_name(str(value)): value for value in values if value is not None}
    slot = EnumSlot("value", tuple(Choice(v, (name, f"{name}s")) for name, v in names.items()))
    heard = corrected(hearing.words, {word for name in names for word in canon(name)})
    found: dict[str, _Found] = {}
    for start in range(len(heard)):
        for end, read in slot.read(heard, start, hearing.today):
            found.setdefault(read.spoken, (read.value, set(range(start, end))))
    return sorted(found.values(), key=lambda pair: -len(pair[1]))


def _array(schema: Mapping[str, Any], hearing: _Hearing) -> Any:
    items = schema.get("items")
    if isinstance(items, dict) and isinstance(items.get("enum"), list):
        found = _enum_items(items["enum"], hearing)
        found.sort(key=lambda pair: min(pair[1]))
        if found:
            return [value for value, _ in found], set().union(*(places for _, places in found))
    return NOTHING


def _boolean(name: str, hearing: _Hearing) -> Any:
    own = set(spoken_name(name).split()) - {"is", "with", "include", "use", "has"}
    heard = hearing.heard
    if own & _SWITCHES:
        switched = [word for word in heard if word in ("on", "off")]
        if switched:
            return switched[0] == "on", {heard.index(switched[0])}
    places = [index for index, word in enumerate(heard) if word in own]
    if not places and not hearing.alone:
        return NOTHING
    near = heard if hearing.alone else heard[max(0, places[0] - 3) : places[0] + 3]
    if any(word in _NO for word in near):
        return False, set(places)
    if hearing.alone and not any(word in _YES for word in near) and not places:
        return NOTHING
    return True, set(places)


def _number(name: str, schema: Mapping[str, Any], hearing: _Hearing, *, whole: bool) -> Any:
    heard = hearing.heard
    described = {*spoken_name(name).split(), *canon(str(schema.get("description", "")))}
    if described & {"minute", "minutes", "duration"}:
        length = _first(hearing, PLAIN_SLOTS["duration"])
        if length:
            return length
    best: tuple[int, _Found] | None = None
    at = 0
    while at < len(heard):
        number = None if at in hearing.used else read_number(heard, at)
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


def _formatted(name: str, schema: Mapping[str, Any], hearing: _Hearing) -> Any:
    form, parts = schema.get("format", ""), set(spoken_name(name).split())
    day = time = None
    if form in ("date", "date-time") or parts & {"date", "day"}:
        day = _first(hearing, PLAIN_SLOTS["date"])
    if form in ("time", "date-time") or parts & {"time", "hour"}:
        time = _first(hearing, PLAIN_SLOTS["time"], bare=hearing.alone)
    if form == "date-time":
        if day is None:
            return NOTHING
        clock, places = time or ("00:00", set())
        return f"{day[0]}T{clock}:00Z", day[1] | places
    if form == "time":
        return (f"{time[0]}:00Z", time[1]) if time else NOTHING
    if parts & {"code", "pin", "digits", "phone", "number"}:
        heard = hearing.heard
        for start in range(len(heard)):
            end, digits = read_digits(heard, start)
            if len(digits) >= 3 and hearing.is_free(start, end):
                return digits, set(range(start, end))
    return day or time or NOTHING


def _first(hearing: _Hearing, slot: Slot, *, bare: bool = True) -> _Found | None:
    """What is read first, of words that nothing else has used; ``bare``: a numeral will do."""
    for start, word in enumerate(hearing.words):
        for end, found in slot.read(hearing.words, start, hearing.today):
            is_bare = end == start + 1 and word.canon.isdecimal() and len(word.canon) <= 2
            if hearing.is_free(start, end) and (bare or not is_bare):
                return found.value, set(range(start, end))
    return None


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
