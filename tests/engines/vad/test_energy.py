from __future__ import annotations

import numpy as np

from antiphon.engines.engine import VoiceDetector
from antiphon.engines.vad.energy import EnergyDetector

LOUD = np.full(768, 3_000, "<i2").tobytes()
QUIET = np.full(768, 30, "<i2").tobytes()


def test_loud_windows_are_reported_at_once_with_their_end() -> None:
    detector: VoiceDetector = EnergyDetector()
    reports: list[tuple[int, float]] = []
    stream = detector.open(lambda at_sample, probability: reports.append((at_sample, probability)))
    stream.feed(QUIET + LOUD[:500], 24_000)
    assert reports == [(24_768, 0.0)]
    stream.feed(LOUD[500:] + LOUD, 24_768 + 250)
    assert reports == [(24_768, 0.0), (25_536, 1.0), (26_304, 1.0)]


def test_the_threshold_is_a_level() -> None:
    reports: list[float] = []
    stream = EnergyDetector(threshold_dbfs=-65).open(
        lambda _, probability: reports.append(probability)
    )
    stream.feed(QUIET, 0)  # -60.8 dBFS
    assert reports == [1.0]


def test_nothing_from_before_a_reset_is_reported_even_if_a_report_asks_for_it() -> None:
    reports: list[int] = []

    def report(at_sample: int, _: float) -> None:
        reports.append(at_sample)
        if at_sample == 768:
            stream.reset()

    stream = EnergyDetector().open(report)
    stream.feed(LOUD * 3 + LOUD[:100], 0)
    assert reports == [768]
    stream.feed(LOUD, 2_354)
    assert reports == [768, 3_122]


def test_a_closed_stream_says_nothing() -> None:
    reports: list[int] = []
    stream = EnergyDetector().open(lambda at_sample, _: reports.append(at_sample))
    stream.close()
    stream.feed(LOUD, 0)
    stream.close()
    assert reports == []
