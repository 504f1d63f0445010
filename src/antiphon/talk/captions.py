"""The words of a reply, and which of them had been heard at a given moment."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field

MS_PER_LETTER = 65
"""Of ordinary English speech; only for a reply whose length is not known yet."""


@dataclass
class ReplyText:
    """The text of one spoken item, as its deltas came.

    Nobody tells a client when each word is spoken.  Two things are known: words are
    spread over the sound roughly by their length, and none is spoken before the
    sound that was there when it arrived.
    """

    text: str = ""
    _starts: list[int] = field(default_factory=list)
    _not_before_ms: list[int] = field(default_factory=list)

    def add(self, delta: str, *, received_ms: int) -> None:
        """More text; `received_ms` is how much of the item's sound had come by then."""
        self._starts.append(len(self.text))
        self._not_before_ms.append(received_ms)
        self.text += delta

    def complete(self, text: str) -> None:
        """The final text, as the server gives it at the end."""
        self.text = text

    def split(self, heard_ms: int, received_ms: int, *, is_complete: bool) -> tuple[str, str]:
        """The words heard, and those cut off; an estimate, to whole words.

        Args:
            heard_ms: How much of the item's sound has been heard.
            received_ms: How much of the item's sound has come.
            is_complete: That is all of it; else the text may be ahead of the sound.
        """
        if is_complete and heard_ms >= received_ms > 0:
            return self.text, ""
        if heard_ms == 0:
            return "", self.text.strip()
        total_ms = received_ms if is_complete else max(received_ms, len(self.text) * MS_PER_LETTER)
        end = 0
        for start, stop in _words(self.text):
            if self._spoken_by(start, stop, total_ms) > heard_ms:
                break
            end = stop
        return self.text[:end].rstrip(), self.text[end:].strip()

    def _spoken_by(self, start: int, stop: int, total_ms: int) -> float:
        """When the word is over, in ms of the item's sound."""
        at = bisect_right(self._starts, start) - 1
        not_before_ms = self._not_before_ms[at] if at >= 0 else 0
        ms_per_letter = total_ms / len(self.text)
        return max(stop * ms_per_letter, not_before_ms + (stop - start) * ms_per_letter)


def _words(text: str) -> list[tuple[int, int]]:
    words = []
    at = 0
    for word in text.split():
        start = text.index(word, at)
        at = start + len(word)
        words.append((start, at))
    return words
