from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.audio import pcm


def _sine(peak: float) -> bytes:
    return pcm.from_float(peak * np.sin(2 * np.pi * np.arange(2400) / 24))


def test_levels_are_against_full_scale() -> None:
    assert pcm.rms_dbfs(_sine(0.5)) == pytest.approx(-9.03, abs=0.01)
    assert pcm.peak_dbfs(_sine(0.5)) == pytest.approx(-6.02, abs=0.01)
    loudest = np.full(100, -32768, "<i2").tobytes()
    assert pcm.rms_dbfs(loudest) == pytest.approx(0)
    assert pcm.peak_dbfs(loudest) == 0


@pytest.mark.parametrize("nothing", [b"", pcm.silence(20, 24_000)])
def test_silence_has_the_floor(nothing: bytes) -> None:
    assert pcm.rms_dbfs(nothing) == pcm.peak_dbfs(nothing) == pcm.FLOOR_DBFS


def test_silence_lasts_as_long_as_asked() -> None:
    assert len(pcm.silence(20, 24_000)) == 960
    assert pcm.duration_ms(pcm.silence(12.5, 8_000), 8_000) == 12.5


@given(st.binary().filter(lambda b: len(b) % 2 == 0))
def test_floats_and_back(data: bytes) -> None:
    assert pcm.from_float(pcm.to_float(data)) == data


def test_beyond_full_scale_is_clipped() -> None:
    assert pcm.samples(pcm.from_float(np.array([1.5, -1.5, 1.0]))).tolist() == [
        32767,
        -32768,
        32767,
    ]


def test_half_a_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="buffer size"):
        pcm.samples(b"abc")
