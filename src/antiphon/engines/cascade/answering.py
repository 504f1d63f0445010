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
    EngineThought,
    EngineWrote,
    PartFailed,
    Word,
)
from antiphon.core.effects import Generate
from antiphon.engines.cascade.apologies import Failure, phrase, waits
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
from antiphon.engines.engine import GivesWay
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
        holding_after_s: float = 0.0,
        awaited: asyncio.Event | None = None,
    ) -> None:
        """``language``: what the session is in, a tag such as "de".  ``holding_after_s``: a
        spoken answer that is awaited so long begins with a request for patience; 0: none does.
        ``awaited``: set once somebody waits; None: somebody does.
        """
        self._request = request
        self._mind = mind
        self._synthesizer = synthesizer
        self._news = news
        self._language = language
        self._holding_after_s = holding_after_s
        self._awaited = awaited
        self._id = request.response_id
        self._planned: asyncio.Queue[_Planned] = asyncio.Queue(MAX_PLANNED)
        self._item_text = ""
        self._item_samples = 0
        self._marked_chars = 0
        """So much of the item has its marks."""
        self._speech_text = SpeechText()
        self._told_of_voice = False
        self._has_apologised = False
        """Nobody else answers any more."""
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
            another_may = not self._has_apologised
            failed = EngineFailed(self._id, str(error), error.code, is_unavailable=another_may)
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
        plan, language, is_first = SentencePlan(), None, True
        spoken = self._request.modality == "audio"
        async with aclosing(self._mind.think(self._request)) as thoughts:
            async for thought in thoughts:
                self._count(thought)
                if isinstance(thought, SayText) and spoken:
                    language = thought.language
                    sentences = plan.add(thought.text)
                    if not sentences and is_first:
                        await self._news.answer(EngineThought(self._id))
                    is_first = False
                    for sentence in sentences:
                        await self._planned.put(SayText(sentence, language))
                    continue
                for sentence in plan.flush():
                    await self._planned.put(SayText(sentence, language))
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
        planned = await self._first()
        while True:
            match planned:
                case SayText(text, language) if self._request.modality == "audio":
                    await self._speak(text, language=language)
                case SayText(text):
                    await self._news.answer(EngineWrote(self._id, text))
                case CallTool(call_id, name, arguments, ended):
                    self._item_text, self._item_samples, self._marked_chars = "", 0, 0
                    self._speech_text = SpeechText()
                    await self._news.answer(EngineCalled(self._id, call_id, name, arguments, ended))
                case Thought(reason, input_tokens, output_tokens, cached_tokens):
                    await self._news.answer(
                        EngineFinished(self._id, reason, input_tokens, output_tokens, cached_tokens)
                    )
                    return
                case EngineUnavailable() as error:
                    # What was thought before it is said; nobody is left waiting for the rest.
                    if self._is_listened_to:
                        await self._news.answer(GivesWay(self._id, str(error), error.code))
                    await self._apologise("no_answer")
                    self._has_apologised = self._is_listened_to
                    raise error
            planned = await self._planned.get()

    async def _first(self) -> _Planned:
        """What is planned first; who waits for it is asked for patience."""
        loop = asyncio.get_running_loop()
        first = loop.create_task(self._planned.get())
        try:
            if self._awaited is not None:
                await _first_of(first, self._awaited)
            began_s = loop.time()
            for after_s, wait in waits(self._holding_after_s) if self._is_listened_to else ():
                await asyncio.wait({first}, timeout=began_s + after_s - loop.time())
                if first.done():
                    break
                text, language = phrase(wait, self._language)
                await self._speak(f"{text} ", language=language)
            return await first
        finally:
            first.cancel()

    @property
    def _is_listened_to(self) -> bool:
        return self._request.modality == "audio" and not self._request.out_of_band

    async def _apologise(self, failure: Failure) -> None:
        if not self._is_listened_to:
            return
        text, language = phrase(failure, self._language)
        blank = "" if self._item_text[-1:].isspace() or not self._item_text else " "
        await self._speak(blank + text, language=language)

    async def _speak(self, text: str, *, language: str | None = None) -> None:
        """One sentence: its words first, then its sound, with marks that count in the item."""
        await self._news.answer(EngineSaid(self._id, text))
        begin, start = len(self._item_text), self._item_samples
        self._item_text += text
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
                if piece.problem and not self._told_of_voice:
                    self._told_of_voice = True
                    await self._news.answer(
                        PartFailed("voice", "voice_replaced", piece.problem, response_id=self._id)
                    )
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


async def _first_of(task: asyncio.Task[_Planned], event: asyncio.Event) -> None:
    """Wait until either is there."""
    waiting = asyncio.get_running_loop().create_task(event.wait())
    try:
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
