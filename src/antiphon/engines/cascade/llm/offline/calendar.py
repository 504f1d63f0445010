"""Times of day, days and durations: read from canonical words, and spoken."""

from __future__ import annotations

import datetime as dt
import re
from functools import lru_cache

from antiphon.engines.cascade.llm.offline.english import ENGLISH
from antiphon.engines.cascade.llm.offline.numbers import (
    ORDINAL_NUMBERS,
    Number,
    read_number,
    spoken_number,
    spoken_ordinal,
)
from antiphon.engines.cascade.llm.offline.words import Ways, canon, ways_of

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september",
    "october", "november", "december",
)  # fmt: skip
Words = tuple[str, ...]
_UNITS_MIN = {"second": 1 / 60, "minute": 1, "min": 1, "hour": 60, "hr": 60, "day": 24 * 60}
_NOON, _HALVES, _NEAR, _HOUR_PARTS = (
    ways_of(ENGLISH[name]) for name in ("noon", "halves", "near", "hour_parts")
)

# --- Times of day ------------------------------------------------------------


def read_time(words: Words, start: int) -> tuple[int, dt.time] | None:
    """As "two thirty pm", "2:30 p.m.", "half past two", "noon", "fourteen fifteen".

    Where morning or afternoon is not said, one to six are in the afternoon and seven to
    twelve are as on a clock of twenty-four hours: what office hours make likely.
    """
    at = start + (words[start : start + 1] == ("at",))
    named = _NOON.longest(words, at)
    if named:
        return named[0], dt.time(named[1])
    clock = _clock().longest(words, at) or _read_numeral(words, at)
    if clock is None:
        return None
    at, (hour, minute) = clock
    half = _HALVES.longest(words, at)
    if half:
        if not 1 <= hour <= 12:
            return None
        at, hour = half[0], hour % 12 + half[1]
    elif 1 <= hour <= 6:
        hour += 12
    return at, dt.time(hour % 24, minute)


@lru_cache(maxsize=1)
def _clock() -> Ways[tuple[int, int]]:
    """Hour and minute as people say them, without the half of the day."""
    ways: dict[Words, tuple[int, int]] = {}
    parts = {canon(spoken_number(minute)): minute for minute in range(1, 60)}
    parts |= {(str(minute),): minute for minute in range(1, 60)}
    parts |= {("half",): 30, ("quarter",): 15, ("a", "quarter"): 15}
    for hour in range(24):
        said = str(hour)
        ways |= {(said, *more): (hour, 0) for more in ((), ("o'clock",), ("oclock",))}
        for way, minute in parts.items():
            if minute > 9 and way[0].isdecimal():
                ways[(said, *way)] = hour, minute
            elif way[0].isdecimal():
                ways |= {(said, zero, *way): (hour, minute) for zero in ("oh", "o", "0")}
            if 1 <= hour <= 12:
                ways |= {(*way, past, said): (hour, minute) for past in ("past", "after")}
                ways[(*way, "to", said)] = ((hour - 2) % 12 + 1, 60 - minute)
    return Ways(ways)


def _read_numeral(words: Words, at: int) -> tuple[int, tuple[int, int]] | None:
    """As "14:15" and "1415"."""
    found = re.fullmatch(r"([0-9]{1,2}):?([0-9]{2})", words[at] if at < len(words) else "")
    if found is None or int(found[1]) > 23 or int(found[2]) > 59:
        return None
    return at + 1, (int(found[1]), int(found[2]))


def spoken_time(time: dt.time) -> str:
    if (time.hour, time.minute) == (12, 0):
        return "noon"
    if (time.hour, time.minute) == (0, 0):
        return "midnight"
    hour, half = spoken_number((time.hour - 1) % 12 + 1), "p.m." if time.hour >= 12 else "a.m."
    if time.minute == 0:
        return f"{hour} {half}"
    minute = spoken_number(time.minute)
    return f"{hour} {'oh ' if time.minute < 10 else ''}{minute} {half}"


# --- Days --------------------------------------------------------------------


def read_date(words: Words, start: int, today: dt.date) -> tuple[int, dt.date] | None:
    """As "today", "next friday", "may the third", "the third of may", "2026-05-03"."""
    at = start + (words[start : start + 1] == ("on",))
    near = _NEAR.longest(words, at)
    if near:
        return near[0], today + dt.timedelta(days=near[1])
    word = words[at] if at < len(words) else ""
    weekday = at + (word in ("next", "this"))
    if weekday < len(words) and words[weekday] in WEEKDAYS:
        ahead = (WEEKDAYS.index(words[weekday]) - today.weekday()) % 7
        ahead = 7 if word == "next" and ahead == 0 else ahead
        return weekday + 1, today + dt.timedelta(days=ahead)
    day = _days().longest(words, at)
    if day:
        return _next(*day[1], day[0], today)
    try:
        return at + 3, dt.date.fromisoformat("-".join(words[at : at + 3]))
    except ValueError:
        return None


@lru_cache(maxsize=1)
def _days() -> Ways[tuple[str, int]]:
    """Month and day as people say and write them, and the names that some days have."""
    ways = {canon(name): (month, day) for name, (month, day) in ENGLISH["days"].items()}
    for name, day in ORDINAL_NUMBERS.items():
        short = f"{day}{'th' if 10 < day < 20 else {1: 'st', 2: 'nd', 3: 'rd'}.get(day % 10, 'th')}"
        for said in (canon(name), (short,), (str(day),)):
            for month in MONTHS:
                for way in ((month, *said), (*said, month), (*said, "of", month)):
                    ways[way] = month, day
                    ways[("the", *way)] = month, day
                ways[(month, "the", *said)] = month, day
    return Ways(ways)


def _next(month: str, day: int, end: int, today: dt.date) -> tuple[int, dt.date] | None:
    for year in range(today.year, today.year + 9):
        try:
            date = dt.date(year, MONTHS.index(month) + 1, day)
        except ValueError:  # The 29th of February comes again, the 31st of June does not.
            continue
        if date >= today:
            return end, date
    return None


def spoken_date(date: dt.date) -> str:
    """As "Friday, the third of May"."""
    weekday = WEEKDAYS[date.weekday()].capitalize()
    return f"{weekday}, the {spoken_ordinal(date.day)} of {MONTHS[date.month - 1].capitalize()}"


# --- Durations ---------------------------------------------------------------


def read_duration(words: Words, start: int) -> tuple[int, Number] | None:
    """As "half an hour", "ninety minutes", "an hour and a half": in minutes."""
    at = start + (words[start : start + 1] == ("for",))
    part = _HOUR_PARTS.longest(words, at)
    number = (at + 1, 1) if words[at : at + 1] in (("a",), ("an",)) else read_number(words, at)
    if part or number is None or number[0] >= len(words):
        return part
    end, count = number
    unit = _UNITS_MIN.get(words[end].removesuffix("s"))
    if unit is None or count < 0:
        return None
    minutes, end = count * unit, end + 1
    if words[end : end + 3] == ("and", "a", "half"):
        return end + 3, _in_seconds(minutes + unit / 2)
    more = read_duration(words, end + 1) if words[end : end + 1] == ("and",) else None
    if more and more[1] < unit:
        end, minutes = more[0], minutes + more[1]
    return end, _in_seconds(minutes)


def _in_seconds(minutes: float) -> Number:
    """``minutes`` to the second, as a whole number where it is one."""
    seconds = round(minutes * 60)
    return seconds // 60 if seconds % 60 == 0 else seconds / 60


def spoken_duration(minutes: float) -> str:
    """As "one hour and five minutes"; seconds are said below ten minutes."""
    if minutes == 30:
        return "half an hour"
    seconds = round(minutes * 60) if minutes < 10 else round(minutes) * 60
    hours, rest = divmod(seconds, 3600)
    counted = (("hour", hours), ("minute", rest // 60), ("second", rest % 60))
    parts = [_counted(count, name) for name, count in counted if count]
    return " and ".join(parts) or "zero minutes"


def _counted(count: int, name: str) -> str:
    return f"{spoken_number(count)} {name}{'' if count == 1 else 's'}"
