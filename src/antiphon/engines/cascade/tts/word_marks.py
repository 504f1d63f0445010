"""Where words end in synthetic speech, from a synthesiser's events.

espeak-ng reports where in the text each spoken word begins, but "1,234" is four words
to it, with positions that only hint at where they are.  So we keep to the boundaries
that a reader sees: white space, or any character in scripts that have none.
"""

from __future__ import annotations

import re

NO_SPACES = (
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai and Lao, Burmese, Khmer
    r"\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"  # Japanese, Chinese
)
"""A sign of a script that puts no spaces between words; part of a pattern."""
_NO_SPACES = re.compile(NO_SPACES)


class WordMarks:
    """Follows one utterance.  Give it events in the order of their samples.

    A word ends where the pause after it begins.  Marks are strictly monotonic in text
    and never fall back in samples.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._begin = 0
        """Where in the text the word that is being spoken begins."""
        self._quiet_since: int | None = None
        self._last_sample = 0

    @property
    def in_pause(self) -> bool:
        """Whether a word ended at the beginning of this silence is not known yet."""
        return self._quiet_since is not None

    def phoneme(self, sample: int, *, silent: bool) -> None:
        """A phoneme, or a pause, begins."""
        if not silent:
            self._quiet_since = None
        elif self._quiet_since is None:
            self._quiet_since = sample

    def word(self, position: int, sample: int) -> tuple[int, int] | None:
        """The word at ``text[position]`` begins; says (text_end, sample) of the one before."""
        begin = self._boundary(position)
        if begin <= self._begin:
            return None
        before = self._text[:begin].rstrip()
        self._begin = begin
        if not before:
            return None
        end = sample if self._quiet_since is None else self._quiet_since
        self._last_sample = max(end, self._last_sample)
        return len(before), self._last_sample

    def _boundary(self, position: int) -> int:
        """The beginning of the written word that holds ``position``."""
        text = self._text
        at = min(max(position, 0), len(text))
        while at < len(text) and text[at].isspace():
            at += 1
        if at < len(text) and _NO_SPACES.match(text[at]):
            return at
        while at > 0 and not text[at - 1].isspace():
            at -= 1
        return at
