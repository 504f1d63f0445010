from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antiphon.engines.cascade.resampler import Resampler

PAIRS = [(22_050, 24_000), (24_000, 16_000), (16_000, 24_000), (8_000, 24_000)]


def _tone(rate_hz: int, frequency_hz: float, seconds: float = 0.5) -> np.ndarray:
    t = np.arange(round(rate_hz * seconds)) / rate_hz
    return 10_000 * np.sin(2 * np.pi * frequency_hz * t)


def _pcm(samples: np.ndarray) -> bytes:
    return bytes(np.rint(samples).astype("<i2").tobytes())


@pytest.mark.parametrize(("from_hz", "to_hz"), PAIRS)
def test_a_tone_stays_itself_at_its_time(from_hz: int, to_hz: int) -> None:
    resampler = Resampler(from_hz, to_hz)
    made = resampler.process(_pcm(_tone(from_hz, 1_000))) + resampler.flush()
    wanted = _tone(to_hz, 1_000)
    got = np.frombuffer(made, "<i2")
    assert len(got) == len(wanted)
    error = (got - wanted)[200:-200]
    assert 10 * math.log10(np.mean(wanted**2) / np.mean(error**2)) > 60


def test_what_the_lower_rate_cannot_hold_is_gone() -> None:
    resampler = Resampler(24_000, 16_000)
    made = resampler.process(_pcm(_tone(24_000, 10_000))) + resampler.flush()
    assert np.abs(np.frombuffer(made, "<i2")[200:-200]).max() < 20


@settings(max_examples=40)
@given(st.sampled_from(PAIRS), st.binary(max_size=4_000), st.data())
def test_cuts_make_no_difference(pair: tuple[int, int], pcm: bytes, data: st.DataObject) -> None:
    pcm = pcm[: len(pcm) & ~1]
    whole = Resampler(*pair)
    wanted = whole.process(pcm) + whole.flush()
    assert len(wanted) // 2 == math.ceil(len(pcm) // 2 * pair[1] / pair[0])
    cut, made, at = Resampler(*pair), b"", 0
    while at < len(pcm):
        end = data.draw(st.integers(at + 1, len(pcm)))
        made += cut.process(pcm[at:end])
        at = end
    made += cut.flush()
    difference = np.frombuffer(made, "<i2").astype(int) - np.frombuffer(wanted, "<i2")
    assert np.abs(difference).max(initial=0) <= 1  # The order of a float sum.
