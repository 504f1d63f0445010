"""A voice that may fail, and the one that then speaks in its place."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from antiphon.engines.cascade.parts import Speech, SpokenWord, Synthesizer
from antiphon.errors import EngineUnavailable

_log = logging.getLogger(__name__)

TRY_AGAIN_AFTER_S = 30.0
"""So long the plain voice speaks after the best one has failed: nobody waits for it each time."""


class FallbackSynthesizer:
    """A `Synthesizer`: ``best`` while it works, ``plain`` where it does not start, and where it
    fails: in the middle of a sentence too, from the last word that was spoken on.

    Args:
        best: What should speak.
        plain: What speaks any language, always.
        languages: Those that ``best`` speaks, without regions; empty: any.
    """

    def __init__(
        self, best: Synthesizer, plain: Synthesizer, *, languages: Sequence[str] = ()
    ) -> None:
        self._best = best
        self._plain = plain
        self._languages = languages
        self._starts = True
        self._silent_until_s = 0.0
        """By the loop's clock: until then the best voice is not asked."""
        self._problem = ""
        """Why it does not speak now."""

    @property
    def voices(self) -> tuple[str, ...]:
        """The best one's: the plain voice answers to any name."""
        return self._best.voices

    async def start(self) -> None:
        await self._plain.start()
        try:
            await self._best.start()
        except EngineUnavailable as error:
            _log.warning("%s; another voice speaks in its place", error)
            await self._best.aclose()
            self._starts = False

    async def aclose(self) -> None:
        await asyncio.gather(self._best.aclose(), self._plain.aclose())

    async def speak(
        self, text: str, *, voice: str, speed: float, language: str | None = None
    ) -> AsyncGenerator[Speech, None]:
        """As `Synthesizer.speak`."""
        said_chars = samples = 0
        problem = self._problem if self._starts and self._speaks(language) else ""
        if self._speaks(language) and self._is_asked():
            best = self._best.speak(text, voice=voice, speed=speed, language=language)
            try:
                async with aclosing(best) as pieces:
                    async for piece in pieces:
                        samples += len(piece.pcm) // 2
                        said_chars = piece.words[-1].text_end if piece.words else said_chars
                        yield piece
            except EngineUnavailable as error:
                self._failed(error)
                problem = self._problem
            else:
                self._worked()
                return
        rest = self._plain.speak(text[said_chars:], voice=voice, speed=speed, language=language)
        async with aclosing(rest) as pieces:
            async for piece in pieces:
                words = tuple(
                    SpokenWord(said_chars + word.text_end, samples + word.end_sample)
                    for word in piece.words
                )
                yield Speech(piece.pcm, words, problem)
                problem = ""

    def _speaks(self, language: str | None) -> bool:
        base = (language or "en").lower().replace("_", "-").split("-")[0]
        return not self._languages or base in self._languages

    def _is_asked(self) -> bool:
        return self._starts and asyncio.get_running_loop().time() >= self._silent_until_s

    def _failed(self, error: EngineUnavailable) -> None:
        self._silent_until_s = asyncio.get_running_loop().time() + TRY_AGAIN_AFTER_S
        if not self._problem:
            _log.warning("%s; another voice speaks in its place until it answers", error)
        self._problem = str(error)

    def _worked(self) -> None:
        if self._problem:
            _log.warning("the voice answers again")
        self._problem = ""
