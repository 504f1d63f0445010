from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from antiphon.engines.vad.silero_network import SileroNetwork
from tests.recordings import reference_windows

REFERENCE = Path(__file__).parents[2] / "data" / "silero_reference.npz"


def test_it_computes_what_onnxruntime_computes() -> None:
    with np.load(REFERENCE) as archive:
        expected = archive["probabilities"]
    network, slots = SileroNetwork(4), np.arange(4)
    scored = np.array([network.step(slots, window) for window in reference_windows()])
    assert scored.dtype == np.float32
    assert np.abs(scored - expected).max() < 2e-5
    # The reference is no easy one: some of it lies in between.
    assert ((expected > 0.1) & (expected < 0.9)).sum() > 20


def test_the_narrow_one_computes_what_onnxruntime_computes() -> None:
    with np.load(REFERENCE) as archive:
        expected = archive["narrow"]
    network, slots = SileroNetwork(4, narrow=True), np.arange(4)
    scored = np.array([network.step(slots, window[:, ::2]) for window in reference_windows()])
    assert np.abs(scored - expected).max() < 2e-5
    assert ((expected > 0.1) & (expected < 0.9)).sum() > 20


def test_streams_do_not_touch_each_other() -> None:
    windows = reference_windows()
    together, alone = SileroNetwork(4), SileroNetwork(1)
    rng = np.random.default_rng(1)
    at = [0, 0, 0, 0]  # each stream's next window
    expected = {
        stream: _alone(SileroNetwork(1) if stream else alone, windows[:, stream])
        for stream in range(4)
    }
    for _ in range(100):
        slots = rng.permutation(4)[: rng.integers(1, 5)]
        batch = np.stack([windows[at[slot], slot] for slot in slots])
        for slot, probability in zip(slots, together.step(slots, batch), strict=True):
            assert probability == pytest.approx(expected[int(slot)][at[slot]], abs=1e-5)
            at[slot] += 1


def _alone(network: SileroNetwork, windows: np.ndarray) -> list[float]:
    return [float(network.step(np.array([0]), window[np.newaxis])[0]) for window in windows]


def test_a_reset_slot_begins_anew_and_growth_keeps_the_others() -> None:
    windows = reference_windows()[40:60]
    network = SileroNetwork(2)
    fresh = _alone(network, windows[:, 0])
    assert _alone(network, windows[:, 0])[:3] != pytest.approx(fresh[:3], abs=1e-3)
    network.reset(0)
    assert _alone(network, windows[:10, 0]) == fresh[:10]
    network.grow(5)
    assert network.slots == 5
    assert _alone(network, windows[10:, 0]) == fresh[10:]


def test_loud_and_silent_input_is_fine() -> None:
    network, slot = SileroNetwork(1), np.array([0])
    for level in (0.0, 1.0, -1.0):
        assert 0 <= network.step(slot, np.full((1, 512), level, np.float32))[0] <= 1
