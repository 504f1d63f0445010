"""The process that recognises by faster-whisper: each turn whole, once it is over."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from faster_whisper import WhisperModel
from msgspec import Struct
from numpy.typing import NDArray

from antiphon.audio.resample import Resampler
from antiphon.engines.cascade.stt.faster_whisper_wire import Begin, Command
from antiphon.engines.cascade.stt.wire import (
    MEDIA_RATE_HZ,
    Audio,
    Cancel,
    Finish,
    Heard,
    Trouble,
)
from antiphon.engines.cascade.worker_wire import WorkerEnd

RATE_HZ = 16_000
TURN_MAX_S = 120
"""Of a longer turn the end is heard."""
SHORTEST_S = 0.1
"""In less is no word."""
BEAM_SIZE = 5


class Turn:
    def __init__(self, language: str) -> None:
        self.language = language
        self.pcm = bytearray()
        self.dropped_bytes = 0

    def hear(self, pcm: bytes) -> None:
        self.pcm += pcm
        excess = len(self.pcm) - TURN_MAX_S * MEDIA_RATE_HZ * 2
        if excess > 0:
            del self.pcm[:excess]
            self.dropped_bytes += excess

    def samples(self) -> NDArray[np.float32]:
        resampler = Resampler(MEDIA_RATE_HZ, RATE_HZ)
        pcm = resampler.process(bytes(self.pcm)) + resampler.flush()
        return np.frombuffer(pcm, "<i2").astype(np.float32) / np.float32(32_768)


class _Understood(Struct, frozen=True):
    """From a thread of ours."""

    text: str
    language: str = ""
    """That was found, where none was named."""
    problem: str = ""


class Worker:
    def __init__(self, model: WhisperModel, threads: int) -> None:
        self._model = model
        self._threads = ThreadPoolExecutor(threads, "faster-whisper")
        self._wire: WorkerEnd[Command | _Understood] = WorkerEnd(Command)
        self._turns: dict[int, Turn] = {}

    def run(self) -> None:
        self._wire.ready()
        while True:
            if arrived := self._wire.receive():
                self._note(*arrived)

    def _note(self, job: int, message: Command | _Understood) -> None:
        if isinstance(message, Begin):
            self._turns[job] = Turn(message.language)
        elif turn := self._turns.get(job):
            match message:
                case Audio(pcm):
                    turn.hear(pcm)
                case Finish():
                    self._threads.submit(self._understand, job, turn)
                case Cancel():
                    del self._turns[job]
                case _Understood():
                    self._tell(job, turn, message)

    def _understand(self, job: int, turn: Turn) -> None:
        """On a thread of the pool, which has nobody to raise an error at."""
        understood = _Understood("")
        try:
            if job in self._turns:  # Not cancelled while it waited.
                text, found = transcribe(self._model, turn.samples(), turn.language)
                understood = _Understood(text, "" if turn.language else found)
        except Exception as error:
            what = f"a turn was not understood: {type(error).__name__}"
            understood = _Understood("", problem=what)
        self._wire.post(job, understood)

    def _tell(self, job: int, turn: Turn, understood: _Understood) -> None:
        if turn.dropped_bytes:
            seconds = turn.dropped_bytes / 2 / MEDIA_RATE_HZ
            self._wire.send(
                job, Trouble(f"a turn was too long: its first {seconds:.1f} s are lost")
            )
        if understood.problem:
            self._wire.send(job, Trouble(understood.problem))
        self._wire.send(job, Heard(understood.text, final=True, language=understood.language))
        del self._turns[job]


def transcribe(model: Any, samples: NDArray[np.float32], language: str) -> tuple[str, str]:
    """What is said, and in which language.  ``language``: as "de"; "" is found out."""
    if len(samples) < SHORTEST_S * RATE_HZ:
        return "", ""
    segments, about = model.transcribe(
        samples,
        language=language or None,
        beam_size=BEAM_SIZE,
        # What is heard in one part shall not be repeated in the next.
        condition_on_previous_text=False,
    )
    text = " ".join(" ".join(segment.text for segment in segments).split())
    return text, about.language if text else ""


def open_model(folder: Path, threads: int) -> WhisperModel:
    """On a GPU where CTranslate2 finds one.  Nothing is downloaded."""
    return WhisperModel(
        str(folder), device="auto", cpu_threads=1, num_workers=threads, local_files_only=True
    )


if __name__ == "__main__":
    _threads = int(sys.argv[2])
    _model = open_model(Path(sys.argv[1]), _threads)
    transcribe(_model, np.zeros(RATE_HZ, np.float32), "en")
    Worker(_model, _threads).run()
