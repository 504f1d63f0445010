"""One answer: what the brain thinks, spoken sentence by sentence while it still thinks."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from antiphon.core.causes import (
    EngineCalled,
    EngineFailed,
    EngineFinished,
    EngineSaid,
    EngineSpoke,
    EngineWrote,
    Word,
)
from antiphon.core.effects import Generate
from antiphon.engines.cascade.news import NewsQueue
from antiphon.engines.cascade.parts import CallTool, Mind, SayText, Synthesizer, Thought
from antiphon.engines.cascade.plan import SentencePlan
from antiphon.engines.cascade.tts.scripts import language_of
from antiphon.errors import EngineUnavailable

MAX_PLANNED = 16
"""Sentences thought and not yet spoken.  Overflow policy: the brain waits."""

_Planned = SayText | CallTool | Thought


class Answer:
    """Carries out one `Generate`; cancel its task to stop it."""

    def __init__(
        self,
        request: Generate,
        mind: Mind,
        synthesizer: Synthesizer,
        news: NewsQueue,
        *,
        language: str | None = None,
    ) -> None:
        """``language``: what the session is in, a tag such as "de"."""
        self._request = request
        self._mind = mind
        self._synthesizer = synthesizer
        self._news = news
        self._language = language
        self._id = request.response_id
        self._planned: asyncio.Queue[_Planned] = asyncio.Queue(MAX_PLANNED)
        self._item_chars = 0
        self._item_samples = 0

    async def give(self) -> None:
        """Ends with exactly one `EngineFinished` or `EngineFailed`, unless cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._think())
                tasks.create_task(self._utter())
        except* EngineUnavailable as errors:
            message = str(errors.exceptions[0])
            await self._news.answer(EngineFailed(self._id, message, code="engine_unavailable"))

    async def _think(self) -> None:
        plan = SentencePlan()
        spoken = self._request.modality == "audio"
        async with aclosing(self._mind.think(self._request)) as thoughts:
            async for thought in thoughts:
                if isinstance(thought, SayText) and spoken:
                    for sentence in plan.add(thought.text):
                        await self._planned.put(SayText(sentence))
                    continue
                for sentence in plan.flush():
                    await self._planned.put(SayText(sentence))
                await self._planned.put(thought)

    async def _utter(self) -> None:
        while True:
            match await self._planned.get():
                case SayText(text) if self._request.modality == "audio":
                    await self._speak(text)
                case SayText(text):
                    await self._news.answer(EngineWrote(self._id, text))
                case CallTool(call_id, name, arguments, ended):
                    self._item_chars = self._item_samples = 0
                    await self._news.answer(EngineCalled(self._id, call_id, name, arguments, ended))
                case Thought(reason, input_tokens, output_tokens, cached_tokens):
                    await self._news.answer(
                        EngineFinished(self._id, reason, input_tokens, output_tokens, cached_tokens)
                    )
                    return

    async def _speak(self, text: str) -> None:
        """One sentence: its words first, then its sound, with marks that count in the item."""
        await self._news.answer(EngineSaid(self._id, text))
        first_char = self._item_chars + len(text) - len(text.lstrip())
        self._item_chars += len(text)
        if not text.strip():
            return
        start = self._item_samples
        speech = self._synthesizer.speak(
            text.strip(),
            voice=self._request.voice,
            speed=self._request.speed,
            language=language_of(text, self._language),
        )
        async with aclosing(speech) as pieces:
            async for piece in pieces:
                self._item_samples += len(piece.pcm) // 2
                words = tuple(
                    Word(first_char + word.text_end, start + word.end_sample)
                    for word in piece.words
                )
                await self._news.answer(EngineSpoke(self._id, piece.pcm, words))
