"""Who speaks in bench/turns.py: flite's voices, and those of espeak-ng by the API's names."""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
import wave
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from antiphon.audio.resample import Resampler
from antiphon.engines.cascade.tts.espeak import EspeakSynthesizer
from antiphon.engines.cascade.tts.voices import VOICES as ESPEAK_VOICES

RATE_HZ = 24_000
HUMS = {
    "mm-hmm": "pau m m hh ah m pau",
    "uh-huh": "pau ah hh ah pau",
    "mm": "pau m m m pau",
}
"""As phones: flite would spell them."""
SPELLED = ("mm",)
"""By espeak-ng, which takes no phones from us."""

Samples = NDArray[np.int16]


def can_say(text: str, voice: str) -> bool:
    return voice not in ESPEAK_VOICES or text not in SPELLED


@cache
def say(text: str, voice: str) -> Samples:
    """The silence at both ends is cut."""
    if voice in ESPEAK_VOICES:
        return trimmed(np.frombuffer(asyncio.run(_by_espeak(text, voice)), "<i2"))
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        what = ("-p", HUMS[text]) if text in HUMS else ("-t", text)
        subprocess.run(["flite", "-voice", voice, *what, file.name], check=True)
        return trimmed(read(Path(file.name)))


async def _by_espeak(text: str, voice: str) -> bytes:
    espeak = EspeakSynthesizer(workers=1)
    await espeak.start()
    try:
        pieces = espeak.speak(text, voice=voice, speed=1)
        return b"".join([piece.pcm async for piece in pieces])
    finally:
        await espeak.aclose()


def read(path: Path) -> Samples:
    with wave.open(str(path)) as recording:
        pcm, rate_hz = recording.readframes(recording.getnframes()), recording.getframerate()
    resampler = Resampler(rate_hz, RATE_HZ)
    sound: Samples = np.frombuffer(resampler.process(pcm) + resampler.flush(), "<i2")
    return sound


def trimmed(sound: Samples) -> Samples:
    begin, end = voiced(sound)
    return sound[begin * 24 : end * 24]


def voiced(sound: Samples) -> tuple[int, int]:
    """Where somebody speaks in a clean recording, in ms: by loudness, 25 dB below the loudest."""
    frames = sound[: len(sound) // 240 * 240].astype(np.float32).reshape(-1, 240)
    level = np.sqrt((frames**2).mean(axis=1))
    loud = np.flatnonzero(level > np.percentile(level, 99) * 10 ** (-25 / 20))
    return 10 * int(loud[0]), 10 * int(loud[-1]) + 10
