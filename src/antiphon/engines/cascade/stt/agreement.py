"""Comparing what recognisers heard: two searches with each other, one with its past."""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import Struct


def agreement(a: Sequence[str], b: Sequence[str]) -> float:
    """1 - edit distance / length of the longer; 1 is the same, 0 nothing in common."""
    previous = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        row = [i]
        for j, y in enumerate(b, 1):
            row.append(min(previous[j] + 1, row[-1] + 1, previous[j - 1] + (x != y)))
        previous = row
    return 1 - previous[-1] / max(len(a), len(b), 1)


class TimedWord(Struct, frozen=True):
    word: str
    begin_frame: int
    end_frame: int


class StablePrefix:
    """What a user of partial results may rely on.

    A word is promised once it and all before it have stood unchanged for
    ``hold_frames``; from then on the result begins with it, whatever the search says.
    """

    def __init__(self, hold_frames: int) -> None:
        self._hold_frames = hold_frames
        self._promised: list[str] = []
        self._promised_end_frame = 0
        self._standing: list[tuple[TimedWord, int]] = []
        """The words after the promised ones, each with the frame since when it stands."""

    def update(self, words: Sequence[TimedWord], now_frame: int) -> tuple[str, int]:
        """(text, stable_chars) for the search's present result."""
        tail = self._tail(words)
        standing: list[tuple[TimedWord, int]] = []
        same = True
        for index, word in enumerate(tail):
            before = self._standing[index] if same and index < len(self._standing) else None
            same = before is not None and _same(before[0], word)
            standing.append((word, before[1] if before and same else now_frame))
        while standing and now_frame - standing[0][1] >= self._hold_frames:
            word, _ = standing.pop(0)
            self._promised.append(word.word)
            self._promised_end_frame = word.end_frame
        self._standing = standing
        text = " ".join([*self._promised, *(word.word for word, _ in standing)])
        return text, len(" ".join(self._promised))

    def final(self, words: Sequence[TimedWord]) -> str:
        return " ".join([*self._promised, *(word.word for word in self._tail(words))])

    def _tail(self, words: Sequence[TimedWord]) -> list[TimedWord]:
        end = self._promised_end_frame
        return [word for word in words if (word.begin_frame + word.end_frame) / 2 > end]


def _same(a: TimedWord, b: TimedWord) -> bool:
    return a.word == b.word and abs(a.begin_frame - b.begin_frame) <= 5


class AgreedPrefix:
    """What a user of partial results may rely on, where each looks at all the audio afresh.

    Words are promised once two results in a row begin with them (local agreement: Liu et
    al., "Low-Latency Sequence-to-Sequence Speech Recognition", 2020).  Capitals and
    punctuation do not count, and the mark after the last promised word is not promised.
    """

    def __init__(self) -> None:
        self._before: list[str] = []
        self._promised: list[str] = []
        self._promised_text = ""

    def update(self, text: str) -> tuple[str, int]:
        """(text, stable_chars) for the present result, which begins with what was promised."""
        words = text.split()
        compared = [bare(word) for word in words]
        agreed = 0
        while agreed < min(len(words), len(self._before)) and (
            compared[agreed] == self._before[agreed]
        ):
            agreed += 1
        self._before = compared
        shown = self._continued(words)
        if agreed > len(self._promised) and compared[: len(self._promised)] == self._promised:
            self._promised = compared[:agreed]
            self._promised_text = _END.sub("", _first(shown, agreed))
        return shown, len(self._promised_text)

    def final(self, text: str) -> str:
        """The last result as it is, but with the promised words spelled as they were, if it
        has them.
        """
        words = text.split()
        if [bare(word) for word in words[: len(self._promised)]] != self._promised:
            return text
        return self._continued(words)

    def _continued(self, words: list[str]) -> str:
        count = len(self._promised)
        if not count:
            return " ".join(words)
        mark = _END.search(words[count - 1]) if len(words) >= count else None
        return " ".join([self._promised_text + (mark[0] if mark else ""), *words[count:]])


_END = re.compile(r"[^\w]*$")
_EDGES = re.compile(r"^\W+|\W+$")


def bare(word: str) -> str:
    """Without the marks at its ends, in lower case."""
    return _EDGES.sub("", word).lower()


def _first(text: str, words: int) -> str:
    return " ".join(text.split()[:words])
