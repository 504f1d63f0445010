"""Text, typed or recognised, as words that can be compared.

Case and punctuation go, and number words and numerals become one form, so that
"Two people!" and "2 people" are the same words.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

import num2words

from antiphon.engines.cascade.llm.offline.english import ENGLISH

UNITS = {num2words.num2words(number): number for number in range(20)}
TENS = {num2words.num2words(number): number for number in range(20, 100, 10)}
SMALL_NUMBERS = UNITS | TENS

_SPELLINGS = {
    **{name: str(number) for name, number in SMALL_NUMBERS.items()},
    **ENGLISH["spellings"],
}

_TOKEN = re.compile(
    r"""
      [ap]\.\s?m\b\.?               # p.m.
    | \d{1,2}:\d{2}(?!\d)           # 2:30
    | \d{1,3}(?:,\d{3})+(?:\.\d+)?  # 1,200.5
    | \d+(?:\.\d+)?(?:st|nd|rd|th)?
    | [+*×÷=%]
    | (?<=\d)\s*/\s*(?=\d)
    | (?:(?<=\s)|^)-(?=\s*\d)       # minus, where a hyphen would not stand
    | [^\W\d_]+(?:'[^\W\d_]+)*
    """,
    re.VERBOSE,
)


Value = TypeVar("Value")
_MAX_CORRECTED = 24
"""Looking for similar words takes its time; commands are shorter than this."""


class Word(NamedTuple):
    text: str
    """As said, in lower case."""
    canon: str
    """As compared: number words are numerals."""


def words_of(text: str) -> tuple[Word, ...]:
    """Split ``text``; whatever is neither word, number nor operator is dropped."""
    text = text.lower().replace("’", "'")
    return tuple(_word(m.group().strip()) for m in _TOKEN.finditer(text))


def _word(token: str) -> Word:
    if token[0] in "ap" and "." in token:
        return Word(token, f"{token[0]}m")
    if token[0].isdecimal():
        return Word(token, token.replace(",", ""))
    return Word(token, _SPELLINGS.get(token, token))


def canon(text: str) -> tuple[str, ...]:
    return tuple(word.canon for word in words_of(text))


class Ways(Generic[Value]):
    """Ways to say something, as canonical words, with what they mean."""

    def __init__(self, ways: Mapping[tuple[str, ...], Value]) -> None:
        self._ways = ways
        self._first = {way[0] for way in ways}
        self._most = max(map(len, ways))

    def longest(self, words: tuple[str, ...], at: int) -> tuple[int, Value] | None:
        """The longest that stands at ``at``: where it ends, and what it means."""
        if at < len(words) and words[at] in self._first:
            for end in range(min(len(words), at + self._most), at, -1):
                if words[at:end] in self._ways:
                    return end, self._ways[words[at:end]]
        return None


def ways_of(written: Mapping[str, Value]) -> Ways[Value]:
    return Ways({canon(way): value for way, value in written.items()})


def said(words: Iterable[Word]) -> str:
    return " ".join(word.text for word in words)


def listed(names: Sequence[str], joint: str = " and ") -> str:
    """As "a, b and c"."""
    return joint.join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)


def corrected(words: tuple[Word, ...], vocabulary: Collection[str]) -> tuple[Word, ...]:
    """``words`` with small spelling errors put right, as far as ``vocabulary`` knows.

    Words of three letters and fewer are left alone: almost anything is near to them.
    """
    known = set(vocabulary)
    fixed: list[Word] = []
    for word in words:
        if (
            len(fixed) >= _MAX_CORRECTED
            or word.canon in known
            or len(word.canon) < 4
            or not word.canon.isalpha()
        ):
            fixed.append(word)
            continue
        length = len(word.canon)
        fitting = [k for k in known if 2 * length <= 3 * len(k) and 2 * len(k) <= 3 * length]
        near = difflib.get_close_matches(word.canon, fitting, n=1, cutoff=0.8)
        fixed.append(_word(near[0]) if near else word)
    return tuple(fixed)


def stem(word: str) -> str:
    """``word`` without its common endings; crude, and the same for all forms of most words."""
    for ending in ("ing", "ies", "es", "ed", "s", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word
