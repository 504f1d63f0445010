from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antiphon.audio.pcm import samples
from antiphon.audio.resample import HALF_WIDTH, Resampler

PAIRS = [
    (8_000, 16_000),
    (8_000, 24_000),
    (8_000, 48_000),
    (16_000, 8_000),
    (16_000, 24_000),
    (22_050, 24_000),
    (24_000, 8_000),
    (24_000, 16_000),
    (24_000, 48_000),
    (48_000, 8_000),
    (48_000, 16_000),
    (48_000, 24_000),
]
AMPLITUDE = 16_000


def _tone(hz: float, rate_hz: int, seconds: float = 0.5) -> bytes:
    n = np.arange(int(rate_hz * seconds))
    tone = AMPLITUDE * np.sin(2 * np.pi * hz * n / rate_hz)
    return bytes(np.rint(tone).astype("<i2"))


def _whole(from_hz: int, to_hz: int, pcm: bytes) -> bytes:
    resampler = Resampler(from_hz, to_hz)
    return resampler.process(pcm) + resampler.flush()


@pytest.mark.parametrize(("from_hz", "to_hz"), PAIRS)
def test_a_tone_stays_a_tone_at_its_place_in_time(from_hz: int, to_hz: int) -> None:
    lower = min(from_hz, to_hz)
    for hz in (300, 0.2 * lower, 0.4 * lower):
        out = samples(_whole(from_hz, to_hz, _tone(hz, from_hz))).astype(float)
        expected = AMPLITUDE * np.sin(2 * np.pi * hz * np.arange(out.size) / to_hz)
        error = (out - expected)[300:-300]
        snr_db = 10 * math.log10(expected.var() / error.var())
        assert snr_db > 60, f"{hz} Hz: {snr_db:.1f} dB"


@pytest.mark.parametrize(("from_hz", "to_hz"), [p for p in PAIRS if p[0] > p[1]])
def test_what_the_lower_rate_cannot_hold_does_not_fold_back(from_hz: int, to_hz: int) -> None:
    for hz in np.linspace(0.532 * to_hz, 0.499 * from_hz, 7):
        out = samples(_whole(from_hz, to_hz, _tone(hz, from_hz))).astype(float)[300:-300]
        alias_db = 10 * math.log10((out**2).mean() / (AMPLITUDE**2 / 2) + 1e-12)
        assert alias_db < -60, f"{hz:.0f} Hz: {alias_db:.1f} dB"


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(PAIRS), st.data())
def test_the_cutting_leaves_no_trace(pair: tuple[int, int], data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.integers(0, 400), max_size=12))
    seed = data.draw(st.integers(0, 2**32 - 1))
    signal = np.random.default_rng(seed).integers(-32768, 32768, sum(sizes))
    pcm = signal.astype("<i2").tobytes()
    ends = np.cumsum([0, *sizes]) * 2
    resampler = Resampler(*pair)
    pieces = [resampler.process(pcm[a:b]) for a, b in itertools.pairwise(ends)]
    tail = resampler.flush()
    assert b"".join(pieces) + tail == _whole(*pair, pcm)
    assert len(b"".join(pieces) + tail) == 2 * math.ceil(signal.size * pair[1] / pair[0])
    # And it begins anew.
    assert resampler.process(pcm) + resampler.flush() == _whole(*pair, pcm)


@pytest.mark.parametrize(("from_hz", "to_hz"), PAIRS)
def test_single_samples_give_the_same_and_never_wait_longer_than_the_filter(
    from_hz: int, to_hz: int
) -> None:
    pcm = np.random.default_rng(1).integers(-9000, 9000, 700).astype("<i2").tobytes()
    resampler = Resampler(from_hz, to_hz)
    out = b""
    for i in range(700):
        out += resampler.process(pcm[2 * i : 2 * i + 2])
        given_out_s, taken_s = len(out) / 2 / to_hz, (i + 1) / from_hz
        held_back_s = taken_s - given_out_s
        assert held_back_s <= HALF_WIDTH / min(from_hz, to_hz) + 1 / from_hz + 1 / to_hz
    assert out + resampler.flush() == _whole(from_hz, to_hz, pcm)


def test_a_constant_passes_unchanged() -> None:
    out = samples(_whole(22_050, 24_000, np.full(2000, 12_345, "<i2").tobytes()))
    assert set(out[40:-40].tolist()) == {12_345}


def test_full_scale_is_clipped_not_wrapped() -> None:
    square = np.where(np.arange(4000) // 40 % 2, 32767, -32768).astype("<i2")
    out = samples(_whole(16_000, 24_000, square.tobytes())).astype(int)
    assert np.abs(np.diff(out)).max() < 50_000
    assert out.max() == 32767
    assert out.min() == -32768


def test_the_same_rate_is_no_work() -> None:
    resampler = Resampler(24_000, 24_000)
    assert resampler.process(b"\1\2\3\4") == b"\1\2\3\4"
    assert resampler.flush() == b""


@pytest.mark.parametrize(("from_hz", "to_hz"), [(0, 8_000), (24_000, 23_999)])
def test_rates_without_a_small_ratio_are_refused(from_hz: int, to_hz: int) -> None:
    with pytest.raises(ValueError, match=r"resample|ratio"):
        Resampler(from_hz, to_hz)
