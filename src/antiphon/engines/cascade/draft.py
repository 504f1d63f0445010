"""An answer that nobody has asked for yet: begun, and kept back."""

from __future__ import annotations

import asyncio
import logging
from collections import deque

from msgspec.structs import replace

from antiphon.core.causes import (
    MEDIA_RATE_HZ,
    EngineFailed,
    EngineFinished,
    EngineSpoke,
    PartFailed,
    Speculated,
)
from antiphon.core.effects import Generate
from antiphon.engines.cascade.answering import FAILED_TEXT, Answer
from antiphon.engines.cascade.news import AnswerNews, AnswerSink
from antiphon.engines.cascade.parts import Mind, Synthesizer

log = logging.getLogger(__name__)

MAX_HELD_SAMPLES = 2 * MEDIA_RATE_HZ
MAX_HELD = 64
"""Speech, and pieces of any kind, that are kept back.  Overflow policy: the answer waits."""
CHARACTERS_PER_TOKEN = 4
"""Where the model has not counted what was thrown away."""


class Draft:
    """Args:
    request: What will probably be asked for; its name does not matter.
    told_to: Who hears of it, once it is wanted.
    """

    def __init__(
        self,
        request: Generate,
        mind: Mind,
        synthesizer: Synthesizer,
        told_to: AnswerSink,
        *,
        language: str | None,
        holding_after_s: float = 0.0,
    ) -> None:
        self._request = request
        self._language = language
        self._told_to = told_to
        self._held: deque[AnswerNews] = deque()
        self._held_samples = 0
        self._has_failed = False
        self._changed = asyncio.Event()
        self._wanted = asyncio.Event()
        self._answer = Answer(
            request,
            mind,
            synthesizer,
            self,
            language=language,
            holding_after_s=holding_after_s,
            awaited=self._wanted,
        )
        self._making = asyncio.get_running_loop().create_task(self._make())

    def is_of(self, request: Generate, language: str | None) -> bool:
        """That is what is asked for now, and nothing of it went wrong: that is tried again."""
        named = replace(request, response_id=self._request.response_id)
        return named == self._request and language == self._language and not self._has_failed

    async def give(self, response_id: str) -> None:
        """Tell what was kept back, and the rest as it comes; cancelled, the answer stops."""
        self._wanted.set()
        self._changed.set()
        try:
            while True:
                while not self._held:
                    self._changed.clear()
                    await self._changed.wait()
                news = self._held.popleft()
                self._changed.set()
                await self._told_to.answer(replace(news, response_id=response_id))
                if isinstance(news, EngineFinished | EngineFailed):
                    return
        finally:
            await self._stop()

    async def throw_away(self) -> Speculated:
        """Stop at once.  Returns what it has cost."""
        await self._stop()
        counted = self._answer.counted
        output_tokens = None if counted is None else counted.output_tokens
        if output_tokens is None:
            output_tokens = -(-len(self._answer.thought) // CHARACTERS_PER_TOKEN)
        input_tokens = None if counted is None else counted.input_tokens
        return Speculated(used=False, input_tokens=input_tokens, output_tokens=output_tokens)

    async def _stop(self) -> None:
        self._making.cancel()
        await asyncio.gather(self._making, return_exceptions=True)

    # --- For the answer ------------------------------------------------------

    async def answer(self, news: AnswerNews) -> None:
        if isinstance(news, PartFailed):  # That is so whether the answer is wanted or not.
            await self._told_to.answer(replace(news, response_id=None))
            return
        while self._is_full:
            self._changed.clear()
            await self._changed.wait()
        self._hold(news)

    @property
    def _is_full(self) -> bool:
        too_long = self._held_samples >= MAX_HELD_SAMPLES and not self._wanted.is_set()
        return too_long or len(self._held) >= MAX_HELD

    def _hold(self, news: AnswerNews) -> None:
        if isinstance(news, EngineSpoke):
            self._held_samples += len(news.pcm) // 2
        self._has_failed = self._has_failed or isinstance(news, EngineFailed)
        self._held.append(news)
        self._changed.set()

    async def _make(self) -> None:
        try:
            await self._answer.give()
        except Exception:
            log.exception("an answer failed that was begun early")
            self._hold(EngineFailed(self._request.response_id, FAILED_TEXT, is_unavailable=True))
