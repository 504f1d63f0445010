"""Where words end in speech whose synthesiser does not tell, as a guess.

Every letter takes as long as every other.  Once the speech is whole its length is known; while it
comes, the pace of what the voice said before is all there is to go by.
"""

from __future__ import annotations

import re
from collections import deque

from antiphon.core.causes import MEDIA_RATE_HZ
from antiphon.engines.cascade.parts import SpokenWord
from antiphon.engines.cascade.punctuation import length
from antiphon.engines.cascade.tts.word_marks import NO_SPACES

LETTERS_PER_S = 15.0
"""A voice's pace before anything is known of it."""
LEARNS_FROM_LETTERS = 12
"""Of less, the pace says nothing."""
_WORD = re.compile(rf"{NO_SPACES}|(?:(?!{NO_SPACES})\S)+")


def word_times(text: str, samples: int) -> tuple[SpokenWord, ...]:
    """The words of an utterance that is ``samples`` long as a whole."""
    times = WordTimes(text)
    times.grow(samples, holds_back=True)
    return times.end()


class WordTimes:
    """Follows one utterance while it comes.

    Args:
        text: All that is said in it.
        letters_per_s: The pace of the voice, as it is known.
    """

    def __init__(self, text: str, *, letters_per_s: float = LETTERS_PER_S) -> None:
        self.letters_per_s = letters_per_s
        """Of this utterance, once it has ended."""
        self._letters = 0
        words = [match for match in _WORD.finditer(text) if any(map(str.isalnum, match[0]))]
        ends = [word.start() for word in words[1:]] + [len(text)]
        # Signs that stand alone are silent: they belong to the word before them.
        self._left: deque[tuple[int, int]] = deque()
        """Of each word: where it ends in the text, and how many letters are said by then."""
        begin = 0
        for end in ends if words else ():
            stripped = len(text[:end].rstrip())
            self._letters += length(text[begin:end])
            self._left.append((stripped, self._letters))
            begin = end
        self._samples = 0
        self._last = (0, 0)
        """Letters and samples of the last word told."""

    def grow(self, samples: int, *, holds_back: bool = False) -> tuple[SpokenWord, ...]:
        """So much more has come: the words that have ended by now, unless they are held back
        until all has come.  The last one may always go on.
        """
        self._samples += samples
        told = []
        per_letter = MEDIA_RATE_HZ / self.letters_per_s
        while not holds_back and len(self._left) > 1:
            end_sample = round(self._left[0][1] * per_letter)
            if end_sample > self._samples:
                break
            told.append(self._tell(end_sample))
        return tuple(told)

    def end(self) -> tuple[SpokenWord, ...]:
        """All has come: the words that are left share the sound that is left."""
        from_letters, from_sample = self._last
        letters = max(1, self._letters - from_letters)
        left = self._samples - from_sample
        told = []
        while self._left:
            share = self._left[0][1] - from_letters
            told.append(self._tell(from_sample + left * share // letters))
        if self._letters >= LEARNS_FROM_LETTERS and self._samples:
            self.letters_per_s = self._letters * MEDIA_RATE_HZ / self._samples
        return tuple(told)

    def _tell(self, end_sample: int) -> SpokenWord:
        text_end, letters = self._left.popleft()
        self._last = (letters, end_sample)
        return SpokenWord(text_end, end_sample)
