"""What voice detection costs: the network alone, and the whole path from 20 ms packets.

OPENBLAS_NUM_THREADS=1 python bench/vad.py
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np

from antiphon.engines.vad.silero import SileroDetector
from antiphon.engines.vad.silero_network import SileroNetwork

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


def network_us(batch: int, rng: np.random.Generator) -> float:
    network, slots = SileroNetwork(batch), np.arange(batch)
    windows = rng.normal(0, 0.05, (batch, 512)).astype(np.float32)
    steps = max(5, 600 // batch)
    times = []
    for _ in range(9):
        start = time.thread_time_ns()
        for _ in range(steps):
            network.step(slots, windows)
        times.append((time.thread_time_ns() - start) / steps / batch / 1e3)
    return statistics.median(times)


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
    print("network alone           batch   µs/window")
    for batch in BATCHES:
        print(f"{batch:29} {network_us(batch, rng):11.1f}")
    print("\nwhole detector       streams   µs/packet fed   µs/window scored   ms/session-second")
    for streams in BATCHES:
        feed, score = detector_us(streams, rng)
        total = (feed * 50 + score * 31.25) / 1e3
        print(f"{streams:29} {feed:14.2f} {score:18.1f} {total:19.2f}")


if __name__ == "__main__":
    main()
