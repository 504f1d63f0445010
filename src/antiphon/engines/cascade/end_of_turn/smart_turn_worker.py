"""The process that runs Smart Turn for all sessions: one pause after the other."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from antiphon.audio.resample import Resampler
from antiphon.engines.cascade.end_of_turn.smart_turn_wire import Command, Judged
from antiphon.engines.cascade.stt.log_mel import RATE_HZ, Frames, LogMel, spectrogram
from antiphon.engines.cascade.stt.pauses import Pauses
from antiphon.engines.cascade.stt.wire import MEDIA_RATE_HZ, Audio
from antiphon.engines.cascade.tts.onnx_session import session_options
from antiphon.engines.cascade.worker_wire import WorkerEnd

HEARD_S = 8
"""The end of a turn that the network is shown."""
PAUSE_FRAMES = 20
"""200 ms: before the words of the pause are known."""
_STEP = RATE_HZ // 20
_LEAST_VARIANCE = 1e-7

Samples = NDArray[np.int16]
Judge = Callable[[Samples], float]


class Turn:
    """What was heard of one, and whether somebody pauses."""

    def __init__(self) -> None:
        self._resampler = Resampler(MEDIA_RATE_HZ, RATE_HZ)
        self._heard: Samples = np.zeros(0, np.int16)
        self._fresh: Samples = np.zeros(0, np.int16)
        self._mel = LogMel()
        self._pauses = Pauses()
        self._frames = 0
        self._judged_end = 0

    def hear(self, pcm: bytes) -> None:
        new = np.frombuffer(self._resampler.process(pcm), "<i2")
        self._fresh = np.concatenate((self._fresh, new))
        if len(self._fresh) < _STEP:
            return
        self._heard = np.concatenate((self._heard, self._fresh))[-HEARD_S * RATE_HZ :]
        self._pauses.hear(self._mel.append(self._fresh))
        self._mel.forget(len(self._mel))
        self._fresh = self._fresh[:0]

    def pause(self) -> Samples | None:
        """What was heard, once in each pause; None: nobody pauses."""
        pauses = self._pauses
        # Who speaks without a break is louder than nothing: where speech ended is then of before.
        if (
            not pauses.can_tell
            or pauses.quiet_frames < PAUSE_FRAMES
            or pauses.speech_end <= self._judged_end
        ):
            return None
        self._judged_end = pauses.speech_end
        return self._heard


def features(heard: Samples) -> Frames:
    """What the network wants of the last `HEARD_S`: of equal loudness, silence before."""
    samples = np.zeros(HEARD_S * RATE_HZ, np.float32)
    last = heard[-len(samples) :]
    samples[len(samples) - len(last) :] = last.astype(np.float32) / 32_768
    samples = (samples - samples.mean()) / np.sqrt(samples.var() + _LEAST_VARIANCE)
    return spectrogram(samples)


class Network:
    def __init__(self, path: Path) -> None:
        import onnxruntime

        self._session: Any = onnxruntime.InferenceSession(
            str(path), session_options(1), providers=["CPUExecutionProvider"]
        )

    def judge(self, heard: Samples) -> float:
        (output,) = self._session.run(None, {"input_features": features(heard)[np.newaxis]})
        return min(1.0, max(0.0, float(cast(Any, output)[0, 0])))


class Worker:
    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._wire: WorkerEnd[Command] = WorkerEnd(Command)
        self._turns: dict[int, Turn] = {}

    def run(self) -> None:
        self._judge(np.zeros(RATE_HZ, np.int16))  # The first run of a network is slower.
        self._wire.ready()
        while True:
            if arrived := self._wire.receive():
                self._note(*arrived)
            for job, command in self._wire.arrived():
                self._note(job, command)
            for job, turn in self._turns.items():
                if (heard := turn.pause()) is not None:
                    self._wire.send(job, Judged(self._judge(heard)))

    def _note(self, job: int, command: Command) -> None:
        if isinstance(command, Audio):
            self._turns.setdefault(job, Turn()).hear(command.pcm)
        else:
            self._turns.pop(job, None)


if __name__ == "__main__":
    Worker(Network(Path(sys.argv[1])).judge).run()
