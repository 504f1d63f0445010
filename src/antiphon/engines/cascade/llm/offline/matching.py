"""Which of several phrases was said: strict readings first, tolerant ones after."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from msgspec import Struct

from antiphon.engines.cascade.llm.offline.english import ENGLISH
from antiphon.engines.cascade.llm.offline.phrases import Phrase
from antiphon.engines.cascade.llm.offline.slots import Filled
from antiphon.engines.cascade.llm.offline.words import Word, corrected, words_of

Key = TypeVar("Key")

_FILLERS, REFUSALS = (frozenset(ENGLISH[name].split()) for name in ("fillers", "refusals"))
_MIN_SHARE = 0.4
"""Of the words said, how many a phrase found inside them must cover."""
_MAX_WORDS = 60
"""Longer speech is cut: it is no command, and backtracking would take its time."""


class Matched(Struct, Generic[Key], frozen=True):
    key: Key
    slots: dict[str, Filled]
    exact: bool
    """Nothing was left over and nothing was put right."""


def best_match(
    text: str,
    phrases: Iterable[tuple[Key, Phrase]],
    *,
    today: dt.date,
    accepts: Callable[[Key, dict[str, Filled], bool], bool] = lambda _key, _slots, _exact: True,
) -> Matched[Key] | None:
    """What ``text`` says, if it is one of ``phrases``; earlier phrases win ties.

    Tried in turn: the words as they are; without fillers such as "um" and "please"; with
    small spelling errors put right; the phrase somewhere inside the words, unless a "not"
    stands before it.  ``accepts`` may refuse a key with its slots, and is told whether
    nothing was left over and nothing put right.
    """
    listed = list(phrases)
    words = words_of(text)[:_MAX_WORDS]
    if not words:
        return None
    vocabulary = frozenset().union(*(phrase.vocabulary for _, phrase in listed))
    bare = tuple(word for word in words if word.canon not in _FILLERS) or words
    fixed = corrected(bare, vocabulary)
    for tried, exact in ((words, True), (bare, True), (fixed, False)):
        for key, phrase in listed:
            for end, slots in phrase.match(tried, 0, today):
                if end == len(tried) and accepts(key, slots, exact):
                    return Matched(key, slots, exact)
    return _inside(fixed, listed, today, accepts)


def _inside(
    words: tuple[Word, ...],
    phrases: list[tuple[Key, Phrase]],
    today: dt.date,
    accepts: Callable[[Key, dict[str, Filled], bool], bool],
) -> Matched[Key] | None:
    best: tuple[int, Key, dict[str, Filled]] | None = None
    denied = next((at for at, word in enumerate(words) if word.canon in REFUSALS), len(words))
    starts = [at for at in range(min(denied + 1, len(words))) if not _cuts_number(words, at)]
    for key, phrase in phrases:
        for start in starts:
            for end, slots in phrase.match(words, start, today):
                if _cuts_number(words, end):
                    continue
                covered = end - start
                enough = covered >= max(_MIN_SHARE * len(words), 2 if len(words) > 3 else 1)
                if enough and (best is None or covered > best[0]) and accepts(key, slots, False):
                    best = (covered, key, slots)
    return Matched(best[1], best[2], exact=False) if best else None


def _cuts_number(words: tuple[Word, ...], at: int) -> bool:
    """Whether a numeral stands on both sides: five digits hold no code of four."""
    return 0 < at < len(words) and words[at - 1].canon.isdecimal() and words[at].canon.isdecimal()
