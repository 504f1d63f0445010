"""A reply in the pieces that it is spoken in."""

from __future__ import annotations

import re
from collections.abc import Iterator

CHARS_PER_TOKEN = 4
"""About what the usual tokenizers make of English; nothing here counts real tokens."""
_LONG_SENTENCE_CHARS = 60

_SENTENCE_END = re.compile(r"(?<=[.!?…:])\s+(?=[^a-z\s])")
"""Not after "p.m." in the middle of a sentence: what follows there is lower-case."""
_TWO_DOTS = re.compile(r"\b([ap]\.m\.)\.(?!\.)")
_CLAUSE_END = re.compile(r"(?<=[,;])\s+")


def pieces_of(text: str) -> Iterator[str]:
    """Sentences, and clauses of long ones; joined they are ``text``.

    But for one thing: the dot of "p.m." also ends the sentence that it ends.
    """
    text = _TWO_DOTS.sub(r"\1", text)
    for sentence in _cut(text, _SENTENCE_END):
        if len(sentence) <= _LONG_SENTENCE_CHARS:
            yield sentence
            continue
        pending = ""
        for clause in _cut(sentence, _CLAUSE_END):
            pending += clause
            if len(pending) >= _LONG_SENTENCE_CHARS // 2:
                yield pending
                pending = ""
        if pending:
            yield pending


def _cut(text: str, at: re.Pattern[str]) -> Iterator[str]:
    start = 0
    for gap in at.finditer(text):
        yield text[start : gap.end()]
        start = gap.end()
    if start < len(text):
        yield text[start:]


def within(text: str, max_tokens: int) -> str:
    """``text``, or its beginning up to a word's end if it has too many tokens."""
    most = max_tokens * CHARS_PER_TOKEN
    if len(text) <= most:
        return text
    return text[: most + 1].rpartition(" ")[0] or text[:most]
