"""Numbers, as they are written in a language, in its words."""

from __future__ import annotations

import re
from functools import lru_cache

import num2words

from antiphon.engines.cascade.tts.spoken.languages import Language

_MAX_DIGITS = 15
"""Nobody says a longer one but digit by digit."""
YEARS = range(1100, 2100)


class Numbers:
    """Reads the numbers of one language."""

    def __init__(self, language: Language) -> None:
        self._language = language
        parts, point = re.escape(language.thousands), re.escape(language.decimal)
        other = "," if language.decimal == "." else "."
        self.pattern = (
            rf"(?:\d{{1,3}}(?:[{parts}]\d{{3}})+(?!\d)(?:{point}\d+)?|\d+(?:{point}\d+)?"
            # A decimal point of English in a language with a comma.
            + (r"|\d+\.\d+)" if other == "." else ")")
        )
        self._thousands = re.compile(rf"(?<=\d)[{parts}](?=\d{{3}}(?!\d))")
        self._point = re.compile(r"[.,]")

    def read(self, written: str) -> str:
        """As in "one thousand two hundred and thirty-four point five"."""
        whole, *after = self._point.split(self._thousands.sub("", written), maxsplit=1)
        words = self.whole(whole)
        return f"{words} {self._language.point} {self._after_point(after[0])}" if after else words

    def value(self, written: str) -> float:
        whole, *after = self._point.split(self._thousands.sub("", written), maxsplit=1)
        return float(f"{whole}.{after[0] if after else 0}")

    def whole(self, digits: str) -> str:
        """A whole number; one with a zero in front is a code of digits."""
        if len(digits) > _MAX_DIGITS or (digits[0] == "0" and len(digits) > 1):
            return self.digits(digits)
        return _words(int(digits), self._language.numbers, "cardinal")

    def digits(self, digits: str) -> str:
        return " ".join(_words(int(digit), self._language.numbers, "cardinal") for digit in digits)

    def ordinal(self, digits: str) -> str:
        if len(digits) > _MAX_DIGITS:
            return self.digits(digits)
        return _words(int(digits), self._language.numbers, "ordinal")

    def year(self, digits: str) -> str:
        if int(digits) not in YEARS:
            return self.whole(digits)
        return _words(int(digits), self._language.numbers, "year")

    def before(self, written: str, noun: str) -> str:
        """The number before a noun: "ein Meter", "veintiún metros"."""
        language = self._language
        if written == "1":
            return language.one[re.search(language.feminine, noun) is not None]
        words = self.read(written)
        if language.base == "es":
            words = re.sub(r"tiuno$", "tiún", re.sub(r"\buno$", "un", words))
        return words

    def _after_point(self, digits: str) -> str:
        significant = digits.lstrip("0")
        if self._language.digits_after_point or not significant or len(digits) > 3:
            return self.digits(digits)
        zeros = digits[: len(digits) - len(significant)]
        return " ".join(filter(None, [self.digits(zeros), self.whole(significant)]))


@lru_cache(maxsize=4096)
def _words(number: int, language: str, kind: str) -> str:
    try:
        words: str = num2words.num2words(number, lang=language, to=kind)
    except (NotImplementedError, LookupError, ArithmeticError, ValueError, TypeError):
        return str(number)  # Some of its languages lack words for some numbers.
    # "one thousand, two hundred": nobody pauses there.
    return words.replace(",", "")
