"""A tiny network in Smart Turn's form, in a real worker: over is what gets quieter at its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from antiphon.engines.cascade.end_of_turn.smart_turn import SmartTurn, find_smart_turn
from antiphon.engines.cascade.end_of_turn.smart_turn_worker import HEARD_S, Turn, features
from antiphon.engines.cascade.stt.log_mel import RATE_HZ, LogMel, spectrogram
from antiphon.errors import ConfigurationError, EngineUnavailable

TINY = Path(__file__).parents[3] / "data" / "tiny_networks" / "smart_turn"
MEDIA_HZ = 24_000
RNG = np.random.default_rng(1)

pytestmark = pytest.mark.skipif(
    find_spec("onnxruntime") is None, reason="the extra 'smart-turn' is not installed"
)


def noise(seconds: float, loudness: float, rate_hz: int = MEDIA_HZ) -> bytes:
    samples = RNG.normal(0, loudness, int(seconds * rate_hz))
    return samples.clip(-32_768, 32_767).astype("<i2").tobytes()


SPEECH, PAUSE = noise(2.0, 6_000), noise(0.4, 20)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hint() -> AsyncIterator[SmartTurn]:
    hint = SmartTurn(find_smart_turn(TINY))
    await hint.start()
    yield hint
    await hint.aclose()


@pytest.mark.asyncio(loop_scope="module")
async def test_each_pause_is_judged_once(hint: SmartTurn) -> None:
    told: asyncio.Queue[float] = asyncio.Queue()
    stream = hint.open(told.put_nowait)
    for _ in range(2):
        for pcm in (SPEECH, PAUSE):
            for at in range(0, len(pcm), 4_800):
                stream.feed(pcm[at : at + 4_800])
        assert 0.5 < await asyncio.wait_for(told.get(), 60) <= 1
    stream.close()
    stream.feed(SPEECH)
    other = hint.open(told.put_nowait)
    other.feed(SPEECH + PAUSE)
    await asyncio.wait_for(told.get(), 60)
    assert told.empty(), "who was closed hears nothing more"
    other.close()


@pytest.mark.asyncio(loop_scope="module")
async def test_a_network_that_is_none_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"no network")
    hint = SmartTurn(tmp_path / "broken.onnx")
    with pytest.raises(EngineUnavailable, match="its worker does not start"):
        await hint.start()
    silent = hint.open(lambda _: None)
    silent.feed(SPEECH)
    silent.close()
    await hint.aclose()


def test_silence_and_speech_that_goes_on_are_no_pause() -> None:
    turn = Turn()
    turn.hear(PAUSE)
    assert turn.pause() is None
    turn.hear(SPEECH)
    assert turn.pause() is None
    turn.hear(noise(0.1, 20))
    assert turn.pause() is None, "too short"
    turn.hear(noise(0.2, 20))
    heard = turn.pause()
    assert heard is not None
    assert abs(len(heard) / RATE_HZ - 2.7) < 0.06


@pytest.mark.parametrize("looks_every", [1, 2, 3, 4, 8, 24])
def test_only_pauses_are_judged_whenever_the_worker_comes_to_look(looks_every: int) -> None:
    """Loud for so long that hardly anything of it is quiet, between two pauses."""
    turn, ends_s = Turn(), []
    said = (SPEECH + PAUSE) * 2
    for count, at in enumerate(range(0, len(said), 4_800), start=1):
        turn.hear(said[at : at + 4_800])
        if count % looks_every == 0 and (heard := turn.pause()) is not None:
            ends_s.append(len(heard) / RATE_HZ)
    assert all(2.2 < end_s < 2.5 or end_s > 4.6 for end_s in ends_s), "in the pauses, no others"
    assert ends_s[-1] > 4.6, "the last of them too"


def test_what_the_network_sees_is_as_loud_whatever_the_microphone() -> None:
    loud = np.frombuffer(noise(3.0, 8_000, RATE_HZ), "<i2")
    quiet = (loud // 8).astype(np.int16)
    seen = features(loud)
    assert seen.shape == (80, 100 * HEARD_S)
    assert np.abs(seen - features(quiet)).mean() < 0.02
    long = np.concatenate((np.zeros(20 * RATE_HZ, np.int16), loud))
    assert np.array_equal(features(long), seen), "only the end counts"


def test_the_spectrogram_of_a_whole_is_that_of_its_pieces() -> None:
    samples = np.frombuffer(noise(1.0, 6_000, RATE_HZ), "<i2")
    pieces = LogMel()
    for at in range(0, len(samples), 700):
        pieces.append(samples[at : at + 700])
    whole = spectrogram((samples / 32_768).astype(np.float32))
    known = len(pieces)
    np.testing.assert_allclose(whole[:, :known], pieces.features(known, known), atol=1e-3)


@pytest.mark.parametrize("names", [(), ("a.onnx", "b.onnx")])
def test_a_folder_must_hold_one_network(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(ConfigurationError, match="must be a network of Smart Turn"):
        find_smart_turn(tmp_path)
