"""English number words: read from what was said, and written to be spoken.

Reading works on canonical words (`words.canon`) and says where a number ends, as the
phrase matcher needs it; whole-text converters do not, and they break codes such as
"one zero zero zero one" apart.
"""

from __future__ import annotations

from functools import lru_cache

import num2words

from antiphon.engines.cascade.llm.offline.words import TENS

Number = int | float

_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
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
        scale = _SCALES.get(words[start + 1], 0) if start + 1 < len(words) else 0
        value = float(words[start])
        return (start + 2, value * scale) if scale else (start + 1, value)
    total, group, at, last_scale, end = 0, -1, start, 10**15, start
    while at < len(words):
        word = words[at]
        if word.isdecimal() and _continues(group, int(word)):
            group = max(group, 0) + int(word)
        elif word == "hundred" and (0 < group < 100 or (group < 0 and _article(words, at, start))):
            group = max(group, 1) * 100
        elif word in _SCALES and _SCALES[word] < last_scale and _scales(words, at, start, group):
            last_scale = _SCALES[word]
            total, group = total + max(group, 1) * last_scale, -1
        elif (word == "and" and _joins(group, total)) or (word in ("a", "an") and at == start):
            at += 1
            continue
        else:
            break
        at += 1
        end = at
    return (end, total + max(group, 0)) if end > start else None


def _continues(group: int, number: int) -> bool:
    """Whether ``number`` may follow what the group of three digits holds so far."""
    if group < 0:
        return True
    if group >= 100 and group % 100 == 0:
        return 0 < number < 100
    return group % 100 in TENS.values() and 0 < number < 10


def _article(words: tuple[str, ...], at: int, start: int) -> bool:
    """As "a hundred", or "hundred" on its own."""
    return (
        at == start or (at == start + 1 and words[start] in ("a", "an")) or words[at - 1] == "and"
    )


def _scales(words: tuple[str, ...], at: int, start: int, group: int) -> bool:
    return group > 0 or (group < 0 and _article(words, at, start))


def _joins(group: int, total: int) -> bool:
    return (group >= 100 and group % 100 == 0) or (group < 0 and total > 0)


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
