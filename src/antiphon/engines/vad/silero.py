"""Silero VAD for all sessions of a process: windows wait a moment and are scored together.

One window alone costs five times what it costs in a batch (bench/vad.py), so a window
that is complete starts a short timer, and all that are complete by then go through the
network at once.  With nothing to score, nothing is scheduled.

Silence is scored too.  The network's memory settles into the noise of a room over tens of
seconds; one that is spared the windows at the noise floor takes more noises for voices,
and batches that are thinner, with levels to measure, cost about what was saved.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from antiphon.audio.pcm import BYTES_PER_SAMPLE
from antiphon.core.causes import MEDIA_RATE_HZ
from antiphon.engines.engine import VoiceReport
from antiphon.engines.vad.batch import Batch
from antiphon.engines.vad.narrow_band import NarrowBand
from antiphon.engines.vad.silero_network import SileroNetwork
from antiphon.engines.vad.spectra import Spectra
from antiphon.engines.vad.windows import WINDOW_SAMPLES, Windows

LONGEST_WAIT_S: Final = 0.005
"""How long a complete window waits for others, at most."""

_WAIT_PER_STREAM_S = 0.0001  # A lone microphone gains nothing from waiting; 50 do.

TICK_BUDGET_S: Final = 0.004
"""After this long the event loop gets its turn, whatever is left to score."""

LARGEST_BATCH: Final = 128
"""The cost of a window does not fall any further; the time until the next look does."""

FEW_WINDOWS: Final = 4
"""So many of one stream go into one batch, where it is thin.  A backlog waits, so that others have
their turn.
"""

THIN_BATCH: Final = 32
"""Streams.  A thicker batch costs no less by the window, and what it needs fills the caches."""

BACKLOG_WINDOWS: Final = 30 * MEDIA_RATE_HZ // WINDOW_SAMPLES
"""30 s for each stream; overflow drops the oldest windows, counted."""


_SILENCE: Final = bytes(WINDOW_SAMPLES * BYTES_PER_SAMPLE)


class Loop(Protocol):
    """What the detector needs of an asyncio event loop."""

    def time(self) -> float: ...

    def call_later(self, delay: float, callback: Callable[[], object], /) -> object: ...

    def call_exception_handler(self, context: dict[str, Any], /) -> None: ...


class SileroDetector:
    """Scores the microphones of all sessions; belongs to one event loop.

    A report comes at most about 10 ms after its window was complete, as long as the
    processor keeps up; reports of one stream come in order.
    """

    def __init__(self, *, loop: Loop | None = None) -> None:
        """Loads the network.  Without ``loop``, the one running when there is work."""
        self._loop = loop
        slots = 16
        self._network = SileroNetwork(slots)
        self._narrow_network = SileroNetwork(slots, narrow=True)
        self._narrow = NarrowBand(slots)
        self._spectra = Spectra(slots, rate_hz=MEDIA_RATE_HZ)
        self._free = list(range(slots))
        self._ready: deque[SileroStream] = deque()
        self._timer_runs = False
        self._scoring = False
        self.dropped_windows = 0
        """Never scored, because some stream had more than 30 s to score."""

    def open(self, report: VoiceReport) -> SileroStream:
        if not self._free:
            slots = self._network.slots
            self._network.grow(2 * slots)
            self._narrow_network.grow(2 * slots)
            self._narrow.grow(2 * slots)
            self._spectra.grow(2 * slots)
            self._free.extend(range(slots, 2 * slots))
        return SileroStream(self, self._free.pop(), report)

    @property
    def open_streams(self) -> int:
        return self._network.slots - len(self._free)

    def score_now(self) -> None:
        """Score and report all complete windows, without waiting for the timer."""
        while self._ready:
            self._score_batch()

    # --- What streams ask for -------------------------------------------------

    def reset_slot(self, slot: int) -> None:
        self._network.reset(slot)
        self._narrow_network.reset(slot)
        self._spectra.reset(slot)

    def free_slot(self, slot: int) -> None:
        self._narrow.reset(slot)
        self._free.append(slot)

    def enqueue(self, stream: SileroStream) -> None:
        """``stream`` has windows to score and was not in the queue."""
        self._ready.append(stream)
        if not self._timer_runs:
            self._start_timer(min(LONGEST_WAIT_S, self.open_streams * _WAIT_PER_STREAM_S))

    # --- Scoring --------------------------------------------------------------

    def _start_timer(self, delay_s: float) -> None:
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        self._timer_runs = True
        self._loop.call_later(delay_s, self._on_timer)

    def _on_timer(self) -> None:
        self._timer_runs = False
        self.score_complete()

    def score_complete(self) -> None:
        """As much as the budget allows; the timer has the rest."""
        if not self._ready or self._scoring:
            return
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        end = self._loop.time() + TICK_BUDGET_S
        try:
            while self._ready:
                self._score_batch()
                if self._loop.time() >= end:
                    break
        finally:
            if self._ready and not self._timer_runs:
                self._start_timer(0)

    def _score_batch(self) -> None:
        """Score the oldest window of each of the streams that have waited longest; all windows of
        those that have but a few.
        """
        assert not self._scoring, "scoring was asked for inside a report"
        streams = [self._ready.popleft() for _ in range(min(len(self._ready), LARGEST_BATCH))]
        taken = self._taken(streams)
        if not taken:
            return
        probabilities: list[float] = self._scores(taken).tolist()
        self._scoring = True
        for one, probability in zip(taken, probabilities, strict=True):
            if one.stream.epoch == one.epoch:  # An earlier report may have closed this one.
                self._report(one.stream, one.end_sample, probability)
        self._scoring = False

    def _taken(self, streams: list[SileroStream]) -> list[_Taken]:
        """What is scored now."""
        taken: list[_Taken] = []
        few = FEW_WINDOWS if len(streams) <= THIN_BATCH else 1
        for stream in streams:
            # A stream that was reset or closed since has nothing left.
            waiting = stream.waiting
            for nth in range(len(waiting) if len(waiting) <= few else 1):
                end_sample, window = waiting.popleft()
                is_silent = window == _SILENCE
                sounds = not (is_silent and stream.was_silent)
                stream.was_silent = is_silent
                taken.append(_Taken(stream, stream.epoch, end_sample, window, nth > 0, sounds))
            stream.queued = bool(stream.waiting)
            if stream.queued:
                self._ready.append(stream)
        return taken

    def _scores(self, taken: list[_Taken]) -> NDArray[np.float32]:
        """A voice on a telephone line is what either network takes for one."""
        batch, heard = _batch_of(taken), [one.window for one in taken if one.sounds]
        windows = np.frombuffer(b"".join(heard), "<i2").reshape(len(heard), WINDOW_SAMPLES)
        sounding = batch.heard()
        spectra = self._spectra.of(sounding, windows)
        scores = self._network.step(batch, spectra)
        is_narrow = self._narrow.of(batch.slots)
        if is_narrow.any():
            narrow = self._narrow_network.step(*batch.part(is_narrow, spectra))
            scores[is_narrow] = np.maximum(scores[is_narrow], narrow)
        for slot in self._narrow.look(sounding.slots, spectra):
            self._narrow_network.reset(slot)
        return scores

    def _report(self, stream: SileroStream, end_sample: int, probability: float) -> None:
        try:
            stream.report(end_sample, probability)
        except Exception as error:
            # One session's bug is not its neighbours'.
            assert self._loop is not None
            self._loop.call_exception_handler(
                {"message": "a voice report failed", "exception": error}
            )


class _Taken(NamedTuple):
    stream: SileroStream
    epoch: int
    end_sample: int
    window: bytes
    follows: bool
    """It continues the stream of the one before."""
    sounds: bool
    """It is no digital silence after silence."""


def _batch_of(taken: list[_Taken]) -> Batch:
    slots = np.array([one.stream.slot for one in taken], np.intp)
    follows = [one.follows for one in taken]
    sounding = [row for row, one in enumerate(taken) if one.sounds]
    return Batch(
        slots,
        np.array(follows) if any(follows) else None,
        np.array(sounding, np.intp) if len(sounding) < len(taken) else None,
    )


class SileroStream:
    """One microphone at a `SileroDetector`."""

    def __init__(self, detector: SileroDetector, slot: int, report: VoiceReport) -> None:
        self.report = report
        self.slot = slot
        self.epoch = 0
        """Rises when what was heard is forgotten."""
        self.waiting: deque[tuple[int, bytes]] = deque(maxlen=BACKLOG_WINDOWS)
        self.queued = False
        self.was_silent = True
        """What is before the next window; digital silence is."""
        self._detector = detector
        self._windows = Windows()
        self._closed = False
        detector.reset_slot(slot)

    def feed(self, pcm: bytes, at_sample: int) -> None:
        windows = self._windows.cut(pcm, at_sample)
        if not windows or self._closed:
            return
        waiting = self.waiting
        self._detector.dropped_windows += max(0, len(waiting) + len(windows) - BACKLOG_WINDOWS)
        waiting.extend(windows)  # maxlen drops the oldest
        if not self.queued:
            self.queued = True
            self._detector.enqueue(self)

    def reset(self) -> None:
        if self._closed:
            return
        self.epoch += 1
        self.waiting.clear()
        self.was_silent = True
        self._windows.clear()
        self._detector.reset_slot(self.slot)

    def close(self) -> None:
        """A closed stream ignores what it is fed; closing twice does nothing."""
        if self._closed:
            return
        self.reset()
        self._closed = True
        self._detector.free_slot(self.slot)
