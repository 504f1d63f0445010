"""Speech by espeak-ng, in worker processes: right after install, in a hundred languages."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from antiphon.engines.cascade.parts import Speech, SpokenWord
from antiphon.engines.cascade.tts.arpabet import arpabet
from antiphon.engines.cascade.tts.espeak_wire import (
    Cancel,
    Command,
    Failed,
    News,
    Piece,
    Pronounce,
    Pronounced,
    Speak,
)
from antiphon.engines.cascade.tts.segments import Segment, segments
from antiphon.engines.cascade.tts.voices import VOICES, espeak_names, rate, voice_for
from antiphon.engines.cascade.workers import Job, WorkerLost, WorkerPool
from antiphon.errors import EngineUnavailable

_NAME = "espeak"
_WORKER = "antiphon.engines.cascade.tts.espeak_worker"
_SEGMENT_CHARS = 200
"""About 12 s of speech, 20 ms of work: so long may another wait for its first audio."""
_WORD = re.compile(r"[a-zà-öø-ÿ0-9'.-]+", re.IGNORECASE)
_PRONOUNCE_WORDS_MAX = 1000
PATIENCE_S = 1.0
"""What takes a thousand times as long as it should never comes."""


class EspeakSynthesizer:
    """A `Synthesizer`.  ``workers`` processes, two by default: one speaks hundreds of
    times faster than real time, and the other where that one hangs.
    """

    def __init__(
        self,
        *,
        workers: int | None = None,
        jobs_per_worker: int = 256,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._patience_s = patience_s
        self._pool: WorkerPool[News] = WorkerPool(
            _NAME,
            _WORKER,
            News,
            workers=workers or 2,
            jobs_per_worker=jobs_per_worker,
        )

    @property
    def voices(self) -> tuple[str, ...]:
        return tuple(VOICES)

    @property
    def pids(self) -> list[int]:
        return self._pool.pids

    async def start(self) -> None:
        await self._pool.start()

    async def aclose(self) -> None:
        await self._pool.aclose()

    async def speak(
        self, text: str, *, voice: str, speed: float, language: str | None = None
    ) -> AsyncGenerator[Speech, None]:
        """As `Synthesizer.speak`.

        Text without a word in it has no speech.  ``speed`` is that of the API, 0.25 to
        1.5; a language that espeak-ng lacks is read as English.
        """
        spoken_samples = 0
        for segment in segments(text, _SEGMENT_CHARS):
            begin_sample = spoken_samples
            command = _command(segment, voice, speed, language, first=begin_sample == 0)
            async with aclosing(self._ask(command)) as answer:
                async for news in answer:
                    if not isinstance(news, Piece):
                        break
                    spoken_samples += len(news.pcm) // 2
                    words = tuple(
                        SpokenWord(_text_end(segment, end), begin_sample + sample)
                        for end, sample in news.marks
                    )
                    yield Speech(news.pcm, words)

    async def pronounce(self, words: Sequence[str]) -> dict[str, str]:
        """ARPAbet of English words by rule; one that cannot be pronounced is left out.

        Raises:
            EngineUnavailable: no worker answers.
        """
        asked = tuple(word for word in words if _WORD.fullmatch(word))[:_PRONOUNCE_WORDS_MAX]
        async with aclosing(self._ask(Pronounce(asked))) as answer:
            news = await anext(answer)
        assert isinstance(news, Pronounced)
        phones = map(arpabet, news.ipa)
        return {word: p for word, p in zip(asked, phones, strict=True) if p}

    async def _ask(self, command: Command) -> AsyncGenerator[News, None]:
        """Asks another worker where the first one dies or hangs before it says a thing."""
        begun = False
        try:
            async with aclosing(self._ask_once(command)) as answer:
                async for news in answer:
                    begun = True
                    yield news
        except WorkerLost:
            if begun:
                raise
        else:
            return
        async with aclosing(self._ask_once(command)) as answer:
            async for news in answer:
                yield news

    async def _ask_once(self, command: Command) -> AsyncGenerator[News, None]:
        # Bounded by what a worker says about one segment: UTTERANCE_MAX_S of audio.
        inbox: asyncio.Queue[News | EngineUnavailable] = asyncio.Queue()
        job = self._pool.open(inbox.put_nowait, inbox.put_nowait)
        ended = False
        try:
            job.send(command)
            while True:
                news = await self._next(inbox, job)
                ended = not isinstance(news, Piece)
                if isinstance(news, EngineUnavailable):
                    raise news
                if isinstance(news, Failed):
                    raise EngineUnavailable(_NAME, news.reason)
                yield news
        finally:
            if not ended:
                job.send(Cancel())
            job.close()

    async def _next(
        self, inbox: asyncio.Queue[News | EngineUnavailable], job: Job[News]
    ) -> News | EngineUnavailable:
        while True:
            said = job.worker_said
            try:
                async with asyncio.timeout(self._patience_s):
                    return await inbox.get()
            except TimeoutError:
                # One that speaks for others is slow, no more.
                if job.worker_said == said and job.replace_worker():
                    return await inbox.get()  # That the worker is lost.


def _command(
    segment: Segment, name: str, speed: float, language: str | None, *, first: bool
) -> Speak:
    voice = voice_for(name)
    wpm, word_gap = rate(voice, speed)
    return Speak(
        text=segment.spoken,
        names=espeak_names(voice, language),
        wpm=wpm,
        word_gap=word_gap,
        pitch=voice.pitch,
        pitch_range=voice.pitch_range,
        volume=voice.volume,
        waits_for_first=first,
    )


def _text_end(segment: Segment, end: int) -> int:
    """From a position in what was spoken to one in the whole text."""
    return segment.end if end == len(segment.spoken) else segment.begin + end
