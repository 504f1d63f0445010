"""One answer: what the brain thinks, spoken sentence by sentence while it still thinks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
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
from antiphon.engines.cascade.apologies import Failure, apology
from antiphon.engines.cascade.news import AnswerSink
from antiphon.engines.cascade.parts import (
    CallTool,
    Mind,
    SayText,
    SpokenWord,
    Synthesizer,
    Thinking,
    Thought,
)
from antiphon.engines.cascade.plan import SentencePlan
from antiphon.engines.cascade.tts.scripts import language_of
from antiphon.engines.cascade.tts.spoken.speech_text import SpeechText
from antiphon.engines.cascade.tts.spoken.words import Spoken
from antiphon.errors import EngineUnavailable

MAX_PLANNED = 16
"""Sentences thought and not yet spoken.  Overflow policy: the brain waits."""

FAILED_TEXT = "The server had an error while processing your request. Sorry about that!"
"""For the client, where the fault is ours."""

_Planned = SayText | CallTool | Thought | EngineUnavailable
"""The last one is a Thought, or why there is none."""


class Answer:
    """Carries out one `Generate`; cancel its task to stop it."""

    def __init__(
        self,
        request: Generate,
        mind: Mind,
        synthesizer: Synthesizer,
        news: AnswerSink,
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
        self._marked_chars = 0
        """So much of the item has its marks."""
        self._speech_text = SpeechText()
        self.thought = ""
        """All text and arguments so far, said or not: what a language model is paid for."""
        self.counted: Thought | None = None
        """The end of the thought."""

    async def give(self) -> None:
        """Ends with exactly one `EngineFinished` or `EngineFailed`, unless cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._think())
                tasks.create_task(self._utter())
        except* EngineUnavailable as errors:
            error = errors.exceptions[0]
            assert isinstance(error, EngineUnavailable)
            failed = EngineFailed(self._id, str(error), error.code, is_unavailable=True)
            await self._news.answer(failed)

    async def give_up(self, problem: str) -> None:
        """What the user said is not known: say so, in place of an answer."""
        try:
            await self._apologise("not_heard")
        except EngineUnavailable as error:
            problem = f"{problem}; {error}"
        await self._news.answer(EngineFailed(self._id, problem, code="engine_unavailable"))

    async def _think(self) -> None:
        try:
            await self._plan()
        except EngineUnavailable as error:
            await self._planned.put(error)

    async def _plan(self) -> None:
        plan = SentencePlan()
        spoken = self._request.modality == "audio"
        async with aclosing(self._mind.think(self._request)) as thoughts:
            async for thought in thoughts:
                self._count(thought)
                if isinstance(thought, SayText) and spoken:
                    for sentence in plan.add(thought.text):
                        await self._planned.put(SayText(sentence))
                    continue
                for sentence in plan.flush():
                    await self._planned.put(SayText(sentence))
                await self._planned.put(thought)

    def _count(self, thought: Thinking) -> None:
        match thought:
            case SayText(text):
                self.thought += text
            case CallTool():
                self.thought += thought.name + thought.arguments
            case Thought():
                self.counted = thought

    async def _utter(self) -> None:
        while True:
            match await self._planned.get():
                case SayText(text) if self._request.modality == "audio":
                    await self._speak(text)
                case SayText(text):
                    await self._news.answer(EngineWrote(self._id, text))
                case CallTool(call_id, name, arguments, ended):
                    self._item_chars = self._item_samples = self._marked_chars = 0
                    self._speech_text = SpeechText()
                    await self._news.answer(EngineCalled(self._id, call_id, name, arguments, ended))
                case Thought(reason, input_tokens, output_tokens, cached_tokens):
                    await self._news.answer(
                        EngineFinished(self._id, reason, input_tokens, output_tokens, cached_tokens)
                    )
                    return
                case EngineUnavailable() as error:
                    # What was thought before it is said; nobody is left waiting for the rest.
                    await self._apologise("no_answer")
                    raise error

    async def _apologise(self, failure: Failure) -> None:
        if self._request.modality != "audio" or self._request.out_of_band:
            return
        text, language = apology(failure, self._language)
        await self._speak(f" {text}" if self._item_chars else text, language=language)

    async def _speak(self, text: str, *, language: str | None = None) -> None:
        """One sentence: its words first, then its sound, with marks that count in the item."""
        await self._news.answer(EngineSaid(self._id, text))
        begin, start = self._item_chars, self._item_samples
        self._item_chars += len(text)
        language = language or language_of(text, self._language)
        spoken = self._speech_text.say(text, language)
        to_say = spoken.text.strip()
        if not to_say:
            return
        blank = spoken.text.index(to_say)
        speech = self._synthesizer.speak(
            to_say, voice=self._request.voice, speed=self._request.speed, language=language
        )
        async with aclosing(speech) as pieces:
            async for piece in pieces:
                self._item_samples += len(piece.pcm) // 2
                words = tuple(self._written(piece.words, spoken, blank, begin, start))
                await self._news.answer(EngineSpoke(self._id, piece.pcm, words))

    def _written(
        self, words: Iterable[SpokenWord], spoken: Spoken, blank: int, begin: int, start: int
    ) -> Iterator[Word]:
        """Marks in the item for those in one sentence's speech; several words may be one mark."""
        for word in words:
            text_end = begin + spoken.written_end(blank + word.text_end)
            if text_end > self._marked_chars:
                self._marked_chars = text_end
                yield Word(text_end, start + word.end_sample)
