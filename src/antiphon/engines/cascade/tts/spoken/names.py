"""Addresses, acronyms and other words that are not read as they are spelled."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from antiphon.engines.cascade.tts.spoken.languages import LANGUAGES, Language
from antiphon.engines.cascade.tts.spoken.numbers import Numbers
from antiphon.engines.cascade.tts.spoken.reading import Match, Reading

_TOP_LEVEL = "com|org|net|io|dev|ai|app|edu|gov|info|eu|co|uk|de|fr|es|it|pt|br|at|ch|nl|pl"
_EXTENSION = (
    "py|js|ts|jsx|tsx|json|toml|yaml|yml|md|txt|csv|pdf|png|jpe?g|gif|svg|html?|css|xml|sh|exe"
    "|zip|gz|docx?|xlsx?|pptx?|mp[34]|wav|rs|go|cpp|java|rb|ini|log|sql|env"
)
_HOST = r"(?:[\w-]{1,63}\.){1,6}[a-zA-Z]{2,12}"
_PATH = r"(?P<path>/[^\s<>()\[\]\"'`]*(?<![.,;:!?]))?"
_URL = rf"(?:https?://|www\.)(?P<host>[^\s/<>()\[\]\"'`]+(?<![.,;:!?])){_PATH}"
_MAX_PATH_CHARS = 30
"""Nobody reads out a longer one."""

_SPELLED = frozenset(
    ("AI", "API", "CEO", "CIA", "CPU", "DIY", "DNA", "EU", "FAQ", "FBI", "GPU", "ID", "IP", "ISO",
     "IT", "OS", "UI", "UK", "UN", "URL", "US", "USA", "USB", "UTC", "UX", "VIP")
)  # fmt: skip
_SAID = frozenset(["HMM", "SHH", "PST", "MR", "MRS", "DR", "ST", "VS", "BRR", "GRR", "PSST"])
"""Without a vowel, and yet no letters one by one."""
_VOWEL = re.compile(r"[AEIOUYÄÖÜ]")
_ROMAN = re.compile(r"(?=[IVXLC])(?P<n>(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3}))(?![\w'’-])")
_WORD_BEFORE = re.compile(r"(\w+)\s$")
_ROMAN_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100}


class NameReadings:
    """The readings of one language that begin with a letter."""

    def __init__(self, language: Language) -> None:
        self._language = language
        self._numbers = Numbers(language)
        abbreviations = sorted(language.abbreviations, key=len, reverse=True)
        found: list[tuple[str, Callable[[Match], str | None]]] = [
            (rf"(?:{'|'.join(map(re.escape, abbreviations))})(?!\w)", self._abbreviation),
            (rf"[\w.+-]{{1,64}}@{_HOST}", self._email),
            (_URL, self._url),
            (rf"(?P<host>(?:[\w-]+\.){{1,5}}(?:{_TOP_LEVEL})){_PATH}(?![\w@])", self._url),
            (rf"[\w-]+(?:\.[\w-]+)*\.(?:{_EXTENSION})(?!\w)", self._file),
            (r"[vV](?P<n>\d+(?:\.\d+)+)(?!\w)", self._version),
            (r"[A-ZÄÖÜ]{1,6}s?(?![\w'’])", self._acronym),
        ]  # fmt: skip
        self.readings = [Reading(re.compile(pattern), say) for pattern, say in found]
        self.readings.insert(0, Reading(_ROMAN, self._roman))

    def _spell_signs(self, text: str) -> str:
        language = self._language
        for sign, word in (
            (".", language.dot), ("_", language.underscore), ("-", language.dash),
            ("+", language.between["+"]), ("/", language.slash), ("@", language.at),
        ):  # fmt: skip
            text = text.replace(sign, f" {word} ")
        return " ".join(text.split())

    def _email(self, m: Match) -> str:
        return self._spell_signs(m[0])

    def _url(self, m: Match) -> str:
        path = (m["path"] or "").split("?")[0].split("#")[0].rstrip("/")
        return self._spell_signs(_host(m) + (path if len(path) <= _MAX_PATH_CHARS else ""))

    def _file(self, m: Match) -> str:
        return self._spell_signs(m[0])

    def _abbreviation(self, m: Match) -> str:
        return self._language.abbreviations[m[0]]

    def _version(self, m: Match) -> str:
        numbers = [self._numbers.whole(part) for part in m["n"].split(".")]
        return f"{self._language.version} {f' {self._language.dot} '.join(numbers)}"

    def _acronym(self, m: Match) -> str | None:
        word = m[0]
        capitals = word.removesuffix("s")
        if len(capitals) < 2 or word in _SAID:
            return None
        if capitals not in _SPELLED and _VOWEL.search(capitals):
            return None
        if word in ("IT", "US", "ID") and m.string.isupper():
            return None  # Somebody shouts.
        return ".".join(capitals) + "." + ("'s" if word != capitals else "")

    def _roman(self, m: Match) -> str | None:
        before = _WORD_BEFORE.search(m.string, max(0, m.start() - 24), m.start())
        if before is None or not m["n"]:
            return None
        word, value = before[1].lower(), _value(m["n"])
        if word in self._language.roman_after:
            return self._numbers.whole(str(value))
        if word in self._language.kings and len(m["n"]) > 1:
            return f"the {self._numbers.ordinal(str(value))}"
        return None


def _host(m: Match) -> str:
    return re.split("[?#:]", m["host"])[0].removeprefix("www.")


def _value(roman: str) -> int:
    values = [_ROMAN_VALUES[sign] for sign in roman]
    return sum(-value if value < max(values[at:]) else value for at, value in enumerate(values))


@lru_cache(maxsize=len(LANGUAGES))
def _of(tag: str) -> list[Reading]:
    return NameReadings(LANGUAGES[tag]).readings


_HOST_ALONE = [Reading(re.compile(_URL), _host)]


def name_readings(language: Language | None) -> list[Reading]:
    """Without a language only that nobody reads out the whole of an address."""
    return _of(language.tag) if language else _HOST_ALONE
