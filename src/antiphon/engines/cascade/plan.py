"""From a stream of text to sentences that can be spoken one after another.

Pure.  The first piece is cut short, so that speech begins early; the pieces joined are
the text, spaces included.
"""

from __future__ import annotations

import re

MIN_CHARS = 12
"""Shorter sentences ("Yes.") are spoken together with the next one, if it is there already."""
FIRST_CLAUSE_CHARS = 40
"""The first piece may end at a comma after so many characters."""
MAX_CHARS = 220
"""A longer sentence is cut at a comma or a space."""

_END = re.compile(r"[.!?…]+[\"')\]]*\s+|\n+|[。！？]")
_CLAUSE = re.compile(r"[,;:—]\s+")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:mr|mrs|ms|dr|prof|st|vs|etc|e\.g|i\.e|no|approx|[a-z])\.\s*$", re.IGNORECASE
)


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
        for end in _END.finditer(self._text):
            if end.end() < MIN_CHARS and not self._first:
                continue
            if not _ABBREVIATION.search(self._text[: end.end()]):
                return end.end()
        if self._first:
            for clause in _CLAUSE.finditer(self._text):
                if clause.end() >= FIRST_CLAUSE_CHARS:
                    return clause.end()
        if len(self._text) > MAX_CHARS:
            return self._emergency_cut()
        return 0

    def _emergency_cut(self) -> int:
        clauses = [c.end() for c in _CLAUSE.finditer(self._text, 0, MAX_CHARS)]
        if clauses and clauses[-1] >= MIN_CHARS:
            return clauses[-1]
        space = self._text.rfind(" ", 0, MAX_CHARS)
        return space + 1 if space > 0 else MAX_CHARS
