"""Text as the words that were spoken, so that two recognisers can be compared.

Whisper writes "It's 2:30 p.m. & 6 × 10 = 60."; a grammar, and most transcripts to measure
with, have "it's two thirty pm and six times ten equals sixty".
"""

from __future__ import annotations

import re

_UNITS = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_SCALES = ((10**9, "billion"), (10**6, "million"), (1_000, "thousand"), (100, "hundred"))
_ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth",
    "nine": "ninth", "twelve": "twelfth",
}  # fmt: skip
_MAX_DIGITS = 4
"""More without a comma are a code, said digit by digit, as is what begins with a zero."""

_SAID = {
    "mr.": "mister", "mrs.": "missus", "dr.": "doctor", "ok": "okay", "o.k.": "okay",
    "%": "percent", "&": "and", "+": "plus", "×": "times", "*": "times", "÷": "divided by",
    "=": "equals", "$": "dollars", "€": "euros", "£": "pounds",
}  # fmt: skip
_TOKEN = re.compile(
    r"""
      (?P<half>[ap])\s?\.?\s?m\b\.?
    | (?P<hour>\d{1,2})(?: : | [.](?=\d\d\.?\s*[ap]\.?\s?m\b))(?P<minute>[0-5]\d)(?!\d)
    | (?P<whole>\d{1,3}(?:,\d{3})+|\d+)(?:\.(?P<part>\d+))?(?P<ordinal>st|nd|rd|th)?\b
    | (?P<sign>(?:mr|mrs|dr|o\.k)\.|[%&+×*÷=$€£])
    | (?P<word>[^\W\d_]+(?:['’][^\W\d_]+)*)
    """,
    re.VERBOSE,
)


def spoken_words(text: str) -> tuple[str, ...]:
    """The words of ``text`` in lower case, with numbers and signs as one says them."""
    words: list[str] = []
    for token in _TOKEN.finditer(text.lower()):
        words += _spoken(token).split()
    return tuple(words)


def _spoken(token: re.Match[str]) -> str:
    found = token.groupdict()
    if found["half"]:
        return f"{found['half']}m"
    if hour := found["hour"]:
        return _time(int(hour), found["minute"])
    if whole := found["whole"]:
        return _number(whole, found["part"], ordinal=bool(found["ordinal"]))
    if sign := found["sign"]:
        return _SAID[sign]
    word: str = found["word"].replace("’", "'")
    return _SAID.get(word, word)


def _time(hour: int, minute: str) -> str:
    if minute == "00":
        return _cardinal(hour)
    return f"{_cardinal(hour)} {'oh ' if minute[0] == '0' else ''}{_cardinal(int(minute))}"


def _number(whole: str, part: str | None, *, ordinal: bool) -> str:
    long = len(whole) > _MAX_DIGITS and "," not in whole
    is_code = long or (whole[0] == "0" and len(whole) > 1)
    said = _digits(whole) if is_code else _cardinal(int(whole.replace(",", "")))
    if part:
        return f"{said} point {_digits(part)}"
    if ordinal and not is_code:
        *before, last = said.split()
        last = _ORDINALS.get(last, last[:-1] + "ieth" if last.endswith("y") else last + "th")
        return " ".join([*before, last])
    return said


def _digits(text: str) -> str:
    return " ".join(_UNITS[int(digit)] for digit in text)


def _cardinal(number: int) -> str:
    if number < 20:
        return _UNITS[number]
    if number < 100:
        unit = f" {_UNITS[number % 10]}" if number % 10 else ""
        return _TENS[number // 10 - 2] + unit
    scale, name = next((scale, name) for scale, name in _SCALES if number >= scale)
    rest = f" {_cardinal(number % scale)}" if number % scale else ""
    return f"{_cardinal(number // scale)} {name}{rest}"
