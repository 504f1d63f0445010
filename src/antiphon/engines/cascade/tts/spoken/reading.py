"""Numbers and what belongs to them: money, units, dates, times, phone numbers, versions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache

from msgspec import Struct

from antiphon.engines.cascade.tts.spoken.languages import LANGUAGES, Language
from antiphon.engines.cascade.tts.spoken.numbers import YEARS, Numbers

Match = re.Match[str]
_DASH = r"(?:-|\s?[–—]\s?)"


class Reading(Struct, frozen=True):
    """A thing that is written in a way of its own, and how it is said."""

    pattern: re.Pattern[str]
    say: Callable[[Match], str | None]
    """None: it is something else."""


def _any(words: Iterable[str]) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


class NumberReadings:
    """The readings of one language that begin with a digit or a sign before one."""

    def __init__(self, language: Language) -> None:
        self._language = language
        self._numbers = numbers = Numbers(language)
        number, months = numbers.pattern, _any(language.months)
        amount = rf"(?P<from>{number})(?:{_DASH}(?P<to>{number}))?"
        scale = rf"(?:\s?(?P<scale>{_any(language.scales)})(?!\w))?"
        money, units = _any(language.money), _any(language.units)
        end = r"(?![\w])"
        clock = r"(?P<h>[01]?\d|2[0-4])[:h](?P<m>[0-5]\d)(?::(?P<s>[0-5]\d))?(?!\d)"
        day_part = r"(?:\s?(?P<half>[ap]\.?m\b\.?|[AP]\.?M\b\.?))?"
        after = "".join(rf"(?:\s{word}\b)?" for word in language.after_clock)
        self._months_before = re.compile(rf"\b(?:{months})\.?\s+(?:\d+{_DASH})?$")
        self._after_inflected = re.compile(r"\b(?:am|vom|dem|den|ab|zum|seit|bis)\s+$", re.I)
        self._year_before = re.compile(r"\b(?:in|since|from|until|by|year|of|early|late)\s+$", re.I)
        found: list[tuple[str, Callable[[Match], str | None]]] = [
            (r"(?P<y>\d{4})-(?P<m>\d\d)-(?P<d>\d\d)(?![\w-])", self._iso_date),
            (r"(?P<a>\d\d?)(?P<sep>[/.])(?P<b>\d\d?)(?P=sep)(?P<y>\d{4})(?!\w)", self._date),
            (clock + day_part + after, self._time),
            (r"(?P<h>1[0-2]|[1-9])\s?(?P<half>[ap]\.?m\b\.?|[AP]\.?M\b\.?)", self._half_day),
            (r"\+\d[0-9\s().-]{5,20}\d(?!\w)", self._phone),
            (r"\(?\d{3}\)?[-.\s]\d{3}[-.\s]\d{4}(?!\w)", self._phone),
            (r"\d{3}-\d{4}(?![\w-])", self._phone),
            (r"\d+(?:-\d+){2,}(?![\w-])", self._phone),
            (r"\d+(?:\.\d+){2,}(?!\w)", self._dotted),
            (rf"(?P<n>\d{{3}}0)['’]?s{end}", self._decade),
            (rf"(?P<money>{money})\s?{amount}{scale}", self._money),
            (rf"{amount}{scale}\s?(?P<money>{money}){end}", self._money),
            (rf"{amount}\s?%", self._percent),
            (rf"{amount}\s?(?P<unit>{units}){end}", self._unit),
            (rf"{amount}(?P<scale>k|M){end}", self._scaled),
            (rf"(?P<n>\d+){language.ordinal_signs or '(?!)'}{end}", self._ordinal),
            (rf"(?P<n>\d\d?)\.(?=\s(?:{months}))", self._inflected_day),
            (rf"(?P<n>\d\d?)(?=\s(?:{months})\b)", self._day_of_month),
            (r"(?P<f>\d{1,2}/\d{1,2})(?![\w/])", self._fraction),
            (r"\d+:\d+(?![\w:])", self._ratio),
            (r"#(?P<n>\d+)(?!\w)", self._numbered),
            (rf"[-−](?=(?:{money})?\d)", self._negative),
            (rf"{amount}(?![\w]|[-–.,]\d)", self._plain),
        ]
        self.readings = [
            Reading(re.compile(pattern.replace(r"\d", "[0-9]")), say) for pattern, say in found
        ]

    # --- Dates and times -------------------------------------------------------

    def _iso_date(self, m: Match) -> str | None:
        return self._spoken_date(m["y"], int(m["m"]), m["d"])

    def _date(self, m: Match) -> str | None:
        month_first = not self._language.day_first and m["sep"] == "/" and int(m["a"]) <= 12
        day, month = (m["b"], m["a"]) if month_first else (m["a"], m["b"])
        return self._spoken_date(m["y"], int(month), day)

    def _spoken_date(self, year: str, month: int, day: str) -> str | None:
        if not (1 <= month <= 12 and 1 <= int(day) <= 31):
            return None
        name, spoken_day = self._language.months[month - 1], self._day(str(int(day)))
        spoken_year = self._numbers.year(year)
        if not self._language.day_first:
            return f"{name} {spoken_day}, {spoken_year}"
        if self._language.day == "ordinal":
            return f"the {spoken_day} of {name} {spoken_year}"
        of = " de " if self._language.base in ("es", "pt") else " "
        return f"{spoken_day}{of}{name}{of}{spoken_year}"

    def _day(self, digits: str, *, inflected: bool = True) -> str:
        match self._language.day:
            case "ordinal":
                return self._numbers.ordinal(digits)
            case "inflected":
                return self._numbers.ordinal(digits) + ("n" if inflected else "")
        return self._language.first if digits == "1" else self._numbers.whole(digits)

    def _inflected_day(self, m: Match) -> str | None:
        if self._language.day != "inflected":
            return None
        before = m.string[max(0, m.start() - 8) : m.start()]
        return self._day(m["n"], inflected=bool(self._after_inflected.search(before)))

    def _day_of_month(self, m: Match) -> str | None:
        if self._language.day == "inflected" or not 1 <= int(m["n"]) <= 31:
            return None
        day = self._day(m["n"])
        if self._language.day != "ordinal":
            return day
        article = "" if m.string[: m.start()].lower().endswith("the ") else "the "
        return f"{article}{day} of"

    def _time(self, m: Match) -> str:
        hour, minute, half = m["h"], m["m"], m["half"]
        numbers, language = self._numbers, self._language
        several = int(hour) != 1
        spoken_hour = numbers.whole(str(int(hour)))
        if minute == "00":
            spoken = spoken_hour if half else language.hour[several].format(h=spoken_hour)
        else:
            minutes = numbers.whole(str(int(minute)))
            if minute[0] == "0" and language.base == "en":
                minutes = f"oh {minutes}"
            spoken = language.hour_minute[several].format(h=spoken_hour, m=minutes)
        if m["s"]:
            spoken += " " + self._numbers.whole(str(int(m["s"])))
        return f"{spoken} {_letters(half)}" if half else spoken

    def _half_day(self, m: Match) -> str | None:
        if self._language.base != "en":
            return None
        return f"{self._numbers.whole(m['h'])} {_letters(m['half'])}"

    def _decade(self, m: Match) -> str | None:
        if self._language.base != "en" or int(m["n"]) not in YEARS:
            return None
        return re.sub("y$", "ies", self._numbers.year(m["n"])).replace("hundred", "hundreds")

    # --- Amounts ---------------------------------------------------------------

    def _amount(self, m: Match, noun: str = "") -> str:
        before = self._numbers.before if noun else lambda written, _: self._numbers.read(written)
        first = before(m["from"], noun)
        return f"{first} {self._language.to} {before(m['to'], noun)}" if m["to"] else first

    def _one(self, m: Match) -> bool:
        return m["from"] == "1" and not m["to"]

    def _money(self, m: Match) -> str:
        money, language = self._language.money[m["money"]], self._language
        if m["scale"]:
            scale = language.scales[m["scale"]]
            of = language.of_scale if "i" in scale and scale not in ("mil", "mille") else ""
            if of == "de" and language.base == "fr" and money.many[0] in "aeiou":
                return f"{self._amount(m)} {scale} d'{money.many}"
            return " ".join(filter(None, [self._amount(m), scale, of, money.many]))
        cents = re.fullmatch(r"(.*)[.,](\d\d)", m["from"])
        if cents and money.cents and not m["to"]:
            return self._with_cents(money.one, money.many, money.cent, money.cents, *cents.groups())
        return money.one if self._one(m) else f"{self._amount(m, money.many)} {money.many}"

    def _with_cents(self, one: str, many: str, cent: str, cents: str, whole: str, rest: str) -> str:
        value, numbers = int(self._numbers.value(whole)), self._numbers
        main = one if value == 1 else f"{numbers.before(whole, many)} {many}"
        small = cent if rest == "01" else f"{numbers.before(str(int(rest)), cents)} {cents}"
        if rest == "00":
            return main
        if value == 0:
            return small
        return " ".join(filter(None, [main, self._language.with_cents, small]))

    def _scaled(self, m: Match) -> str | None:
        if self._language.base != "en":
            return None
        return f"{self._amount(m)} {self._language.scales[m['scale']]}"

    def _percent(self, m: Match) -> str:
        return f"{self._amount(m)} {self._language.percent}"

    def _unit(self, m: Match) -> str:
        one, many = self._language.units[m["unit"]]
        noun = one if self._one(m) else many
        return f"{self._amount(m, noun)} {noun}"

    def _ordinal(self, m: Match) -> str:
        return self._numbers.ordinal(m["n"])

    def _fraction(self, m: Match) -> str | None:
        known = self._language.fractions.get(m["f"])
        if known or not m["f"][0].isdigit():
            return known
        first, second = map(self._numbers.whole, m["f"].split("/"))
        return f"{first} {self._language.slash} {second}"

    def _ratio(self, m: Match) -> str:
        first, second = map(self._numbers.whole, m[0].split(":"))
        return f"{first} {self._language.to} {second}"

    def _numbered(self, m: Match) -> str | None:
        if self._language.base != "en":
            return None
        return f"number {self._numbers.whole(m['n'])}"

    def _negative(self, m: Match) -> str | None:
        before = m.string[: m.start()]
        if before and not before[-1].isspace() and before[-1] not in "([{=":
            return None
        return self._language.between["-"]

    def _plain(self, m: Match) -> str:
        before = m.string[max(0, m.start() - 16) : m.start()]
        ends = [m[end] for end in ("from", "to") if m[end]]
        days = self._language.day == "ordinal" and self._months_before.search(before)
        if days and all(end.isdigit() and int(end) <= 31 for end in ends):
            read = [self._day(end) for end in ends]
        else:
            read = [self._year_or_number(end, before) for end in ends]
        return f" {self._language.to} ".join(read)

    def _year_or_number(self, written: str, before: str) -> str:
        may_be = len(written) == 4 and written.isdigit()
        if may_be and (1900 <= int(written) < 2100 or self._year_before.search(before)):
            return self._numbers.year(written)
        return self._numbers.read(written)

    # --- Digits ----------------------------------------------------------------

    def _phone(self, m: Match) -> str:
        groups = [self._numbers.digits(group) for group in re.findall(r"\d+", m[0])]
        plus = [self._language.between["+"]] if m[0][0] == "+" else []
        return " ".join([*plus, ", ".join(groups)])

    def _dotted(self, m: Match) -> str | None:
        """A version, or an address."""
        parts = m[0].split(".")
        if "." in self._language.thousands and all(len(part) == 3 for part in parts[1:]):
            return None
        say = self._numbers.whole if all(len(part) <= 3 for part in parts) else self._numbers.digits
        point = self._language.dot
        if len(parts) < 4 and self._language.base == "en":
            point = self._language.point
        return f" {point} ".join(map(say, parts))


def _letters(half: str) -> str:
    return "A.M." if half[0] in "aA" else "P.M."


@lru_cache(maxsize=len(LANGUAGES))
def _of(tag: str) -> list[Reading]:
    return NumberReadings(LANGUAGES[tag]).readings


def number_readings(language: Language) -> list[Reading]:
    return _of(language.tag)
