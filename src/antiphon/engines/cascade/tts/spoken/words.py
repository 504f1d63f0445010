"""Spoken words, and where each of them is written."""

from __future__ import annotations

from bisect import bisect_left

from msgspec import Struct


class Run(Struct, frozen=True):
    """A piece of what is spoken, and what it stands for in the written text."""

    spoken_begin: int
    spoken_end: int
    """Without the space that parts it from the next."""
    written_begin: int
    written_end: int
    as_written: bool


class Spoken(Struct, frozen=True):
    """What a voice says for a written text."""

    written: str
    text: str
    runs: tuple[Run, ...]
    """In order, without gaps in the written text."""

    def written_end(self, spoken_end: int) -> int:
        """How much of the written text is over when ``text[:spoken_end]`` is.

        Monotonic.  Words that stand for one written thing ("$5": "five dollars") are
        over all at once; what is silent is over with the word before it.
        """
        over = len(self.written)
        if spoken_end < len(self.text.rstrip()):
            over = self._written_end(spoken_end)
        return len(self.written[:over].rstrip())

    def _written_end(self, spoken_end: int) -> int:
        at = bisect_left(self.runs, spoken_end, key=lambda run: run.spoken_begin) - 1
        if at < 0:
            return 0
        run = self.runs[at]
        if spoken_end < run.spoken_end:
            if run.as_written:
                return run.written_begin + spoken_end - run.spoken_begin
            return self._written_end(run.spoken_begin)
        end = run.written_end
        if self.text[run.spoken_end - 1].isspace():
            return end  # What is silent here belongs to the next word.
        for after in self.runs[at + 1 :]:
            if after.spoken_end > after.spoken_begin:
                break
            end = after.written_end
        return end


class SpokenWriter:
    """Puts together a `Spoken`, from the first written character to the last."""

    def __init__(self, written: str) -> None:
        self._written = written
        self._at = 0
        self._parts: list[str] = []
        self._length = 0
        self._last = self._last_visible = ""
        """The last character that is spoken."""
        self._replaced = False
        """It comes from words in place of what is written."""
        self._runs: list[Run] = []

    @property
    def at(self) -> int:
        """So much of the written text has its words."""
        return self._at

    @property
    def last(self) -> str:
        """The last character that is spoken and no space."""
        return self._last_visible

    @property
    def replaced(self) -> bool:
        """What was said last stands for something written otherwise."""
        return self._replaced

    def keep(self, end: int) -> None:
        """What is written up to ``end`` is said as it is."""
        text = self._written[self._at : end]
        if not text:
            return
        if self._replaced and self._last.isalnum() and text[0].isalnum():
            self._add(" ")
        self._run(text, end, as_written=True)
        self._replaced = False

    def say(self, text: str, end: int) -> None:
        """``text`` is said for what is written up to ``end``; "" is silence."""
        if text and self._last.isalnum() and text[0].isalnum():
            self._add(" ")
        self._run(text, end, as_written=False)
        self._replaced = self._replaced if not text else True

    def whole(self) -> Spoken:
        self.keep(len(self._written))
        return Spoken(self._written, "".join(self._parts), tuple(self._runs))

    def _run(self, text: str, end: int, *, as_written: bool) -> None:
        begin = self._length
        self._add(text)
        self._runs.append(Run(begin, self._length, self._at, end, as_written))
        self._at = end

    def _add(self, text: str) -> None:
        if text:
            self._parts.append(text)
            self._length += len(text)
            self._last = text[-1]
            self._last_visible = text.rstrip()[-1:] or self._last_visible
