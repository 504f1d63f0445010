"""From a stream of text to sentences that can be spoken one after another.

Pure.  The first piece is cut short, so that speech begins early; the pieces joined are
the text, spaces included.
"""

from __future__ import annotations

import re

from antiphon.engines.cascade.punctuation import (
    ASCII_SENTENCE_END,
    CLAUSE_END,
    SENTENCE_END,
    SPACE_AS_END,
    length,
)

MIN_CHARS = 12
"""Shorter sentences ("Yes.") are spoken together with the next one, if it is there already."""
FIRST_CLAUSE_CHARS = 40
"""The first piece may end at a comma after so many characters."""
SPACED_CLAUSE_CHARS = 24
"""Where a space ends a clause, it does so after so many."""
MAX_CHARS = 220
"""A longer sentence is cut at a comma or a space.  All these count letters: a Chinese sign
is several (`punctuation.length`)."""

_END = re.compile(f"{SENTENCE_END}|(?P<space>{SPACE_AS_END})")
_ASCII_END = re.compile(f"{ASCII_SENTENCE_END}|(?P<space>(?!))")
_CLAUSE = re.compile(CLAUSE_END)
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:mr|mrs|ms|dr|prof|st|vs|etc|no|approx|jr|bzw|ca|nr|z\.\s?b|d\.\s?h|sra?"
    r"|(?:[a-z]\.)*[a-z])\.\s*$",
    re.IGNORECASE,
)
_LIST_NUMBER = re.compile(r"(?:^|\n)\s*\d{1,3}\.\s+$")
_DAY = re.compile(r"(?:^|\s)\d{1,2}\.\s+$")
_AFTER_DAY = re.compile(r"[a-zà-öø-ÿ]|Jan|Feb|Mär|Apr|Mai|Jun|Jul|Aug|Sep|Okt|Nov|Dez")
"""What shows that the number before it was an ordinal: "am 5. Mai"."""
_AFTER_DAY_CHARS = 3


class SentencePlan:
    """Takes text as it comes and gives what can be spoken already."""

    def __init__(self) -> None:
        self._text = ""
        self._first = True

    def add(self, text: str) -> list[str]:
        self._text += text
        pieces = []
        while cut := self._cut():
            pieces.append(self._text[:cut])
            self._text = self._text[cut:]
            self._first = False
        return pieces

    def flush(self) -> list[str]:
        """The rest, at the end of the text."""
        rest, self._text = self._text, ""
        return [rest] if rest else []

    def _cut(self) -> int:
        """How much of the text is a piece by itself; 0: not enough yet."""
        text = self._text
        for end in (_ASCII_END if text.isascii() else _END).finditer(text):
            before = text[: end.end()]
            if length(before) < (SPACED_CLAUSE_CHARS if end["space"] else self._shortest):
                continue
            if _ABBREVIATION.search(before) or _LIST_NUMBER.search(before):
                continue
            if _DAY.search(before):
                after = text[end.end() : end.end() + _AFTER_DAY_CHARS]
                if len(after) < _AFTER_DAY_CHARS:
                    break
                if _AFTER_DAY.match(after):
                    continue
            return end.end()
        if self._first:
            for clause in _CLAUSE.finditer(text):
                if length(text[: clause.end()]) >= FIRST_CLAUSE_CHARS:
                    return clause.end()
        return self._emergency_cut() if length(text) > MAX_CHARS else 0

    @property
    def _shortest(self) -> int:
        return 0 if self._first else MIN_CHARS

    def _emergency_cut(self) -> int:
        text = self._text
        # Only as much as is not too long: a Chinese sign counts for several.
        most = next(n for n in range(MAX_CHARS, 0, -1) if length(text[:n]) <= MAX_CHARS)
        clauses = [c.end() for c in _CLAUSE.finditer(text, 0, most)]
        if clauses and length(text[: clauses[-1]]) >= MIN_CHARS:
            return clauses[-1]
        space = text.rfind(" ", 0, most)
        return space + 1 if space > 0 else most
