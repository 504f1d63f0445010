"""The process that recognises by sherpa-onnx: a streaming network, words while they come.

All turns go through the network together, a step at a time.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import sherpa_onnx

from antiphon.engines.cascade.stt.agreement import AgreedPrefix
from antiphon.engines.cascade.stt.sherpa_files import Kind, SherpaFiles, find_sherpa_ears
from antiphon.engines.cascade.stt.sherpa_wire import Begin, Command
from antiphon.engines.cascade.stt.wire import (
    MEDIA_RATE_HZ,
    Audio,
    Cancel,
    Finish,
    Heard,
)
from antiphon.engines.cascade.worker_wire import WorkerEnd

TAIL_S = 0.66
"""Silence after the end: the network hears its last word when it knows what follows."""
_TAIL = np.zeros(round(TAIL_S * MEDIA_RATE_HZ), np.float32)


class Turn:
    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.finished = False
        self._agreed = AgreedPrefix()
        self._told = Heard("", final=False)

    def hear(self, pcm: bytes) -> None:
        samples = np.frombuffer(pcm, "<i2").astype(np.float32) / 32_768
        self.stream.accept_waveform(MEDIA_RATE_HZ, samples)

    def finish(self) -> None:
        self.finished = True
        self.stream.accept_waveform(MEDIA_RATE_HZ, _TAIL)
        self.stream.input_finished()

    def grew(self, text: str) -> Heard | None:
        """What is new, now that the network has come to ``text``."""
        shown, stable_chars = self._agreed.update(text)
        heard = Heard(shown, final=False, stable_chars=stable_chars)
        if heard == self._told:
            return None
        self._told = heard
        return heard

    def final(self, text: str) -> Heard:
        return Heard(self._agreed.final(text), final=True)


class Worker:
    def __init__(self, recognizer: Any) -> None:
        self._recognizer = recognizer
        self._wire: WorkerEnd[Command] = WorkerEnd(Command)
        self._turns: dict[int, Turn] = {}

    def run(self) -> None:
        self._wire.ready()
        while True:
            if not self._ready() and (arrived := self._wire.receive()):
                self._note(*arrived)
            for job, message in self._wire.arrived():
                self._note(job, message)
            self._step()

    def _ready(self) -> list[int]:
        """Turns with a step to take."""
        return [job for job, turn in self._turns.items() if self._recognizer.is_ready(turn.stream)]

    def _note(self, job: int, message: Command) -> None:
        if isinstance(message, Begin):
            self._turns[job] = Turn(self._recognizer.create_stream())
        elif turn := self._turns.get(job):
            match message:
                case Audio(pcm):
                    turn.hear(pcm)
                case Finish():
                    turn.finish()
                case Cancel():
                    del self._turns[job]

    def _step(self) -> None:
        ready = self._ready()
        if ready:
            self._recognizer.decode_streams([self._turns[job].stream for job in ready])
        for job, turn in list(self._turns.items()):
            if job in ready and (heard := turn.grew(self._text(turn))):
                self._wire.send(job, heard)
            if turn.finished and not self._recognizer.is_ready(turn.stream):
                self._wire.send(job, turn.final(self._text(turn)))
                del self._turns[job]

    def _text(self, turn: Turn) -> str:
        text: str = self._recognizer.get_result(turn.stream).strip()
        # Networks that learned from LibriSpeech write in capitals alone.
        return text.lower() if text.isupper() else text


def open_recognizer(files: SherpaFiles, threads: int) -> Any:
    recognizer = sherpa_onnx.OnlineRecognizer
    common: dict[str, Any] = {"tokens": str(files.tokens), "num_threads": threads}
    make: dict[Kind, Callable[[], Any]] = {
        "transducer": lambda: recognizer.from_transducer(
            encoder=str(files.networks[0]),
            decoder=str(files.networks[1]),
            joiner=str(files.networks[2]),
            **common,
        ),
        "nemo_ctc": lambda: recognizer.from_nemo_ctc(model=str(files.networks[0]), **common),
        "zipformer2_ctc": lambda: recognizer.from_zipformer2_ctc(
            model=str(files.networks[0]), **common
        ),
    }
    return make[files.kind]()


if __name__ == "__main__":
    Worker(open_recognizer(find_sherpa_ears(Path(sys.argv[1])), int(sys.argv[2]))).run()
