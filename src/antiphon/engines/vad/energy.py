"""A voice detector that only measures the level: for tests, and where a model is too dear."""

from __future__ import annotations

from antiphon.audio.pcm import rms_dbfs
from antiphon.engines.engine import VoiceReport
from antiphon.engines.vad.windows import Windows


class EnergyDetector:
    """Takes whatever is loud for a voice.  Reports inside ``feed`` and needs no event loop."""

    def __init__(self, threshold_dbfs: float = -40.0) -> None:
        self._threshold_dbfs = threshold_dbfs

    def open(self, report: VoiceReport) -> EnergyStream:
        return EnergyStream(report, self._threshold_dbfs)

    def score_complete(self) -> None:
        """All is scored."""


class EnergyStream:
    """One microphone: 1.0 for each window of 32 ms over the threshold, 0.0 for others."""

    def __init__(self, report: VoiceReport, threshold_dbfs: float) -> None:
        self._report = report
        self._threshold_dbfs = threshold_dbfs
        self._windows = Windows()
        self._epoch = 0
        self._closed = False

    def feed(self, pcm: bytes, at_sample: int) -> None:
        if self._closed:
            return
        epoch = self._epoch
        for end_sample, window in self._windows.cut(pcm, at_sample):
            if self._epoch != epoch:
                return  # What was reported led to a reset.
            loud = rms_dbfs(window) > self._threshold_dbfs
            self._report(end_sample, 1.0 if loud else 0.0)

    def reset(self) -> None:
        self._epoch += 1
        self._windows.clear()

    def close(self) -> None:
        self._closed = True
        self.reset()
