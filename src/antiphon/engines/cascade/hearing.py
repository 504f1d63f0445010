"""The user's turns at the recogniser: what was understood, and whether it sounds finished."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from antiphon.core.causes import (
    MEDIA_RATE_HZ,
    PartFailed,
    TranscriptEnded,
    TranscriptFailed,
    TranscriptGrew,
    TurnJudged,
)
from antiphon.engines.cascade.completeness import completeness
from antiphon.engines.cascade.news import NewsQueue
from antiphon.engines.cascade.parts import Grammar, Recognition, Recognizer, Transcript
from antiphon.engines.cascade.punctuation import length
from antiphon.protocol.server import Logprob

FEED_BYTES = 2 * MEDIA_RATE_HZ // 10
"""Audio that is there all at once is fed in steps of 100 ms."""
MAX_REMEMBERED = 1_000
"""Transcripts kept for contexts; overflow policy: the oldest is forgotten."""

TELLS_LANGUAGE_LETTERS = 12
"""A shorter text may be of any language: "ok", "no", "hello"."""


class Turn:
    """One turn at the recogniser."""

    def __init__(
        self,
        item_id: str,
        recognizer: Recognizer,
        news: NewsQueue,
        *,
        grammar: Grammar | None,
        language: str | None,
        live: bool,
        overlaps: bool = False,
    ) -> None:
        self.item_id = item_id
        self._overlaps = overlaps
        self.text: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.problem = ""
        """Why the words are not known, once that is certain."""
        self.language = ""
        """That was found in it, if it is long enough to tell."""
        self._news = news
        self._fed_bytes = 0
        self._told = ""
        self._recognition: Recognition = recognizer.begin(
            self._report, grammar=grammar, language=language, live=live
        )

    @property
    def duration_s(self) -> float:
        return self._fed_bytes / (2 * MEDIA_RATE_HZ)

    def feed(self, pcm: bytes) -> None:
        self._fed_bytes += len(pcm)
        for at in range(0, len(pcm), FEED_BYTES):
            self._recognition.feed(pcm[at : at + FEED_BYTES])

    def finish(self) -> None:
        self._recognition.finish()

    def cancel(self) -> None:
        self._recognition.cancel()
        if not self.text.done():
            self.text.set_result("")

    def _report(self, transcript: Transcript) -> None:
        if self._overlaps and transcript.aside:
            text = transcript.aside
            stable_chars = len(text) if transcript.final else 0
            transcript = replace(transcript, text=text, stable_chars=stable_chars, words=())
        if transcript.final:
            logprobs = tuple(
                Logprob(word.word, word.logprob, tuple(word.word.encode()))
                for word in transcript.words
            )
            self.problem = transcript.problem
            if length(transcript.text) >= TELLS_LANGUAGE_LETTERS:
                self.language = transcript.language
            if not self.text.done():
                self.text.set_result(transcript.text)
            if transcript.lost_s:
                lost = f"{transcript.lost_s:.1f} s of this turn were not heard: too much to do."
                self._news.tell(PartFailed("recognizer", "input_lost", lost, item_id=self.item_id))
            if transcript.problem:
                failed = TranscriptFailed(self.item_id, "engine_unavailable", transcript.problem)
                self._news.tell(failed)
            else:
                self._news.tell(TranscriptEnded(self.item_id, transcript.text, logprobs))
            return
        stable = transcript.text[: transcript.stable_chars]
        if stable.startswith(self._told) and len(stable) > len(self._told):
            self._news.tell(TranscriptGrew(self.item_id, stable[len(self._told) :]))
            self._told = stable
        # Also where nothing is new: that it was looked at again, says that there is no more of it.
        words = transcript.text if transcript.looked_for_words else None
        self._news.tell(
            TurnJudged(
                self.item_id,
                completeness(transcript),
                words,
                words_are_late=transcript.while_spoken,
            )
        )


class Hearing:
    """All turns of one session."""

    def __init__(self, recognizer: Recognizer, news: NewsQueue) -> None:
        self._recognizer = recognizer
        self._news = news
        self._open: Turn | None = None
        self._committed: dict[str, Turn] = {}

    def begin(
        self,
        item_id: str,
        pcm: bytes,
        *,
        grammar: Grammar | None,
        language: str | None,
        live: bool,
        overlaps: bool = False,
    ) -> None:
        """``overlaps``: the assistant is being heard."""
        self.drop()
        self._open = Turn(
            item_id,
            self._recognizer,
            self._news,
            grammar=grammar,
            language=language,
            live=live,
            overlaps=overlaps,
        )
        self._open.feed(pcm)

    def hear(self, pcm: bytes) -> None:
        if self._open is not None:
            self._open.feed(pcm)

    def drop(self) -> None:
        if self._open is not None:
            self._open.cancel()
            self._open = None

    @property
    def open_item_id(self) -> str | None:
        return None if self._open is None else self._open.item_id

    def commit(self) -> None:
        """The open turn is whole."""
        assert self._open is not None, "a turn is open"
        turn, self._open = self._open, None
        self._finish(turn)

    def hear_whole(
        self, item_id: str, pcm: bytes, *, grammar: Grammar | None, language: str | None
    ) -> None:
        """A turn that comes all at once, beside the one that may be open."""
        turn = Turn(
            item_id,
            self._recognizer,
            self._news,
            grammar=grammar,
            language=language,
            live=False,
        )
        turn.feed(pcm)
        self._finish(turn)

    def _finish(self, turn: Turn) -> None:
        turn.finish()
        self._committed[turn.item_id] = turn
        while len(self._committed) > MAX_REMEMBERED:
            del self._committed[next(iter(self._committed))]

    def duration_s(self, item_id: str) -> float:
        turn = self._committed.get(item_id)
        return 0.0 if turn is None else turn.duration_s

    @property
    def language(self) -> str | None:
        """The one that was found last; None: none was, or turns name theirs."""
        turns = reversed(self._committed.values())
        return next((turn.language for turn in turns if turn.language), None)

    def problem_of(self, item_id: str) -> str:
        """Why the words of a committed turn will never be known; "" where they are, or may be."""
        turn = self._committed.get(item_id)
        return "" if turn is None else turn.problem

    async def text_of(self, item_id: str) -> str:
        """The transcript of a committed turn, once it is known; "" for one never heard."""
        turn = self._committed.get(item_id)
        return "" if turn is None else await asyncio.shield(turn.text)

    def close(self) -> None:
        self.drop()
        for turn in self._committed.values():
            if not turn.text.done():
                turn.cancel()
        self._committed.clear()
