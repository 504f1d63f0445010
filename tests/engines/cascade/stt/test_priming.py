from __future__ import annotations

import numpy as np

from antiphon.engines.cascade.stt.priming import priming_part

RANDOM = np.random.default_rng(1)


def _noise(seconds: float, level: int) -> np.ndarray:
    return (RANDOM.standard_normal(round(seconds * 16_000)) * level).astype(np.int16)


def _turn(quiet_s: float, loud_s: float, after_s: float) -> np.ndarray:
    return np.concatenate((_noise(quiet_s, 10), _noise(loud_s, 3000), _noise(after_s, 10)))


def test_it_waits_for_a_second_of_speech_after_the_rooms_noise() -> None:
    samples = _turn(0.3, 2.0, 0)
    assert priming_part(samples[: 16_000 * 6 // 5], ended=False) is None
    part = priming_part(samples[: 16_000 * 4 // 3], ended=False)
    assert part is not None
    assert abs(part.start - 16_000 // 4) < 800
    assert part.stop - part.start == 16_000


def test_a_short_word_and_silence_are_enough() -> None:
    assert priming_part(_turn(0.3, 0.4, 0.1), ended=False) is None
    assert priming_part(_turn(0.3, 0.4, 0.25), ended=False) is not None


def test_the_end_of_the_turn_is_enough() -> None:
    assert priming_part(np.zeros(0, np.int16), ended=True) == slice(0, 0)
    assert priming_part(np.zeros(100, np.int16), ended=True) == slice(0, 0)
    assert priming_part(_turn(0.1, 0.2, 0), ended=True) is not None
    assert priming_part(np.zeros(0, np.int16), ended=False) is None


def test_speech_from_the_first_sample_is_found() -> None:
    part = priming_part(_turn(0, 1.5, 0), ended=False)
    assert part is not None
    assert part.start < 800
