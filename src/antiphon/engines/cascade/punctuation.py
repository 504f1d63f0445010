"""Where sentences and clauses end, in the scripts that we can speak.  As parts of patterns."""

from __future__ import annotations

import re

ENDS_ALONE = "。！？｡।॥؟۔։።။។།"
"""End a sentence wherever they stand: Chinese and Japanese, Devanagari and its sisters,
Arabic and Urdu, Armenian, Ethiopic, Burmese, Khmer, Tibetan."""
CLOSERS = "\"'”’»)\\]」』】）》"
"""Belong to the sentence that they close."""
CLAUSE_ENDS_ALONE = "，；：、،؛"

SENTENCE_END = rf"[.!?…]+[{CLOSERS}]*\s+|[{ENDS_ALONE}]+[{CLOSERS}]*\s*|\n+"
CLAUSE_END = rf"[,;:—]\s+|[{CLAUSE_ENDS_ALONE}]\s*"

_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
SPACE_AS_END = rf"(?<=[{_UNSPACED}])\s+(?=[{_UNSPACED}])"
"""Thai, Lao, Burmese and Khmer put a space after a clause, and none between words."""

ASCII_SENTENCE_END = r"[.!?]+[\"')\]]*\s+|\n+"
"""All of these that ASCII has: most text is nothing else, and has its end looked for often."""

_SYLLABLE = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]"
)
_LETTERS_IN_A_SYLLABLE = 4


def length(text: str) -> int:
    """How long it is to speak, in letters: a Chinese, Japanese or Korean sign is a syllable."""
    if text.isascii():
        return len(text)
    return len(text) + (_LETTERS_IN_A_SYLLABLE - 1) * len(_SYLLABLE.findall(text))
