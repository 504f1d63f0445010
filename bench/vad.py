"""What voice detection costs: its arithmetic alone, and the whole path from 20 ms packets.

OPENBLAS_NUM_THREADS=1 python bench/vad.py
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np

from antiphon.core.causes import MEDIA_RATE_HZ
from antiphon.engines.vad.batch import Batch
from antiphon.engines.vad.silero import SileroDetector
from antiphon.engines.vad.silero_network import SileroNetwork
from antiphon.engines.vad.spectra import Spectra
from antiphon.engines.vad.windows import WINDOW_SAMPLES

BATCHES = (1, 8, 32, 128, 300)
PACKET_SAMPLES = 480
SECONDS = 1.92  # 96 packets, 60 windows


class NoLoop:
    """Scoring is asked for by hand."""

    def time(self) -> float:
        return 0.0

    def call_later(self, delay: float, callback: Callable[[], object], /) -> None: ...

    def call_exception_handler(self, context: dict[str, object], /) -> None:
        raise RuntimeError(context)


def arithmetic_us(batch: int, rng: np.random.Generator) -> tuple[float, float]:
    """Per window: the spectrum, and the network."""
    spectra, network = Spectra(batch, rate_hz=MEDIA_RATE_HZ), SileroNetwork(batch)
    streams = Batch(np.arange(batch))
    windows = rng.normal(0, 1_600, (batch, WINDOW_SAMPLES)).astype("<i2")
    steps = max(5, 600 // batch)
    hearing, scoring = [], []
    for _ in range(9):
        start = time.thread_time_ns()
        for _ in range(steps):
            heard = spectra.of(streams, windows)
        between = time.thread_time_ns()
        for _ in range(steps):
            network.step(streams, heard)
        hearing.append((between - start) / steps / batch / 1e3)
        scoring.append((time.thread_time_ns() - between) / steps / batch / 1e3)
    return statistics.median(hearing), statistics.median(scoring)


def detector_us(streams: int, rng: np.random.Generator) -> tuple[float, float]:
    """Per packet fed, and per window scored.

    Sessions send at their own moments; every 5 ms what is complete is scored.
    """
    detector = SileroDetector(loop=NoLoop())
    heard = []
    opened = [detector.open(lambda at, p: heard.append((at, p))) for _ in range(streams)]
    packets = [rng.normal(0, 1000, PACKET_SAMPLES).astype("<i2").tobytes() for _ in range(50)]
    phase_ms = rng.integers(0, 20, streams)
    offset = rng.integers(0, 768, streams)  # where each one's windows begin
    for stream, samples in zip(opened, offset.tolist(), strict=True):
        stream.feed(bytes(2 * samples), -samples)
    feeding = scoring = fed = 0
    for ms in range(int(SECONDS * 1000)):
        due = [opened[i] for i in np.flatnonzero(phase_ms == ms % 20)]
        at, pcm = ms // 20 * PACKET_SAMPLES, packets[ms % 50]
        start = time.thread_time_ns()
        for stream in due:
            stream.feed(pcm, at)
        feeding += time.thread_time_ns() - start
        fed += len(due)
        if ms % 5 == 0:
            start = time.thread_time_ns()
            detector.score_now()
            scoring += time.thread_time_ns() - start
    return feeding / fed / 1e3, scoring / len(heard) / 1e3


def main() -> None:
    rng = np.random.default_rng(1)
    detector_us(8, rng)  # warm up
    print("arithmetic alone        batch   spectrum, µs/window   network, µs/window")
    for batch in BATCHES:
        hearing, scoring = arithmetic_us(batch, rng)
        print(f"{batch:29} {hearing:21.1f} {scoring:20.1f}")
    print("\nwhole detector       streams   µs/packet fed   µs/window scored   ms/session-second")
    for streams in BATCHES:
        feed, score = detector_us(streams, rng)
        total = (feed * 50 + score * 31.25) / 1e3
        print(f"{streams:29} {feed:14.2f} {score:18.1f} {total:19.2f}")


if __name__ == "__main__":
    main()
