"""The recordings in tests/data/speech, as tests want them."""

from __future__ import annotations

import io
import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from antiphon.audio.g711 import decode_ulaw, encode_ulaw
from antiphon.audio.resample import Resampler

FOLDER = Path(__file__).parent / "data" / "speech"


def at_16khz(name: str) -> NDArray[np.int16]:
    with wave.open(str(FOLDER / f"{name}.wav")) as recording:
        assert recording.getframerate() == 16_000
        return np.frombuffer(recording.readframes(recording.getnframes()), "<i2")


def wav(name: str, part_s: tuple[float, float] | None = None) -> bytes:
    """A recording as a file, or what is said in it from one second to another."""
    if part_s is None:
        return (FOLDER / f"{name}.wav").read_bytes()
    begin, end = (round(at_s * 16_000) for at_s in part_s)
    file = io.BytesIO()
    with wave.open(file, "wb") as part:
        part.setparams((1, 2, 16_000, 0, "NONE", ""))
        part.writeframes(at_16khz(name)[begin:end].tobytes())
    return file.getvalue()


def at_24khz(name: str) -> bytes:
    resampler = Resampler(16_000, 24_000)
    return resampler.process(at_16khz(name).tobytes()) + resampler.flush()


def by_telephone(name: str) -> bytes:
    """As `at_24khz`, after 8 kHz in mu-law."""
    down, up = Resampler(16_000, 8_000), Resampler(8_000, 24_000)
    narrow = down.process(at_16khz(name).tobytes()) + down.flush()
    return up.process(decode_ulaw(encode_ulaw(narrow))) + up.flush()


def reference_windows() -> NDArray[np.float32]:
    """What tests/data/silero_reference.npz was computed from.

    Shape ``(120, 4, 512)``: time, stream, sample.  Loud and hardly audible speech, with
    and without noise, so that the probabilities are not all near 0 or 1.
    """
    length = 120 * 512

    def signal(name: str, gain: float) -> NDArray[np.float32]:
        return np.resize(at_16khz(name), length).astype(np.float32) * np.float32(gain / 32768)

    streams = [
        signal("brooklyn_padded", 1.0),
        signal("harvard_s1_1", 0.02) + signal("noise_2", 0.01),
        signal("harvard_s2_4", 0.1) + signal("noise_2", 0.3),
        signal("harvard_s1_1", 0.1) + signal("burst_dog", 0.3),
    ]
    return np.stack(streams).reshape(4, 120, 512).transpose(1, 0, 2).copy()
