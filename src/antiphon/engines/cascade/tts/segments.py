"""Cutting a long text into what a synthesiser speaks in one go."""

from __future__ import annotations

import re
import unicodedata

from msgspec import Struct

from antiphon.engines.cascade.punctuation import CLAUSE_END, SENTENCE_END, SPACE_AS_END


class Segment(Struct, frozen=True):
    spoken: str
    """What to speak; as long as the text it stands for."""
    begin: int
    """Where in the whole text ``spoken`` begins."""
    end: int
    """Where in the whole text the segment ends, with what is silent after ``spoken``."""


def segments(text: str, limit_chars: int) -> list[Segment]:
    """Cut at the end of a sentence, else of a clause, else between words, else anywhere.

    Segments that hold nothing to say are added to their neighbour; a text that holds
    nothing to say has none.
    """
    # One for one, so that positions stay.  A NUL would end the text for a C library.
    clean = "".join(" " if unicodedata.category(c) in ("Cc", "Cs") else c for c in text)
    found: list[Segment] = []
    begin = 0
    while begin < len(clean):
        end = _cut(clean, begin, limit_chars)
        piece = clean[begin:end]
        if speakable(piece):
            lead = len(piece) - len(piece.lstrip())
            found.append(Segment(piece.strip(), begin + lead, end))
        elif found:
            found[-1] = Segment(found[-1].spoken, found[-1].begin, end)
        begin = end
    return found


_CUTS = (
    re.compile(f"{SENTENCE_END}|{SPACE_AS_END}"),
    re.compile(CLAUSE_END),
    re.compile(r"\s+"),
)


def _cut(text: str, begin: int, limit_chars: int) -> int:
    if len(text) - begin <= limit_chars:
        return len(text)
    window = text[begin : begin + limit_chars]
    for cut in _CUTS:
        ends = [match.end() for match in cut.finditer(window)]
        # Not so early that we would speak in crumbs.
        if ends and ends[-1] > limit_chars // 4:
            return begin + ends[-1]
    return begin + limit_chars


def speakable(text: str) -> bool:
    return any(c.isalnum() or c in "%&@" or unicodedata.category(c)[0] == "S" for c in text)
