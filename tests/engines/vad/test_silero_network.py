from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from antiphon.engines.vad.batch import Batch
from antiphon.engines.vad.silero_network import SileroNetwork
from antiphon.engines.vad.spectra import BINS, FRAMES, Spectra
from tests.recordings import reference_windows

REFERENCE = Path(__file__).parents[2] / "data" / "silero_reference.npz"


def spectra_of(windows: NDArray[np.float32], rate_hz: int = 16_000) -> NDArray[np.float32]:
    """At each time, of each stream; of windows at full scale 1."""
    streams = windows.shape[1]
    spectra = Spectra(streams, rate_hz=rate_hz, full_scale=1)
    return np.array([spectra.of(Batch(np.arange(streams)), at_once) for at_once in windows])


def test_it_computes_what_onnxruntime_computes() -> None:
    with np.load(REFERENCE) as archive:
        expected = archive["probabilities"]
    network, batch = SileroNetwork(4), Batch(np.arange(4))
    scored = np.array([network.step(batch, heard) for heard in spectra_of(reference_windows())])
    assert scored.dtype == np.float32
    assert np.abs(scored - expected).max() < 2e-5
    # The reference is no easy one: some of it lies in between.
    assert ((expected > 0.1) & (expected < 0.9)).sum() > 20


def test_the_narrow_one_computes_what_onnxruntime_computes() -> None:
    with np.load(REFERENCE) as archive:
        expected = archive["narrow"]
    network, batch = SileroNetwork(4, narrow=True), Batch(np.arange(4))
    heard = spectra_of(reference_windows()[:, :, ::2], rate_hz=8_000)
    scored = np.array([network.step(batch, at_once) for at_once in heard])
    assert np.abs(scored - expected).max() < 2e-5
    assert ((expected > 0.1) & (expected < 0.9)).sum() > 20


def test_streams_do_not_touch_each_other() -> None:
    heard = spectra_of(reference_windows())
    together, alone = SileroNetwork(4), SileroNetwork(1)
    rng = np.random.default_rng(1)
    at = [0, 0, 0, 0]  # each stream's next window
    expected = {
        stream: _alone(SileroNetwork(1) if stream else alone, heard[:, stream])
        for stream in range(4)
    }
    for _ in range(100):
        slots = rng.permutation(4)[: rng.integers(1, 5)]
        spectra = np.stack([heard[at[slot], slot] for slot in slots])
        for slot, probability in zip(slots, together.step(Batch(slots), spectra), strict=True):
            assert probability == pytest.approx(expected[int(slot)][at[slot]], abs=1e-5)
            at[slot] += 1


def _alone(network: SileroNetwork, heard: NDArray[np.float32]) -> list[float]:
    return [float(network.step(Batch(np.array([0])), one[np.newaxis])[0]) for one in heard]


def test_a_reset_slot_begins_anew_and_growth_keeps_the_others() -> None:
    heard = spectra_of(reference_windows())[40:60]
    network = SileroNetwork(2)
    fresh = _alone(network, heard[:, 0])
    assert _alone(network, heard[:, 0])[:3] != pytest.approx(fresh[:3], abs=1e-3)
    network.reset(0)
    assert _alone(network, heard[:10, 0]) == fresh[:10]
    network.grow(5)
    assert network.slots == 5
    assert _alone(network, heard[10:, 0]) == fresh[10:]


def test_loud_and_silent_input_is_fine() -> None:
    network, batch = SileroNetwork(1), Batch(np.array([0]))
    for level in (0.0, 1.0, -1.0):
        (heard,) = spectra_of(np.full((1, 1, 512), level, np.float32))
        assert 0 <= network.step(batch, heard)[0] <= 1


def test_digital_silence_is_scored_as_by_the_whole_network() -> None:
    windows = reference_windows()[:60]
    windows[20:40, :2] = 0
    windows[50:, 1:] = 0
    heard = spectra_of(windows)
    slots, short_cut, whole = np.arange(4), SileroNetwork(4), SileroNetwork(4)
    shortened = 0
    for at_once in heard:
        sounding = np.flatnonzero(at_once.any(axis=(1, 2)))
        shortened += 4 - sounding.size
        scores = short_cut.step(Batch(slots, sounding=sounding), at_once[sounding])
        assert scores == pytest.approx(whole.step(Batch(slots), at_once), abs=1e-5)
    assert shortened == 2 * 19 + 3 * 9, "but for the first, which hears the window before"


def test_windows_of_one_stream_may_come_together() -> None:
    heard = spectra_of(reference_windows()[:64])
    alone, together = SileroNetwork(4), SileroNetwork(4)
    one_by_one = np.array([alone.step(Batch(np.arange(4)), at_once) for at_once in heard])
    follows = np.tile([False, True, True, True], 4)
    for at in range(0, 64, 4):
        spectra = heard[at : at + 4].transpose(1, 0, 2, 3).reshape(16, FRAMES, BINS)
        batch = Batch(np.arange(4).repeat(4), follows)
        scores = together.step(batch, spectra).reshape(4, 4)
        assert np.abs(scores.T - one_by_one[at : at + 4]).max() < 1e-5
