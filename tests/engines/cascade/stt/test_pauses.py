from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.audio.resample import Resampler
from antiphon.engines.cascade.stt.log_mel import LogMel
from antiphon.engines.cascade.stt.pauses import Pauses, _percentiles
from tests.engines.cascade.stt.command_clips import as_turn
from tests.recordings import at_16khz


def heard(*parts: tuple[float, float]) -> Pauses:
    """Noise of (seconds, amplitude), one after the other."""
    rng = np.random.default_rng(1)
    samples = np.concatenate(
        [rng.normal(size=round(seconds * 16_000)) * level for seconds, level in parts]
    ).astype(np.int16)
    mel, pauses = LogMel(), Pauses()
    for at in range(0, len(samples), 800):
        pauses.hear(mel.append(samples[at : at + 800]))
    return pauses


def test_speech_ends_where_it_gets_quiet() -> None:
    pauses = heard((0.3, 10), (1.0, 3_000), (0.4, 10))
    assert pauses.speech_end == pytest.approx(130, abs=3)
    assert pauses.quiet_frames == pytest.approx(37, abs=4)


def test_in_a_loud_room_too() -> None:
    assert heard((0.3, 300), (1.0, 3_000), (0.4, 300)).speech_end == pytest.approx(130, abs=3)


def test_nobody_speaks_where_all_is_equally_loud() -> None:
    pauses = heard((2.0, 500))
    assert (pauses.speech_end, pauses.quiet_frames) == (0, 0)


def test_a_forgotten_beginning_moves_the_end() -> None:
    pauses = heard((0.3, 10), (1.0, 3_000), (0.4, 10))
    end = pauses.speech_end
    pauses.forget(50)
    assert pauses.speech_end == end - 50
    pauses.forget(100)
    assert pauses.speech_end == 0


def test_silence_after_a_forgotten_sentence_is_silence() -> None:
    pauses = heard((0.3, 10), (1.0, 3_000), (0.4, 10))
    pauses.forget(140)
    pauses.hear(LogMel().append(np.zeros(16_000, np.int16)))
    assert pauses.can_tell
    assert pauses.speech_end == 0


def test_the_quietest_place_is_in_the_pause() -> None:
    pauses = heard((1.0, 3_000), (0.5, 10), (1.0, 3_000))
    assert 100 < pauses.quietest(20, 230) < 150


@pytest.mark.parametrize("clip", ["cmd_book_a_room", "harvard_s1_1", "laptop_yes", "green_one"])
def test_the_end_of_what_people_say_is_found(clip: str) -> None:
    turn = as_turn(at_16khz(clip), at_16khz("noise_room"))
    resampler = Resampler(24_000, 16_000)
    samples = np.frombuffer(resampler.process(turn), "<i2")
    mel, pauses = LogMel(), Pauses()
    for at in range(0, len(samples), 800):
        pauses.hear(mel.append(samples[at : at + 800]))
    # A turn ends 500 ms after its speech, of which the last sound may be a soft one.
    assert 28 <= pauses.quiet_frames <= 80


@given(st.lists(st.floats(-90, 0, width=32), min_size=1, max_size=60))
def test_loudness_is_ranked_as_numpy_does(levels: list[float]) -> None:
    found = _percentiles(np.array(levels, np.float32), 10, 95)
    assert found == pytest.approx(np.percentile(levels, (10, 95)), abs=1e-4)
