"""Typed slots: what may fill the gap in a phrase, read from words and put into grammars."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Protocol

from msgspec import Struct

from antiphon.engines.cascade.llm.offline.arithmetic import read_sum
from antiphon.engines.cascade.llm.offline.calendar import (
    MONTHS,
    WEEKDAYS,
    read_date,
    read_duration,
    read_time,
    spoken_date,
    spoken_duration,
    spoken_time,
)
from antiphon.engines.cascade.llm.offline.numbers import (
    ORDINAL_NUMBERS,
    Number,
    read_digits,
    read_number,
    spoken_digits,
    spoken_number,
)
from antiphon.engines.cascade.llm.offline.units import read_conversion
from antiphon.engines.cascade.llm.offline.words import TENS, UNITS, Word, canon, said

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


_DIGIT_RULES = {
    "digit": "oh | " + " | ".join(name for name, number in UNITS.items() if number < 10),
}
_UNIT_RULES = {"unit": " | ".join(name for name, n in UNITS.items() if 1 <= n <= 9)}
_NUMBER_RULES = {
    **_UNIT_RULES,
    "below_hundred": " | ".join(name for name, n in UNITS.items() if n == 0 or n >= 10)
    + f" | <unit> | ({' | '.join(TENS)}) [<unit>]",
}


_HUNDREDS_RULES = _NUMBER_RULES | {
    "number": "<below_hundred> | (a | <unit>) hundred [[and] <below_hundred>]",
}
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
            return "below_hundred", _NUMBER_RULES
        if self.high < 1000:
            return "number", _HUNDREDS_RULES
        return "big_number", _HUNDREDS_RULES | {
            "big_number": "<number> | <number> (thousand | million) [[and] <number>]"
        }

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
        return rule, {**_DIGIT_RULES, rule: " ".join(["<digit>"] * self.count)}

    def examples(self) -> tuple[str, ...]:
        return (f"{spoken_number(self.count)} digits",)


class PlainSlot(Struct, frozen=True):
    """One that is read in one way at most, by a function of canonical words."""

    reader: Callable[[tuple[str, ...], int, dt.date], tuple[int, Filled] | None]
    rule: str
    needed: Rules
    example: str

    def read(self, words: Words, start: int, today: dt.date) -> Ways:
        found = self.reader(_canon(words), start, today)
        if found:
            yield found

    def rules(self) -> tuple[str, Rules]:
        return self.rule, self.needed

    def examples(self) -> tuple[str, ...]:
        return (self.example,)


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


_DATE_RULES = {
    "ordinal": " | ".join(ORDINAL_NUMBERS),
    "month": " | ".join(MONTHS),
    "date": "[on] (today | tonight | tomorrow | the day after tomorrow"
    f" | [next | this] ({' | '.join(WEEKDAYS)})"
    " | <month> [the] <ordinal> | [the] <ordinal> of <month>)",
}
_TIME_RULES = {
    **_UNIT_RULES,
    "hour": " | ".join(name for name, n in UNITS.items() if 1 <= n <= 12),
    "minute": " | ".join(f"oh {spoken_number(n)}" for n in range(1, 10))
    + f" | {' | '.join(spoken_number(n) for n in range(10, 20))}"
    + " | (twenty | thirty | forty | fifty) [<unit>]",
    "half_day": "a.m. | p.m. | pm | in the morning | in the afternoon | in the evening",
    "time": "[at] (noon | midnight | <hour> [<minute> | o'clock] [<half_day>]"
    " | (half | quarter | a quarter | ten | twenty) (past | to) <hour> [<half_day>])",
}
_DURATION_RULES = {
    **_NUMBER_RULES,
    "duration": "[for] (half an hour | a half hour | a quarter of an hour"
    " | (an | one) hour [and a half] | <below_hundred> (hours | minutes | seconds)"
    " | <unit> and a half hours | one hour and <below_hundred> minutes)",
}
_UNIT = (
    "(meters | kilometers | inches | feet | miles | kilos | pounds | celsius | fahrenheit"
    " | minutes | hours | days | liters | gallons)"
)
_CONVERSION_RULES = {
    **_NUMBER_RULES,
    "conversion": f"<below_hundred> [degrees] {_UNIT} (in | to) {_UNIT}"
    f" | {_UNIT} (are | is) in (a | <below_hundred>) {_UNIT}",
}
_COUNT_RULES = _HUNDREDS_RULES | {"count": "[from <number>] [up | down] to <number>"}
_SUM_RULES = _HUNDREDS_RULES | {
    "sum": "<number> (plus | minus | times | divided by) <number>",
}

PLAIN_SLOTS = {
    "time": PlainSlot(_time, "time", _TIME_RULES, "a time such as two thirty p.m."),
    "date": PlainSlot(_date, "date", _DATE_RULES, "a day such as today or next Monday"),
    "days": PlainSlot(_days, "date", _DATE_RULES, "a day such as next Monday"),
    "duration": PlainSlot(
        _duration, "duration", _DURATION_RULES, "a length of time such as half an hour"
    ),
    "sum": PlainSlot(_sum, "sum", _SUM_RULES, "six times ten"),
    "conversion": PlainSlot(
        _conversion, "conversion", _CONVERSION_RULES, "ten miles in kilometers"
    ),
    "count": PlainSlot(_count, "count", _COUNT_RULES, "to ten"),
}
"""By the name of their type; what each of them understands is in the guide."""
