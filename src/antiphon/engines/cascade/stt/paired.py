"""Two recognisers as one: whatever is said, and what is expected better still."""

from __future__ import annotations

import asyncio

from antiphon.engines.cascade.parts import (
    Grammar,
    Recognition,
    Recognizer,
    Report,
    Transcript,
)
from antiphon.engines.cascade.stt.choice import choose


class PairedRecognizer:
    """A `Recognizer`.

    Args:
        free: Understands anything, and hears every turn.
        grammars: Hears the turns that have a grammar, and says which of its sentences
            comes nearest; `choice` says which of the two is believed.
    """

    def __init__(self, free: Recognizer, grammars: Recognizer) -> None:
        self._free = free
        self._grammars = grammars

    async def start(self) -> None:
        await asyncio.gather(self._free.start(), self._grammars.start())

    async def aclose(self) -> None:
        await asyncio.gather(self._free.aclose(), self._grammars.aclose())

    def begin(
        self,
        report: Report,
        *,
        grammar: Grammar | None,
        language: str | None,
        live: bool = False,
    ) -> Recognition:
        if grammar is None:
            return self._free.begin(report, grammar=None, language=language, live=live)
        pair = _Pair(report, live=live)
        pair.parts = (
            self._free.begin(pair.on_free, grammar=grammar, language=language, live=live),
            self._grammars.begin(pair.on_sentence, grammar=grammar, language=language),
        )
        return pair


class _Pair:
    """A `Recognition`."""

    def __init__(self, report: Report, *, live: bool) -> None:
        self.parts: tuple[Recognition, ...] = ()
        self._report = report
        self._live = live
        self._free: Transcript | None = None
        self._sentence = Transcript("", final=False)
        self._told: Transcript | None = None

    def feed(self, pcm: bytes) -> None:
        for part in self.parts:
            part.feed(pcm)

    def finish(self) -> None:
        for part in self.parts:
            part.finish()

    def cancel(self) -> None:
        for part in self.parts:
            part.cancel()

    def on_free(self, transcript: Transcript) -> None:
        self._free = transcript
        self._tell()

    def on_sentence(self, transcript: Transcript) -> None:
        self._sentence = transcript
        self._tell()

    def _tell(self) -> None:
        if self._free is None:
            return  # What nobody has listened to yet is not nothing.
        free, final = self._free, self._free.final and self._sentence.final
        sentence = self._sentence.text if self._sentence.in_grammar else None
        choice = choose(sentence, free.text, spelled=self._live)
        whole = len(choice.text) if final else 0
        # What is shown early is what was heard freely; the end may overrule it.
        stable_chars = free.stable_chars if choice.text == free.text and self._live else 0
        heard = Transcript(
            choice.text,
            final=final,
            stable_chars=max(whole, stable_chars),
            in_grammar=choice.in_grammar,
            complete=choice.in_grammar,
            words=free.words if choice.text == free.text else (),
            language=free.language,
            while_spoken=free.while_spoken,
            aside=free.aside if choice.text == free.text else "",
            lost_s=free.lost_s if final else 0.0,
            # A sentence that only one heard may not have been said: it takes nobody's place.
            problem=free.problem if final else "",
        )
        if heard != self._told or self._live:
            self._told = heard
            self._report(heard)
