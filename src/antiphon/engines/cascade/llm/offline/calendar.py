"""Times of day, days and durations: read from canonical words, and spoken."""

from __future__ import annotations

import datetime as dt

from antiphon.engines.cascade.llm.offline.english import ENGLISH
from antiphon.engines.cascade.llm.offline.numbers import (
    ORDINAL_NUMBERS,
    Number,
    read_number,
    spoken_number,
    spoken_ordinal,
)

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september",
    "october", "november", "december",
)  # fmt: skip
_HOLIDAYS = {
    tuple(name.split()): (month, day)
    for name, (month, day) in sorted(ENGLISH["days"].items(), key=lambda day: -len(day[0]))
}
_UNITS_MIN = {"second": 1 / 60, "minute": 1, "min": 1, "hour": 60, "hr": 60, "day": 24 * 60}

# --- Times of day ------------------------------------------------------------


def read_time(words: tuple[str, ...], start: int) -> tuple[int, dt.time] | None:
    """As "two thirty pm", "2:30 p.m.", "half past two", "noon", "fourteen fifteen".

    Where morning or afternoon is not said, one to six are in the afternoon and seven to
    twelve are as on a clock of twenty-four hours: what office hours make likely.
    """
    at = start + 1 if words[start : start + 1] == ("at",) else start
    word = words[at] if at < len(words) else ""
    if word in ("noon", "midday"):
        return at + 1, dt.time(12)
    if word == "midnight":
        return at + 1, dt.time(0)
    clock = _read_past_or_to(words, at) or _read_clock(words, at)
    if clock is None:
        return None
    at, hour, minute = clock
    half = words[at] if at < len(words) else ""
    if words[at : at + 3] in (("in", "the", "afternoon"), ("in", "the", "evening")):
        half, at = "pm", at + 2
    elif words[at : at + 3] == ("in", "the", "morning"):
        half, at = "am", at + 2
    if half in ("am", "pm"):
        if not 1 <= hour <= 12:
            return None
        at, hour = at + 1, hour % 12 + (12 if half == "pm" else 0)
    elif 1 <= hour <= 6:
        hour += 12
    return at, dt.time(hour % 24, minute)


def _read_past_or_to(words: tuple[str, ...], at: int) -> tuple[int, int, int] | None:
    at += words[at : at + 1] == ("a",)
    if at + 2 >= len(words) or words[at + 1] not in ("past", "to", "after"):
        return None
    first, hour = words[at], words[at + 2]
    minute = {"half": 30, "quarter": 15}.get(first, int(first) if first.isdecimal() else 60)
    if not (hour.isdecimal() and 1 <= int(hour) <= 12 and minute < 60):
        return None
    if words[at + 1] == "to":
        return at + 3, (int(hour) - 2) % 12 + 1, 60 - minute
    return at + 3, int(hour), minute


def _read_clock(words: tuple[str, ...], at: int) -> tuple[int, int, int] | None:
    word = words[at] if at < len(words) else ""
    if ":" in word:
        hour, minute = (int(part) for part in word.split(":"))
        return (at + 1, hour, minute) if hour < 24 and minute < 60 else None
    if word.isdecimal() and len(word) in (3, 4) and int(word[:-2]) < 24 and int(word[-2:]) < 60:
        return at + 1, int(word[:-2]), int(word[-2:])
    if not word.isdecimal() or int(word) > 23:
        return None
    follows = words[at + 1 : at + 3]
    if follows[:1] in (("o'clock",), ("oclock",)):
        return at + 2, int(word), 0
    if len(follows) == 2 and follows[0] in ("oh", "o", "0") and len(follows[1]) == 1:
        return (
            (at + 3, int(word), int(follows[1]))
            if follows[1].isdecimal()
            else (at + 1, int(word), 0)
        )
    if follows and follows[0].isdecimal() and 10 <= int(follows[0]) < 60:
        minute, end = int(follows[0]), at + 2
        if minute % 10 == 0 and minute >= 20 and len(follows) == 2:
            unit = follows[1]
            if unit.isdecimal() and 1 <= int(unit) <= 9:
                minute, end = minute + int(unit), end + 1
        return end, int(word), minute
    return at + 1, int(word), 0


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


def read_date(words: tuple[str, ...], start: int, today: dt.date) -> tuple[int, dt.date] | None:
    """As "today", "next friday", "may the third", "the third of may", "2026-05-03"."""
    at = start + (words[start : start + 1] == ("on",))
    word = words[at] if at < len(words) else ""
    near = {"today": 0, "tonight": 0, "tomorrow": 1, "yesterday": -1}
    if words[at : at + 4] == ("the", "day", "after", "tomorrow"):
        return at + 4, today + dt.timedelta(days=2)
    if word in near:
        return at + 1, today + dt.timedelta(days=near[word])
    skip = word in ("next", "this")
    if at + skip < len(words) and words[at + skip] in WEEKDAYS:
        ahead = (WEEKDAYS.index(words[at + skip]) - today.weekday()) % 7
        if word == "next" and ahead == 0:
            ahead = 7
        return at + skip + 1, today + dt.timedelta(days=ahead)
    for name, (month, day) in _HOLIDAYS.items():
        if words[at : at + len(name)] == name:
            return _next(month, day, at + len(name), today)
    return _read_iso(words, at) or _read_month_day(words, at, today)


def _read_iso(words: tuple[str, ...], at: int) -> tuple[int, dt.date] | None:
    if at + 3 > len(words) or len(words[at]) != 4:
        return None
    try:
        return at + 3, dt.date(*(int(w) for w in words[at : at + 3]))
    except ValueError:
        return None


def _read_month_day(words: tuple[str, ...], at: int, today: dt.date) -> tuple[int, dt.date] | None:
    day_first = _read_day(words, at)
    if day_first:
        end, day = day_first
        end += words[end : end + 1] == ("of",)
        if end >= len(words) or words[end] not in MONTHS:
            return None
        return _next(words[end], day, end + 1, today)
    if at < len(words) and words[at] in MONTHS:
        day_last = _read_day(words, at + 1)
        if day_last:
            return _next(words[at], day_last[1], day_last[0], today)
    return None


def _read_day(words: tuple[str, ...], at: int) -> tuple[int, int] | None:
    at += words[at : at + 1] == ("the",)
    for length in (2, 1):
        name = " ".join(_in_words(w) for w in words[at : at + length])
        if name in ORDINAL_NUMBERS and at + length <= len(words):
            return at + length, ORDINAL_NUMBERS[name]
    word = words[at] if at < len(words) else ""
    day = word.rstrip("stndrh")
    if day.isdecimal() and 1 <= int(day) <= 31:
        return at + 1, int(day)
    return None


def _in_words(word: str) -> str:
    return spoken_number(int(word)) if word.isdecimal() and len(word) <= 2 else word


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

_PARTS_OF_AN_HOUR = {
    ("half", "an", "hour"): 30,
    ("a", "half", "hour"): 30,
    ("half", "hour"): 30,
    ("a", "quarter", "of", "an", "hour"): 15,
    ("quarter", "of", "an", "hour"): 15,
}


def read_duration(words: tuple[str, ...], start: int) -> tuple[int, Number] | None:
    """As "half an hour", "ninety minutes", "an hour and a half": in minutes."""
    at = start + (words[start : start + 1] == ("for",))
    for lead, part in _PARTS_OF_AN_HOUR.items():
        if words[at : at + len(lead)] == lead:
            return at + len(lead), part
    if words[at : at + 1] in (("an",), ("a",)):
        number: tuple[int, Number] | None = (at + 1, 1)
    else:
        number = read_number(words, at)
    if number is None or number[0] >= len(words):
        return None
    end, count = number
    unit = _UNITS_MIN.get(words[end].removesuffix("s"))
    if unit is None or count < 0:
        return None
    minutes, end = _in_seconds(count * unit), end + 1
    if words[end : end + 3] == ("and", "a", "half"):
        return end + 3, _in_seconds(minutes + unit / 2)
    more = read_duration(words, end + 1) if words[end : end + 1] == ("and",) else None
    if more and more[1] < unit:
        return more[0], _in_seconds(minutes + more[1])
    return end, minutes


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
