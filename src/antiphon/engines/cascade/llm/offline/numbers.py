"""English number words: read from what was said, and written to be spoken.

Reading works on canonical words (`words.canon`) and says where a number ends, as the
phrase matcher needs it; whole-text converters do not, and they break codes such as
"one zero zero zero one" apart.
"""

from __future__ import annotations

from functools import lru_cache

import num2words

from antiphon.engines.cascade.llm.offline.words import TENS, Ways, canon, ways_of

Number = int | float

_SCALES = ways_of({"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12})
_UNSPOKEN = 10**15
"""Nobody says larger numbers but digit by digit."""

# --- Reading -----------------------------------------------------------------


def read_number(words: tuple[str, ...], start: int) -> tuple[int, Number] | None:
    """The longest number at ``start``: where it ends, and its value."""
    at = start
    negative = at < len(words) and words[at] in ("minus", "negative")
    if negative:
        at += 1
    whole = _read_cardinal(words, at)
    if whole is None:
        return None
    at, value = whole
    if words[at : at + 1] == ("point",):
        end, digits = read_digits(words, at + 1)
        if digits and isinstance(value, int):
            at, value = end, float(f"{value}.{digits}")
    elif words[at : at + 3] == ("and", "a", "half"):
        at, value = at + 3, value + 0.5
    return at, -value if negative else value


def read_digits(words: tuple[str, ...], start: int, count: int | None = None) -> tuple[int, str]:
    """Digits said one by one or in pairs ("nine oh two one oh", "twelve 34").

    Ends after ``count`` digits where that is given and can be met; ("", start) if none.
    """
    digits, at = "", start
    while at < len(words) and (count is None or len(digits) < count):
        word = words[at]
        if word in ("oh", "o"):
            digits += "0"
        elif word.isdecimal():
            pair = words[at : at + 2]
            if len(pair) == 2 and int(word) in TENS.values() and _is_unit(pair[1]):
                word, at = str(int(word) + int(pair[1])), at + 1
            digits += word
        else:
            break
        at += 1
    return at, digits


def _is_unit(word: str) -> bool:
    return word.isdecimal() and len(word) == 1 and word != "0"


def _read_cardinal(words: tuple[str, ...], start: int) -> tuple[int, Number] | None:
    """As "two hundred and five thousand twelve", or a numeral."""
    if start < len(words) and "." in words[start] and words[start].replace(".", "", 1).isdecimal():
        value, scaled = float(words[start]), _SCALES.longest(words, start + 1)
        return (scaled[0], value * scaled[1]) if scaled else (start + 1, value)
    total, at, end, last_scale = 0, start, start, _UNSPOKEN
    while group := _read_group(words, at):
        scale = _SCALES.longest(words, group[0]) or (group[0], 1)
        if max(scale[1], group[1] if end > start else 0) >= last_scale:
            break
        end, total, last_scale = scale[0], total + group[1] * scale[1], scale[1]
        if last_scale == 1:
            break
        at = end + (words[end : end + 1] == ("and",))
    return (end, total) if end > start else None


def _read_group(words: tuple[str, ...], at: int) -> tuple[int, int] | None:
    """A numeral, or what is said before "thousand": less than a thousand, or nothing."""
    found = _groups().longest(words, at)
    if found is None and at < len(words) and words[at].isdecimal():
        return at + 1, int(words[at])
    after = at + (words[at : at + 1] == ("a",))
    return (after, 1) if found is None and _SCALES.longest(words, after) else found


@lru_cache(maxsize=1)
def _groups() -> Ways[int]:
    """The numbers below a thousand as people say them, "twelve hundred" included."""
    ways = {canon(spoken_number(number)): number for number in range(1000)}
    ways |= {(*way, "hundred"): 100 * number for way, number in ways.items() if 10 < number < 100}
    for way, number in list(ways.items()):
        ways[tuple(word for word in way if word != "and")] = number
        if way[:2] == ("1", "hundred"):
            ways |= {("a", *way[1:]): number, way[1:]: number}
    return Ways(ways)


# --- Speaking ----------------------------------------------------------------


@lru_cache(maxsize=4096)
def _words(value: Number, kind: str) -> str:
    words: str = num2words.num2words(value, to=kind)
    return words.replace(",", "").replace("-", " ")


def spoken_number(value: Number) -> str:
    """As "minus one thousand two hundred and five point two", without hyphens or commas."""
    if isinstance(value, float):
        if not abs(value) < _UNSPOKEN:
            return str(value)
        value = int(value) if value.is_integer() else round(value, 6)
    if abs(value) >= _UNSPOKEN:
        return ("minus " if value < 0 else "") + spoken_digits(str(value))
    return _words(value, "cardinal")


def spoken_digits(text: str) -> str:
    """Each digit of ``text`` by itself; other characters are left out."""
    return " ".join(_words(int(c), "cardinal") for c in text if c.isdecimal() and c.isascii())


def spoken_ordinal(value: int) -> str:
    """As "twenty first"."""
    return _words(value, "ordinal")


def spoken_year(year: int) -> str:
    """As "twenty twenty six", where years are said in pairs."""
    return _words(year, "year")


ORDINAL_NUMBERS = {spoken_ordinal(n): n for n in range(1, 32)}
"""Days of a month, by their spoken names."""
