from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from antiphon.audio.resample import Resampler
from antiphon.engines.vad.batch import Batch
from antiphon.engines.vad.narrow_band import SURE, NarrowBand
from antiphon.engines.vad.spectra import Spectra
from tests.recordings import FOLDER, at_16khz, by_telephone

SLOT = np.array([0])
MICROPHONES = sorted(
    path.stem for path in FOLDER.glob("*.wav") if path.stem.startswith(("harvard", "cmd", "laptop"))
)


def looked(sound: NDArray[np.int16]) -> NarrowBand:
    band, spectra = NarrowBand(1), Spectra(1, rate_hz=16_000)
    for at in range(0, len(sound) - 512, 512):
        band.look(SLOT, spectra.of(Batch(SLOT), sound[np.newaxis, at : at + 512]))
    return band


def on_the_line(name: str) -> NDArray[np.int16]:
    down = Resampler(24_000, 16_000)
    return np.frombuffer(down.process(by_telephone(name)) + down.flush(), "<i2")


def tone(hz: float) -> NDArray[np.float32]:
    window: NDArray[np.float32] = np.sin(2 * np.pi * hz * np.arange(512) / 16_000)
    return Spectra(1, rate_hz=16_000, full_scale=4).of(Batch(SLOT), window[np.newaxis])


@pytest.mark.parametrize("name", MICROPHONES)
def test_a_telephone_is_told_from_a_microphone(name: str) -> None:
    assert looked(on_the_line(name)).of(SLOT)
    assert not looked(at_16khz(name)).of(SLOT)


def test_silence_tells_nothing() -> None:
    assert not looked(np.zeros(16_000, np.int16)).of(SLOT)
    assert not looked(np.full(16_000, 3, np.int16)).of(SLOT)


def test_the_first_loud_window_tells_and_later_ones_may_overrule_it() -> None:
    low, high = tone(500), tone(5_500)
    band = NarrowBand(2)
    assert band.look(SLOT, low).tolist() == [0]
    assert band.of(np.array([0, 1])).tolist() == [True, False]
    assert band.look(SLOT, high).tolist() == [0], "it changed its mind"
    assert not band.of(SLOT)
    for _ in range(2 * SURE):
        band.look(SLOT, high)
    assert band.look(SLOT, low).size == 0, "one window is not enough any more"
    band.reset(0)
    assert band.look(SLOT, low).tolist() == [0]
