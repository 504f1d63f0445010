"""Typed slots: what may fill the gap in a phrase, read from words and put into grammars."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
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


class Slot(Protocol):
    def read(
        self, words: tuple[Word, ...], start: int, today: dt.date
    ) -> Iterator[tuple[int, Filled]]:
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


_MAX_COUNT = 200


class NumberSlot(Struct, frozen=True):
    """A number, whole or not, within bounds.

    The grammar has as many words as the upper bound needs, up to a thousand millions.
    """

    low: Number = 0
    high: Number = 999

    def read(
        self, words: tuple[Word, ...], start: int, today: dt.date
    ) -> Iterator[tuple[int, Filled]]:
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
        hundreds = {
            **_NUMBER_RULES,
            "number": "<below_hundred> | (a | <unit>) hundred [[and] <below_hundred>]",
        }
        if self.high < 1000:
            return "number", hundreds
        return "big_number", hundreds | {
            "big_number": "<number> | <number> (thousand | million) [[and] <number>]"
        }

    def examples(self) -> tuple[str, ...]:
        return (f"a number from {spoken_number(self.low)} to {spoken_number(self.high)}",)


class DigitsSlot(Struct, frozen=True):
    """Exactly ``count`` digits, said one by one."""

    count: int

    def read(
        self, words: tuple[Word, ...], start: int, today: dt.date
    ) -> Iterator[tuple[int, Filled]]:
        del today
        end, digits = read_digits(_canon(words), start, self.count)
        if len(digits) == self.count:
            yield end, Filled(digits, spoken_digits(digits))

    def rules(self) -> tuple[str, Rules]:
        rule = f"digits_{self.count}"
        return rule, {**_DIGIT_RULES, rule: " ".join(["<digit>"] * self.count)}

    def examples(self) -> tuple[str, ...]:
        return (f"{spoken_number(self.count)} digits",)


class TimeSlot(Struct, frozen=True):
    """A time of day; its value is "HH:MM"."""

    def read(
        self, words: tuple[Word, ...], start: int, today: dt.date
    ) -> Iterator[tuple[int, Filled]]:
        del today
        found = read_time(_canon(words), start)
        if found:
            yield found[0], Filled(found[1].strftime("%H:%M"), spoken_time(found[1]))

    def rules(self) -> tuple[str, Rules]:
        hours = " | ".join(name for name, n in UNITS.items() if 1 <= n <= 12)
        minutes = " | ".join(
            [f"oh {spoken_number(n)}" for n in range(1, 10)]
            + [spoken_number(n) for n in range(10, 20)]
        )
        return "time", {
            **_UNIT_RULES,
            "hour": hours,
            "minute": f"{minutes} | (twenty | thirty | forty | fifty) [<unit>]",
            "half_day": "a.m. | p.m. | pm | in the morning | in the afternoon | in the evening",
            "time": "[at] (noon | midnight | <hour> [<minute> | o'clock] [<half_day>]"
            " | (half | quarter | a quarter | ten | twenty) (past | to) <hour> [<half_day>])",
        }

    def examples(self) -> tuple[str, ...]:
        return ("a time such as two thirty p.m.",)


class DateSlot(Struct, frozen=True):
    """A day; its value is "YYYY-MM-DD".  Spoken as it was said, where that is short."""

    def read(
        self, words: tuple[Word, ...], start: int, today: dt.date
    ) -> Iterator[tuple[int, Filled]]:
        found = read_date(_canon(words), start, today)
        if found:
            end, date = found
            days = (date - today).days
            spoken = {0: "today", 1: "tomorrow"}.get(days, spoken_date(date))
            yield end, Filled(date.isoformat(), spoken)

    def rules(self) -> tuple[str, Rules]:
        return "date", {
            "ordinal": " | ".join(ORDINAL_NUMBERS),
            "month": " | ".join(MONTHS),
            "date": "[on] (today | tonight | tomorrow | the day after tomorrow"
            f" | [next | this] ({' | '.join(WEEKDAYS)})"
            " | <month> [the] <ordinal> | [the] <ordinal> of <month>)",
        }

    def examples(self) -> tuple[str, ...]:
        return ("a day such as today or next Monday",)


class DurationSlot(Struct, frozen=True):
    """How long; its value is in minutes."""

    def read(
        self, words: tuple[Word, ...], start: int, today: dt.date
    ) -> Iterator[tuple[int, Filled]]:
        del today
        found = read_duration(_canon(words), start)
        if found:
            yield found[0], Filled(found[1], spoken_duration(found[1]))

    def rules(self) -> tuple[str, Rules]:
        return "duration", {
            **_NUMBER_RULES,
            "duration": "[for] (half an hour | a half hour | a quarter of an hour"
            " | (an | one) hour [and a half] | <below_hundred> (hours | minutes)"
            " | <unit> and a half hours | one hour and <below_hundred> minutes)",
        }

    def examples(self) -> tuple[str, ...]:
        return ("a length of time such as half an hour",)


class DaysSlot(DateSlot, frozen=True):
    """A day; its value is in how many days it is."""

    def read(
        self, words: tuple[Word, ...], start: int, today: dt.date
    ) -> Iterator[tuple[int, Filled]]:
        found = read_date(_canon(words), start, today)
        if found:
            days = (found[1] - today).days
            yield found[0], Filled(days, "one day" if days == 1 else f"{spoken_number(days)} days")


class SumSlot(Struct, frozen=True):
    """A sum; its value is the result, spoken as a sentence."""

    def read(
        self, words: tuple[Word, ...], start: int, today: dt.date
    ) -> Iterator[tuple[int, Filled]]:
        del today
        found = read_sum(_canon(words), start)
        if found:
            value = "" if found[1].value is None else float(found[1].value)
            yield found[0], Filled(value, found[1].answer())

    def rules(self) -> tuple[str, Rules]:
        number, rules = NumberSlot().rules()
        operations = "(plus | minus | times | divided by)"
        return "sum", {**rules, "sum": f"<{number}> {operations} <{number}>"}

    def examples(self) -> tuple[str, ...]:
        return ("six times ten",)


class ConversionSlot(Struct, frozen=True):
    """An amount in another unit; its value is the result, spoken as a sentence."""

    def read(
        self, words: tuple[Word, ...], start: int, today: dt.date
    ) -> Iterator[tuple[int, Filled]]:
        del today
        found = read_conversion(_canon(words), start)
        if found:
            yield found[0], Filled(found[1].value, found[1].spoken)

    def rules(self) -> tuple[str, Rules]:
        unit = "(meters | kilometers | inches | feet | miles | kilos | pounds | celsius"
        unit += " | fahrenheit | minutes | hours | days | liters | gallons)"
        rule = f"<below_hundred> [degrees] {unit} (in | to) {unit}"
        return "conversion", {**_NUMBER_RULES, "conversion": rule}

    def examples(self) -> tuple[str, ...]:
        return ("ten miles in kilometers",)


class CountSlot(Struct, frozen=True):
    """As "from three to ten": its value is the last number, spoken as a sentence of all."""

    def read(
        self, words: tuple[Word, ...], start: int, today: dt.date
    ) -> Iterator[tuple[int, Filled]]:
        del today
        heard = _canon(words)
        low = read_number(heard, start + 1) if heard[start : start + 1] == ("from",) else (start, 1)
        if low is None:
            return
        at = low[0] + (heard[low[0] : low[0] + 1] in (("up",), ("down",)))
        high = read_number(heard, at + 1) if heard[at : at + 1] == ("to",) else None
        ends = (low[1], high[1]) if high else ()
        if high and all(isinstance(end, int) and 0 <= end <= _MAX_COUNT for end in ends):
            first, last = int(low[1]), int(high[1])
            step = 1 if first <= last else -1
            text = ", ".join(spoken_number(n) for n in range(first, last + step, step))
            yield high[0], Filled(last, f"{text.capitalize()}.")

    def rules(self) -> tuple[str, Rules]:
        number, rules = NumberSlot(0, _MAX_COUNT).rules()
        return "count", {**rules, "count": f"[from <{number}>] [up | down] to <{number}>"}

    def examples(self) -> tuple[str, ...]:
        return ("to ten",)


class TextSlot(Struct, frozen=True):
    """Any words at all: a state that has one cannot narrow recognition."""

    def read(
        self, words: tuple[Word, ...], start: int, today: dt.date
    ) -> Iterator[tuple[int, Filled]]:
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

    def read(
        self, words: tuple[Word, ...], start: int, today: dt.date
    ) -> Iterator[tuple[int, Filled]]:
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
