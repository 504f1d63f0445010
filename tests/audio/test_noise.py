from __future__ import annotations

import itertools
import math
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from antiphon.audio.noise import DELAY_SAMPLES, RATE_HZ, Kind, NoiseReducer
from antiphon.audio.pcm import from_float, samples, to_float
from antiphon.audio.resample import Resampler

SPEECH = Path(__file__).parents[1] / "data" / "speech" / "harvard_s1_1.wav"
KINDS: list[Kind] = ["near_field", "far_field"]


def _noise(seconds: float, level: float = 0.01) -> NDArray[np.float64]:
    return np.random.default_rng(5).normal(0, level, round(RATE_HZ * seconds))


def _speech() -> NDArray[np.float64]:
    with wave.open(str(SPEECH)) as recording:
        resampler = Resampler(recording.getframerate(), RATE_HZ)
        pcm = resampler.process(recording.readframes(recording.getnframes()))
    return to_float(pcm + resampler.flush()).astype(np.float64)


def _reduced(reducer: NoiseReducer, signal: NDArray[np.float64]) -> NDArray[np.float64]:
    """At its place in time again."""
    pcm = from_float(signal) + bytes(2 * DELAY_SAMPLES)
    return to_float(reducer.process(pcm))[DELAY_SAMPLES:].astype(np.float64)


def _level_db(signal: NDArray[np.float64]) -> float:
    return 10 * math.log10(float((signal**2).mean()))


@pytest.mark.parametrize(("kind", "least_db"), [("near_field", 11), ("far_field", 16)])
def test_steady_noise_becomes_quiet_within_two_seconds(kind: Kind, least_db: float) -> None:
    noise = _noise(4)
    out = _reduced(NoiseReducer(kind), noise)
    assert _level_db(noise) - _level_db(out[2 * RATE_HZ :]) > least_db


@pytest.mark.parametrize("kind", KINDS)
def test_clean_speech_stays_as_it_is(kind: Kind) -> None:
    speech = _speech()
    out = _reduced(NoiseReducer(kind), speech)
    assert abs(_level_db(out) - _level_db(speech)) < 0.5
    assert _level_db(speech) - _level_db(out - speech) > 15


@pytest.mark.parametrize("kind", KINDS)
def test_speech_in_noise_stands_out_more(kind: Kind) -> None:
    speech = np.concatenate([np.zeros(3 * RATE_HZ), _speech()])
    noise = _noise(speech.size / RATE_HZ, level=math.sqrt((_speech() ** 2).mean() / 10))
    out = _reduced(NoiseReducer(kind), speech + noise)
    before = _level_db((speech + noise)[3 * RATE_HZ :]) - _level_db(noise[2 * RATE_HZ :])
    after = _level_db(out[3 * RATE_HZ :]) - _level_db(out[2 * RATE_HZ : 3 * RATE_HZ])
    assert after > before + 8
    # And nearer to what was said than with the noise.
    assert _level_db((out - speech)[3 * RATE_HZ :]) < _level_db(noise) - 3


def test_a_noise_that_grows_is_followed() -> None:
    noise = np.concatenate([_noise(3, 0.003), _noise(4, 0.03)])
    out = _reduced(NoiseReducer("near_field"), noise)
    assert _level_db(noise[-RATE_HZ:]) - _level_db(out[-RATE_HZ:]) > 11


def test_a_voice_from_the_first_sample_on_is_not_taken_for_noise() -> None:
    start = _speech()[: RATE_HZ * 3 // 10]
    out = _reduced(NoiseReducer("far_field"), start)
    assert np.abs(out - start).max() < 0.01


def test_strength_nought_only_delays() -> None:
    speech = from_float(_speech())
    out = NoiseReducer("far_field", strength=0).process(speech)
    assert len(out) == len(speech)
    assert samples(out)[:DELAY_SAMPLES].any() == np.False_
    assert out[2 * DELAY_SAMPLES :] == speech[: -2 * DELAY_SAMPLES]


def test_half_the_strength_takes_half_the_decibels() -> None:
    noise = _noise(4)
    out = _reduced(NoiseReducer("near_field", strength=0.5), noise)
    assert _level_db(noise) - _level_db(out[2 * RATE_HZ :]) == pytest.approx(6, abs=0.5)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 3_000), max_size=8), st.sampled_from(KINDS))
def test_the_cutting_leaves_no_trace(sizes: list[int], kind: Kind) -> None:
    pcm = from_float(_noise(sum(sizes) / RATE_HZ, 0.1) if sizes else np.zeros(0))
    ends = [2 * end for end in itertools.accumulate(sizes, initial=0)]
    cut = NoiseReducer(kind)
    pieces = [cut.process(pcm[a:b]) for a, b in itertools.pairwise(ends)]
    pieces.append(cut.process(pcm[ends[-1] :]))
    assert [len(piece) for piece in pieces[: len(sizes)]] == [2 * size for size in sizes]
    assert b"".join(pieces) == NoiseReducer(kind).process(pcm)


def test_single_samples_give_the_same() -> None:
    pcm = from_float(_noise(0.5, 0.1))
    one_by_one = NoiseReducer("near_field")
    out = b"".join([one_by_one.process(pcm[i : i + 2]) for i in range(0, len(pcm), 2)])
    assert out == NoiseReducer("near_field").process(pcm)


def test_silence_stays_silent_and_full_scale_is_clipped() -> None:
    reducer = NoiseReducer("near_field")
    assert not reducer.process(bytes(96_000)).strip(b"\0")
    square = np.where(np.arange(RATE_HZ) // 50 % 2, 32767, -32768).astype("<i2")
    out = samples(reducer.process(square.tobytes())).astype(int)
    assert np.abs(out).max() <= 32768


@pytest.mark.parametrize("strength", [-0.1, 1.1, math.nan])
def test_a_strength_out_of_range_is_refused(strength: float) -> None:
    with pytest.raises(ValueError, match="0 to 1"):
        NoiseReducer("near_field", strength)
