"""When the words of speech were spoken, where nobody tells.

A Realtime server sends a transcript and its sound, not what belongs to what.  Words are taken to
come at an even pace: in an item that is whole, at its own; before that, at the one of what was
said before.  So a truncation keeps about the words that were heard.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from antiphon.core.causes import MEDIA_RATE_HZ, Word

FIRST_GUESS_CHARACTERS_PER_S = 15
LEARNS_FROM_CHARACTERS = 12
"""Of less, the pace says nothing."""
_WORD = re.compile(r"\S+")


class Pace:
    """A voice's, as it is known so far.

    Args:
        now_s: A clock.
    """

    def __init__(self, now_s: Callable[[], float]) -> None:
        self.now_s = now_s
        self.samples_per_character = MEDIA_RATE_HZ / FIRST_GUESS_CHARACTERS_PER_S

    def learn(self, characters: int, samples: int) -> None:
        if characters >= LEARNS_FROM_CHARACTERS and samples:
            self.samples_per_character = (self.samples_per_character + samples / characters) / 2


class Speech:
    """One spoken item: its words and how much sound there is."""

    def __init__(self, pace: Pace) -> None:
        self.text = ""
        self.samples = 0
        self.marks: list[Word] = []
        self._pace = pace
        self._began_s = pace.now_s()

    def say(self, text: str) -> None:
        self.text += text

    def speak(self, samples: int) -> tuple[Word, ...]:
        """More sound; returns the words that have ended by now."""
        self.samples += samples
        # Sound comes faster than it is heard: what nobody can have heard yet may wait until the
        # item is whole, and its own pace is known.
        heard = int((self._pace.now_s() - self._began_s) * MEDIA_RATE_HZ)
        latest = min(self.samples, heard)
        per_character = self._pace.samples_per_character
        ended = []
        for end in self._unmarked():
            at = max(self._marked_sample, round(end * per_character))
            if end == len(self.text) or at > latest:
                break  # The last one may go on.
            ended.append(Word(end, at))
        self.marks += ended
        return tuple(ended)

    def finish(self) -> tuple[Word, ...]:
        """Nothing more comes: the words that are left share the sound that is left."""
        self._pace.learn(len(self.text), self.samples)
        from_end, from_sample = self._marked_end, self._marked_sample
        left = max(1, len(self.text.rstrip()) - from_end)
        rest = tuple(
            Word(end, from_sample + (self.samples - from_sample) * (end - from_end) // left)
            for end in self._unmarked()
        )
        self.marks += rest
        return rest

    def heard_samples(self, text: str) -> int:
        """How much sound the first words of it are."""
        ends = [mark.end_sample for mark in self.marks if mark.text_end <= len(text)]
        return max(ends, default=0)

    def _unmarked(self) -> Iterator[int]:
        return (found.end() for found in _WORD.finditer(self.text, self._marked_end))

    @property
    def _marked_end(self) -> int:
        return self.marks[-1].text_end if self.marks else 0

    @property
    def _marked_sample(self) -> int:
        return self.marks[-1].end_sample if self.marks else 0
