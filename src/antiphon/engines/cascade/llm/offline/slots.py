"""Typed slots: what may fill the gap in a phrase, read from words and put into grammars."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator
from typing import Protocol

from msgspec import Struct

from antiphon.engines.cascade.llm.offline.arithmetic import read_sum
from antiphon.engines.cascade.llm.offline.calendar import (
    read_date,
    read_duration,
    read_time,
    spoken_date,
    spoken_duration,
    spoken_time,
)
from antiphon.engines.cascade.llm.offline.english import ENGLISH
from antiphon.engines.cascade.llm.offline.numbers import (
    Number,
    read_digits,
    read_number,
    spoken_digits,
    spoken_number,
)
from antiphon.engines.cascade.llm.offline.units import read_conversion
from antiphon.engines.cascade.llm.offline.words import Word, canon, said

Rules = dict[str, str]
"""JSGF rules by name, without the angle brackets."""


class Filled(Struct, frozen=True):
    """What a slot was filled with: for machines, and to be spoken."""

    value: str | Number | bool
    spoken: str


Words = tuple[Word, ...]
Ways = Iterator[tuple[int, Filled]]


class Slot(Protocol):
    def read(self, words: Words, start: int, today: dt.date) -> Ways:
        """Each way to fill the slot from ``start``, likeliest first, with its end."""
        ...

    def rules(self) -> tuple[str, Rules] | None:
        """The JSGF rule to refer to, with all that it needs; None: anything may be said."""
        ...

    def examples(self) -> tuple[str, ...]:
        """What one could say, for prompts."""
        ...


def _canon(words: tuple[Word, ...]) -> tuple[str, ...]:
    return tuple(word.canon for word in words)


_RULES: Rules = ENGLISH["rules"]


def _rule(name: str) -> tuple[str, Rules]:
    """A rule with all that it refers to."""
    needed = {name: _RULES[name]}
    for inner in re.findall(r"<(\w+)>", needed[name]):
        needed |= _rule(inner)[1]
    return name, needed


_MAX_COUNT = 200


class NumberSlot(Struct, frozen=True):
    """A number, whole or not, within bounds.

    The grammar has as many words as the upper bound needs, up to a thousand millions.
    """

    low: Number = 0
    high: Number = 999

    def read(self, words: Words, start: int, today: dt.date) -> Ways:
        del today
        found = read_number(_canon(words), start)
        if found and self.low <= found[1] <= self.high:
            yield found[0], Filled(found[1], spoken_number(found[1]))

    def rules(self) -> tuple[str, Rules]:
        if self.low >= 0 and self.high <= 30:
            names = [spoken_number(n) for n in range(int(self.low), int(self.high) + 1)]
            rule = f"from_{int(self.low)}_to_{int(self.high)}"
            return rule, {rule: " | ".join(names)}
        if self.high < 100:
            return _rule("below_hundred")
        return _rule("number" if self.high < 1000 else "big_number")

    def examples(self) -> tuple[str, ...]:
        return (f"a number from {spoken_number(self.low)} to {spoken_number(self.high)}",)


class DigitsSlot(Struct, frozen=True):
    """Exactly ``count`` digits, said one by one."""

    count: int

    def read(self, words: Words, start: int, today: dt.date) -> Ways:
        del today
        end, digits = read_digits(_canon(words), start, self.count)
        if len(digits) == self.count:
            yield end, Filled(digits, spoken_digits(digits))

    def rules(self) -> tuple[str, Rules]:
        rule = f"digits_{self.count}"
        return rule, {**_rule("digit")[1], rule: " ".join(["<digit>"] * self.count)}

    def examples(self) -> tuple[str, ...]:
        return (f"{spoken_number(self.count)} digits",)


class PlainSlot(Struct, frozen=True):
    """One that is read in one way at most, by a function of canonical words."""

    kind: str
    reader: Callable[[tuple[str, ...], int, dt.date], tuple[int, Filled] | None]

    def read(self, words: Words, start: int, today: dt.date) -> Ways:
        found = self.reader(_canon(words), start, today)
        if found:
            yield found

    def rules(self) -> tuple[str, Rules]:
        return _rule("date" if self.kind == "days" else self.kind)

    def examples(self) -> tuple[str, ...]:
        return (ENGLISH["slots"][self.kind],)


class TextSlot(Struct, frozen=True):
    """Any words at all: a state that has one cannot narrow recognition."""

    def read(self, words: Words, start: int, today: dt.date) -> Ways:
        del today
        for end in range(len(words), start, -1):
            text = said(words[start:end])
            yield end, Filled(text, text)

    def rules(self) -> None:
        return None

    def examples(self) -> tuple[str, ...]:
        return ("anything",)


class Choice(Struct, frozen=True):
    """One item of an enumeration, and the ways to say it."""

    value: str | Number | bool
    says: tuple[str, ...]


class EnumSlot(Struct, frozen=True):
    """One of a list; longer names are tried first."""

    name: str
    choices: tuple[Choice, ...]

    def read(self, words: Words, start: int, today: dt.date) -> Ways:
        del today
        heard = _canon(words)
        ways = [(canon(way), choice) for choice in self.choices for way in choice.says]
        for way, choice in sorted(ways, key=lambda pair: -len(pair[0])):
            if way and heard[start : start + len(way)] == way:
                yield start + len(way), Filled(choice.value, choice.says[0])

    def rules(self) -> tuple[str, Rules]:
        ways = [way for choice in self.choices for way in choice.says]
        return f"enum_{self.name}", {f"enum_{self.name}": " | ".join(f"({way})" for way in ways)}

    def examples(self) -> tuple[str, ...]:
        return tuple(choice.says[0] for choice in self.choices)


# --- Those that are read in one way ------------------------------------------

_Found = tuple[int, Filled] | None


def _time(words: tuple[str, ...], start: int, _: dt.date) -> _Found:
    found = read_time(words, start)
    return found and (found[0], Filled(found[1].strftime("%H:%M"), spoken_time(found[1])))


def _date(words: tuple[str, ...], start: int, today: dt.date) -> _Found:
    found = read_date(words, start, today)
    if found is None:
        return None
    near = {0: "today", 1: "tomorrow"}.get((found[1] - today).days)
    return found[0], Filled(found[1].isoformat(), near or spoken_date(found[1]))


def _days(words: tuple[str, ...], start: int, today: dt.date) -> _Found:
    found = read_date(words, start, today)
    if found is None:
        return None
    days = (found[1] - today).days
    return found[0], Filled(days, "one day" if days == 1 else f"{spoken_number(days)} days")


def _duration(words: tuple[str, ...], start: int, _: dt.date) -> _Found:
    found = read_duration(words, start)
    return found and (found[0], Filled(found[1], spoken_duration(found[1])))


def _sum(words: tuple[str, ...], start: int, _: dt.date) -> _Found:
    found = read_sum(words, start)
    if found is None:
        return None
    value = "" if found[1].value is None else float(found[1].value)
    return found[0], Filled(value, found[1].answer())


def _conversion(words: tuple[str, ...], start: int, _: dt.date) -> _Found:
    found = read_conversion(words, start)
    return found and (found[0], Filled(found[1], found[2]))


def _count(words: tuple[str, ...], start: int, _: dt.date) -> _Found:
    low = read_number(words, start + 1) if words[start : start + 1] == ("from",) else (start, 1)
    if low is None:
        return None
    at = low[0] + (words[low[0] : low[0] + 1] in (("up",), ("down",)))
    high = read_number(words, at + 1) if words[at : at + 1] == ("to",) else None
    if high is None:
        return None
    first, last = low[1], high[1]
    if not (isinstance(first, int) and isinstance(last, int) and min(first, last) >= 0):
        return None
    if max(first, last) > _MAX_COUNT:
        return None
    step = 1 if first <= last else -1
    text = ", ".join(spoken_number(n) for n in range(first, last + step, step))
    return high[0], Filled(last, f"{text.capitalize()}.")


_READERS = {
    "time": _time,
    "date": _date,
    "days": _days,
    "duration": _duration,
    "sum": _sum,
    "conversion": _conversion,
    "count": _count,
}
PLAIN_SLOTS = {kind: PlainSlot(kind, reader) for kind, reader in _READERS.items()}
"""By the name of their type; what each of them understands is in the guide."""
