"""What arithmetic on samples costs: ms of processor time for one second of one stream.

OPENBLAS_NUM_THREADS=1 python bench/audio.py
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np

from antiphon.audio import g711
from antiphon.audio.noise import NoiseReducer
from antiphon.audio.pcm import rms_dbfs
from antiphon.audio.resample import Resampler

RESAMPLED = [
    (8_000, 24_000),
    (16_000, 24_000),
    (22_050, 24_000),
    (48_000, 24_000),
    (24_000, 8_000),
    (24_000, 16_000),
    (24_000, 48_000),
]


def cost_ms(work: Callable[[bytes], object], pcm: bytes, chunk_bytes: int) -> float:
    chunks = [pcm[i : i + chunk_bytes] for i in range(0, len(pcm), chunk_bytes)]
    times = []
    for _ in range(15):
        start = time.thread_time_ns()
        for chunk in chunks:
            work(chunk)
        times.append((time.thread_time_ns() - start) / 1e6)
    return statistics.median(times)


def row(name: str, work: Callable[[bytes], object], rate_hz: int, width: int = 2) -> None:
    pcm = np.random.default_rng(1).normal(0, 2_000, rate_hz).astype("<i2").tobytes()
    pcm = pcm if width == 2 else pcm[::2]
    costs = [cost_ms(work, pcm, rate_hz * ms // 1000 * width) for ms in (20, 100)]
    print(f"{name:32} {costs[0]:12.3f} {costs[1]:12.3f}")


def main() -> None:
    print(f"{'ms per audio-second':32} {'20 ms chunks':>12} {'100 ms chunks':>12}")
    for from_hz, to_hz in RESAMPLED:
        resampler = Resampler(from_hz, to_hz)
        row(f"resample {from_hz} -> {to_hz} Hz", resampler.process, from_hz)
    row("A-law encode", g711.encode_alaw, 8_000)
    row("A-law decode", g711.decode_alaw, 8_000, width=1)
    row("µ-law encode", g711.encode_ulaw, 8_000)
    row("µ-law decode", g711.decode_ulaw, 8_000, width=1)
    row("noise reduction, near field", NoiseReducer("near_field").process, 24_000)
    row("noise reduction, far field", NoiseReducer("far_field").process, 24_000)
    row("RMS level", rms_dbfs, 24_000)


if __name__ == "__main__":
    main()
