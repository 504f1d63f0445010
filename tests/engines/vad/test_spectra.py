from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from antiphon.engines.vad.batch import Batch
from antiphon.engines.vad.spectra import BIN_HZ, BINS, FRAMES, Spectra


def tones(rate_hz: int, seconds: float) -> NDArray[np.float64]:
    at_s = np.arange(round(rate_hz * seconds)) / rate_hz
    return sum(
        (
            level * np.sin(2 * np.pi * hz * at_s)
            for hz, level in ((300, 0.2), (1_010, 0.1), (3_500, 0.02))
        ),
        np.zeros(at_s.size),
    )


def heard(sound: NDArray[np.generic], spectra: Spectra) -> NDArray[np.float32]:
    """Window by window."""
    size = spectra.window_samples
    windows = sound[: len(sound) // size * size].reshape(-1, 1, size)
    return np.concatenate([spectra.of(Batch(np.array([0])), window) for window in windows])


def test_they_are_magnitudes_of_frames_of_16_ms_that_overlap_by_half() -> None:
    sound = tones(16_000, 0.096)
    found = heard(sound, Spectra(1, rate_hz=16_000, full_scale=1))
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(256) / 256)
    for number in range(3):
        begin = 512 * number
        before = sound[begin - 64 : begin] if number else np.zeros(64)
        padded = np.pad(np.concatenate((before, sound[begin : begin + 512])), (0, 64), "reflect")
        for frame in range(FRAMES):
            expected = np.abs(np.fft.rfft(hann * padded[128 * frame : 128 * frame + 256]))
            assert found[number, frame] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 24_000, 48_000])
def test_the_rate_of_the_microphone_is_not_heard(rate_hz: int) -> None:
    reference = heard(tones(96_000, 0.32), Spectra(1, rate_hz=96_000, full_scale=1))
    found = heard(tones(rate_hz, 0.32), Spectra(1, rate_hz=rate_hz, full_scale=1))
    bins = min(BINS, round(rate_hz / 2 / BIN_HZ) + 1)
    assert found.shape == (10, FRAMES, bins)
    # The first frame begins at once; the last has the window's end once more, turned back at the
    # last sample there is, and neither falls between two samples as it does at another rate.
    found, reference = found[1:], reference[1:, :, :bins]
    assert np.abs(found[:, :3] - reference[:, :3]).max() < 0.002 * reference.max()
    assert np.abs(found[:, 3] - reference[:, 3]).max() < 0.1 * reference.max()


def test_whole_numbers_are_of_full_scale() -> None:
    sound = np.rint(tones(24_000, 0.32) * 32_768).astype("<i2")
    found = heard(sound, Spectra(1, rate_hz=24_000))
    exact = heard(tones(24_000, 0.32), Spectra(1, rate_hz=24_000, full_scale=1))
    assert np.abs(found - exact).max() < 1e-3


def test_streams_go_on_whatever_they_are_batched_with() -> None:
    rng = np.random.default_rng(1)
    sounds = rng.normal(0, 1_000, (3, 8 * 768)).astype("<i2")
    alone = [heard(sound, Spectra(1, rate_hz=24_000)) for sound in sounds]
    together = Spectra(1, rate_hz=24_000)
    together.of(Batch(np.array([0])), np.full((1, 768), 9_000))
    together.grow(4)
    together.reset(0)
    batch, windows = Batch(np.array([3, 0, 2])), sounds.reshape(3, 8, 768)
    for at in range(2):
        found = together.of(batch, windows[:, at])
        assert found == pytest.approx(np.array([one[at] for one in alone]), abs=1e-5)
    # Three windows of the first, one of the second, two of the third.
    several = np.concatenate((windows[0, 2:5], windows[1, 2:3], windows[2, 2:4]))
    follows = np.array([False, True, True, False, False, True])
    found = together.of(Batch(np.array([3, 3, 3, 0, 2, 2]), follows), several)
    expected = np.concatenate((alone[0][2:5], alone[1][2:3], alone[2][2:4]))
    assert found == pytest.approx(expected, abs=1e-5)
    found = together.of(batch, np.array([windows[0, 5], windows[1, 3], windows[2, 4]]))
    assert found == pytest.approx(np.array([alone[0][5], alone[1][3], alone[2][4]]), abs=1e-5)
