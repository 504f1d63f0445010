"""A process that speaks with a network: the loop that all such processes share.

One utterance at a time, so that its sound comes as early as can be; who waits for first
audio goes before who has some already, else who came first.  The network runs on a thread,
so that a cancelled utterance is stopped in the middle.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from antiphon.audio.resample import Resampler
from antiphon.engines.cascade.tts.local_voice_wire import Cancel, Command, Failed, Made, Speak
from antiphon.engines.cascade.worker_wire import WorkerEnd

MEDIA_RATE_HZ = 24_000
WARM_UP = "Hello."
"""Spoken once before the first user comes: the first run of a network is slower."""

Marks = tuple[tuple[int, int], ...]
"""(text_end, end_sample) of each word."""


class Sound(Struct, frozen=True):
    samples: NDArray[np.float32]
    """-1 to 1."""
    rate_hz: int
    marks: Marks | None = None
    """At ``rate_hz``; None: nobody knows."""


class VoiceModel(Protocol):
    @property
    def first_voice(self) -> str: ...

    def speak(self, text: str, *, voice: str, speed: float) -> Sound:
        """All of ``text``.  On a thread, one at a time."""
        ...

    def stop(self) -> None:
        """From another thread: ``speak`` need not go on; it may raise."""
        ...


class _Ended(Struct, frozen=True):
    """From our thread: the utterance is over, one way or the other."""

    news: Made | Failed


class Worker:
    def __init__(self, model: VoiceModel) -> None:
        self._model = model
        self._wire: WorkerEnd[Command | _Ended] = WorkerEnd(Command)
        self._thread = ThreadPoolExecutor(1, "voice")
        self._waiting: dict[int, Speak] = {}
        self._current: int | None = None
        self._busy = False

    def run(self) -> None:
        self._model.speak(WARM_UP, voice=self._model.first_voice, speed=1.0)
        self._wire.ready()
        while True:
            if arrived := self._wire.receive():
                self._note(*arrived)
            for job, message in self._wire.arrived():
                self._note(job, message)
            if self._waiting and not self._busy:
                self._begin()

    def _note(self, job: int, message: Command | _Ended) -> None:
        match message:
            case Speak():
                self._waiting[job] = message
            case Cancel() if job == self._current:
                self._current = None
                self._model.stop()
            case Cancel():
                self._waiting.pop(job, None)
            case _Ended(news):
                self._busy = False
                if job == self._current:
                    self._current = None
                    self._wire.send(job, news)

    def _begin(self) -> None:
        first = [job for job, speak in self._waiting.items() if speak.waits_for_first]
        job = next(iter(first or self._waiting))
        self._current, self._busy = job, True
        self._thread.submit(self._speak, job, self._waiting.pop(job))

    def _speak(self, job: int, speak: Speak) -> None:
        """On our thread, which has nobody to raise an error at."""
        try:
            sound = self._model.speak(speak.text, voice=speak.voice, speed=speak.speed)
            news: Made | Failed = made(sound)
        except Exception as error:  # Its message may quote the text.
            news = Failed(f"a sentence cannot be spoken: {type(error).__name__}")
        self._wire.post(job, _Ended(news))


def made(sound: Sound) -> Made:
    """``sound`` as it goes over the wire."""
    if not len(sound.samples):
        return Made(b"", ())  # Nothing was there to be said; of what has no rate.
    pcm = (np.clip(sound.samples, -1, 1) * 32_767).astype("<i2").tobytes()
    marks = sound.marks
    if sound.rate_hz != MEDIA_RATE_HZ:
        resampler = Resampler(sound.rate_hz, MEDIA_RATE_HZ)
        pcm = resampler.process(pcm) + resampler.flush()
        if marks is not None:
            rate = MEDIA_RATE_HZ / sound.rate_hz
            marks = tuple((end, min(round(at * rate), len(pcm) // 2)) for end, at in marks)
    return Made(pcm, marks)


def trimmed(sound: Sound, *, lead_s: float = 0.03, tail_s: float = 0.25) -> Sound:
    """Without the silence around the words that networks add, but for a breath."""
    loud = np.flatnonzero(np.abs(sound.samples) > 0.01)
    if not len(loud):
        return sound
    begin = max(0, int(loud[0]) - round(lead_s * sound.rate_hz))
    end = min(len(sound.samples), int(loud[-1]) + round(tail_s * sound.rate_hz))
    marks = sound.marks
    if marks is not None:
        marks = tuple((text_end, min(max(at - begin, 0), end - begin)) for text_end, at in marks)
    return Sound(sound.samples[begin:end], sound.rate_hz, marks)
