"""A recogniser whose turns have a hint of whether they are over, besides their words."""

from __future__ import annotations

import logging
from functools import partial

from msgspec.structs import replace

from antiphon.engines.cascade.parts import (
    EndOfTurnHint,
    Grammar,
    HintStream,
    Recognition,
    Recognizer,
    Report,
    Transcript,
)
from antiphon.errors import EngineUnavailable

_log = logging.getLogger(__name__)

NO_WORDS_YET = Transcript("", final=False, looked_for_words=False)


class JudgedRecognizer:
    """A `Recognizer`: ``recognizer``, with what ``hint`` says; without it where that fails."""

    def __init__(self, recognizer: Recognizer, hint: EndOfTurnHint) -> None:
        self._recognizer = recognizer
        self._hint = hint
        self._hints = True

    async def start(self) -> None:
        await self._recognizer.start()
        try:
            await self._hint.start()
        except EngineUnavailable as error:
            _log.warning("%s; turns end by their words alone", error)
            self._hints = False

    async def aclose(self) -> None:
        await self._recognizer.aclose()
        await self._hint.aclose()

    def begin(
        self,
        report: Report,
        *,
        grammar: Grammar | None,
        language: str | None,
        live: bool = False,
    ) -> Recognition:
        begin = partial(self._recognizer.begin, grammar=grammar, language=language, live=live)
        if not self._hints:
            return begin(report)
        turn = _JudgedTurn(report)
        turn.recognition = begin(turn.on_words)
        turn.stream = self._hint.open(turn.on_hint)
        return turn


class _JudgedTurn:
    """A `Recognition`."""

    recognition: Recognition
    stream: HintStream

    def __init__(self, report: Report) -> None:
        self._report = report
        self._words = NO_WORDS_YET
        self._finished = False

    def feed(self, pcm: bytes) -> None:
        self.recognition.feed(pcm)
        if not self._finished:
            self.stream.feed(pcm)

    def finish(self) -> None:
        self._end()
        self.recognition.finish()

    def cancel(self) -> None:
        self._end()
        self.recognition.cancel()

    def on_words(self, transcript: Transcript) -> None:
        if transcript.final:
            self._report(transcript)
            return
        self._words = replace(transcript, melody=self._words.melody)
        self._report(self._words)

    def on_hint(self, probability: float) -> None:
        if not self._finished:
            self._words = replace(self._words, melody=probability)
            # The words are those of before: nobody has looked for more of them in this pause.
            self._report(replace(self._words, looked_for_words=False))

    def _end(self) -> None:
        self._finished = True
        self.stream.close()
