from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.engines.cascade.stt.log_mel import BANDS, HOP, LogMel
from tests.recordings import FOLDER, at_16khz

REFERENCE = FOLDER.parent / "whisper_log_mel.npz"
"""Made with faster-whisper 1.2.1's FeatureExtractor from 10 s: the recording, then silence.
Every 7th frame."""


@pytest.mark.parametrize("clip", ["cmd_book_a_room", "brooklyn_padded", "burst_dog"])
def test_the_features_are_those_the_model_was_trained_with(clip: str) -> None:
    mel = LogMel()
    mel.append(at_16khz(clip))
    mel.finish()
    features = mel.features(len(mel), 1_000)
    with np.load(REFERENCE) as reference:
        np.testing.assert_allclose(features[:, ::7], reference[clip], atol=2e-3)


@given(st.lists(st.integers(0, 2_500), max_size=12))
def test_how_the_audio_is_cut_changes_nothing(cuts: list[int]) -> None:
    samples = at_16khz("cmd_today")
    whole, pieces = LogMel(), LogMel()
    whole.append(samples)
    at = 0
    for cut in cuts:
        pieces.append(samples[at : at + cut])
        at += cut
    pieces.append(samples[at:])
    assert len(pieces) == len(whole)
    np.testing.assert_allclose(
        pieces.features(len(pieces), 500), whole.features(len(whole), 500), atol=1e-4
    )


def test_a_forgotten_beginning_leaves_the_rest_as_it_was() -> None:
    samples = at_16khz("brooklyn_padded")
    whole, shorter = LogMel(), LogMel()
    whole.append(samples[: 300 * HOP])
    shorter.append(samples[: 200 * HOP])
    shorter.forget(150)
    shorter.append(samples[200 * HOP : 300 * HOP])
    assert len(shorter) == len(whole) - 150
    kept = whole.features(len(whole), len(whole))[:, 150:]
    again = shorter.features(len(shorter), len(shorter))
    # The cut at eight decades below the loudest may differ where the loudest was forgotten.
    loud = kept > kept.min()
    np.testing.assert_allclose(again[loud], kept[loud], atol=1e-4)


def test_nothing_heard_is_silence() -> None:
    features = LogMel().features(0, 100)
    assert features.shape == (BANDS, 100)
    assert np.ptp(features) == 0
