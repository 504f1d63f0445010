"""The words of a reply, and which of them had been heard at a given moment."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field


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

    def split(self, heard_ms: int, received_ms: int) -> tuple[str, str]:
        """The words heard, and those cut off; an estimate, to whole words."""
        if heard_ms >= received_ms > 0:
            return self.text, ""
        if heard_ms == 0:
            return "", self.text.strip()
        end = 0
        for start, stop in _words(self.text):
            if self._spoken_by(start, stop, received_ms) > heard_ms:
                break
            end = stop
        return self.text[:end].rstrip(), self.text[end:].strip()

    def _spoken_by(self, start: int, stop: int, received_ms: int) -> float:
        """When the word is over, in ms of the item's sound."""
        by_length_ms = received_ms * stop / len(self.text)
        at = bisect_right(self._starts, start) - 1
        not_before_ms = self._not_before_ms[at] if at >= 0 else 0
        share_ms = received_ms * (stop - start) / len(self.text)
        return max(by_length_ms, not_before_ms + share_ms)


def _words(text: str) -> list[tuple[int, int]]:
    words = []
    at = 0
    for word in text.split():
        start = text.index(word, at)
        at = start + len(word)
        words.append((start, at))
    return words
