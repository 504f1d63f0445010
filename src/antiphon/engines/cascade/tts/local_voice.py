"""Speech by a network of our own, in a worker process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping

from antiphon.engines.cascade.parts import Speech, SpokenWord
from antiphon.engines.cascade.tts.kept_speech import KeptSpeech, Spoken
from antiphon.engines.cascade.tts.local_voice_parts import parts, pieces
from antiphon.engines.cascade.tts.local_voice_wire import Cancel, Failed, Made, News, Speak
from antiphon.engines.cascade.tts.segments import Segment
from antiphon.engines.cascade.tts.word_times import word_times
from antiphon.engines.cascade.workers import WorkerPool
from antiphon.errors import EngineUnavailable
from antiphon.protocol.voices import answering_voice

JOBS_MAX = 64
"""Utterances at the same time; the newest is refused."""
FIRST_PATIENCE_S = 1.5
"""A first part, which is short, that takes longer to make is given up: another voice is better than
silence."""
PATIENCE_S = 5.0
"""The same for a part that is made while the one before it is heard."""


class LocalVoice:
    """A `Synthesizer`.

    Args:
        name: For errors and logs.
        module: The worker, as of `local_voice_worker`.
        arguments: What it is told.
        voices: Names that may be asked for, to the network's own; there must be one.
        kept: Speech that was made before.
        first_patience_s: How long the first part of a sentence may take to make.
        patience_s: How long each other one may.
    """

    def __init__(
        self,
        name: str,
        module: str,
        arguments: tuple[str, ...],
        *,
        voices: Mapping[str, str],
        kept: KeptSpeech | None = None,
        first_patience_s: float = FIRST_PATIENCE_S,
        patience_s: float = PATIENCE_S,
    ) -> None:
        assert voices
        self.first_patience_s = first_patience_s
        self.patience_s = patience_s
        self._name = name
        self._voices = voices
        self._kept = kept or KeptSpeech()
        self._pool: WorkerPool[News] = WorkerPool(
            name, module, News, workers=1, jobs_per_worker=JOBS_MAX, arguments=arguments
        )

    @property
    def voices(self) -> tuple[str, ...]:
        return tuple(self._voices)

    @property
    def pids(self) -> list[int]:
        return self._pool.pids

    async def start(self) -> None:
        await self._pool.start()

    async def aclose(self) -> None:
        await self._pool.aclose()

    async def speak(
        self,
        text: str,
        *,
        voice: str,
        speed: float,
        language: str | None = None,  # noqa: ARG002
    ) -> AsyncGenerator[Speech, None]:
        """As `Synthesizer.speak`; any language is read as that of the network."""
        name = answering_voice(voice, self.voices)
        assert name is not None
        samples = 0
        for part in parts(text):
            spoken = Spoken(part.spoken, self._voices[name], speed)
            speech = self._kept.find(spoken)
            if speech is None:
                speech = await self._make(spoken, first=samples == 0)
                self._kept.keep(spoken, speech)
            for piece in pieces(speech):
                yield Speech(
                    piece.pcm, tuple(_in_whole(word, part, samples) for word in piece.words)
                )
            samples += len(speech.pcm) // 2

    async def _make(self, spoken: Spoken, *, first: bool) -> Speech:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[News] = loop.create_future()

        def tell(news: News) -> None:
            if not answer.done():
                answer.set_result(news)

        def lost(error: EngineUnavailable) -> None:
            if not answer.done():
                answer.set_exception(error)

        patience_s = self.first_patience_s if first else self.patience_s
        job = self._pool.open(tell, lost)
        said = job.worker_said
        try:
            job.send(Speak(spoken.text, spoken.voice, spoken.speed, waits_for_first=first))
            async with asyncio.timeout(patience_s):
                news = await answer
        except TimeoutError:
            if job.is_alone and job.worker_said == said:  # Else it may be at work for another.
                job.replace_worker()
            what = f"a sentence is not spoken within {patience_s:g} s"
            raise EngineUnavailable(self._name, what) from None
        finally:
            if not answer.done() or answer.cancelled():
                job.send(Cancel())
            job.close()
        if isinstance(news, Failed):
            raise EngineUnavailable(self._name, news.reason)
        return _speech(spoken.text, news)


def _speech(text: str, made: Made) -> Speech:
    if made.marks is None:
        return Speech(made.pcm, word_times(text, len(made.pcm) // 2))
    return Speech(made.pcm, tuple(SpokenWord(end, sample) for end, sample in made.marks))


def _in_whole(word: SpokenWord, part: Segment, samples: int) -> SpokenWord:
    """From a position in what was spoken to one in the whole text."""
    at_end = word.text_end == len(part.spoken)
    text_end = part.end if at_end else part.begin + word.text_end
    return SpokenWord(text_end, samples + word.end_sample)
