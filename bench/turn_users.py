"""The users of bench/turns.py: what their microphones hear, from recordings and voices.

A scene is a microphone's sound and what a good listener would make of it.  All sound is
16-bit mono at 24 kHz.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from msgspec import Struct
from turn_voices import HUMS, RATE_HZ, Samples, can_say, read, say, trimmed

from antiphon.audio.g711 import decode_ulaw, encode_ulaw
from antiphon.audio.resample import Resampler

OVERLAP_AT_MS = 2_500
"""When a sound begins while the assistant speaks, from the beginning of its speech."""
TAIL_MS = 4_000
VOICES = ("slt", "rms", "awb")
BACKCHANNELS = (*HUMS, "yeah", "okay", "right", "I see", "yeah, yeah", "oh, okay")
WORDS_THAT_STOP = ("stop", "wait", "no", "hold on", "excuse me")
INTERRUPTIONS = (
    "Actually, I wanted to go on Tuesday.",
    "Can you say that again, please?",
    "Sorry, how much does it cost?",
    "Okay, but what about the other one?",
    "Yeah, no, that is not what I asked for.",
)
ANSWERS = ("yes", "okay", "no", "sure", "mm-hmm")
QUESTION = "I can book that for you right away. Shall I go on and do it for Tuesday evening?"
STATEMENT = (
    "There are three trains to the coast. The first one leaves at seven in the morning, and takes "
    "about two hours. The second one leaves at nine, and it is the fastest. The last one leaves "
    "late in the evening."
)
HESITATIONS = (
    (("I would like to book a table for", 900, "four people"), "booking"),
    (("My number is", 1_200, "five five five", 700, "one two one two"), "number"),
    (("What I wanted to ask you", 1_000, "is how long the train takes"), "question"),
    (("I think we should", 800, "um", 800, "meet on Thursday"), "um"),
    (("It was late", 700, "it was cold", 700, "and nobody was there"), "rhetorical"),
)
SENTENCES = (
    "How old is the Brooklyn bridge?",
    "Tell me a joke.",
    "What time is it in Berlin?",
    "I would like to book a room for two people.",
    "Please send it to the billing department.",
    "It will be cold tomorrow.",
)
PAUSED = ("weather_pause", "digits_10001", "count_123_en", "laptop_vad")
"""Recordings of one utterance with pauses in it."""

Kind = Literal[
    "backchannel", "noise", "echo", "interruption", "one word", "answer", "pauses", "sentence"
]


class Scene(Struct):
    kind: Kind
    name: str
    sound: Samples
    begins_ms: int = 0
    """Where the user's voice begins..."""
    ends_ms: int = 0
    """... and ends; both 0 where nobody speaks."""
    assistant: str = ""
    """What it is saying meanwhile."""
    echo_gain: float = 0.0
    """Of the assistant's voice in the microphone."""


# --- Sounds ------------------------------------------------------------------


def silence(ms: float) -> Samples:
    return np.zeros(round(ms * 24), np.int16)


def scaled(sound: Samples, peak: float = 0.35) -> Samples:
    loudest = max(1, int(np.abs(sound.astype(np.int32)).max()))
    return (sound.astype(np.float32) * (peak * 32_767 / loudest)).astype(np.int16)


def mixed(sound: Samples, noise: Samples, snr_db: float) -> Samples:
    """``noise`` beneath ``sound``, whose loudness is taken where it is loud."""
    long_enough = np.resize(noise, len(sound)).astype(np.float32)
    voice = sound[np.abs(sound) > np.abs(sound).max() // 10].astype(np.float32)
    gain = np.sqrt((voice**2).mean() / max(1.0, (long_enough**2).mean())) * 10 ** (-snr_db / 20)
    whole: Samples = np.clip(sound + gain * long_enough, -32_768, 32_767).astype(np.int16)
    return whole


def by_telephone(sound: Samples) -> Samples:
    """8 kHz, 300 to 3,400 Hz, µ-law."""
    down, up = Resampler(RATE_HZ, 8_000), Resampler(8_000, RATE_HZ)
    narrow = np.frombuffer(down.process(sound.tobytes()) + down.flush(), "<i2")
    spectrum = np.fft.rfft(narrow)
    hz = np.fft.rfftfreq(len(narrow), 1 / 8_000)
    spectrum[(hz < 300) | (hz > 3_400)] = 0
    banded = np.clip(np.fft.irfft(spectrum, len(narrow)), -32_768, 32_767).astype("<i2")
    coded = decode_ulaw(encode_ulaw(banded.tobytes()))
    wide: Samples = np.frombuffer(up.process(coded) + up.flush(), "<i2")
    return wide


def typing(seed: int) -> Samples:
    """A keyboard: short bursts of noise, some strokes a second."""
    random = np.random.default_rng(seed)
    sound = np.zeros(4 * RATE_HZ, np.float32)
    at = 0
    while (at := at + int(random.uniform(0.06, 0.3) * RATE_HZ)) < len(sound) - 600:
        burst = random.normal(0, 1, 600) * np.exp(-np.arange(600) / 80)
        sound[at : at + 600] += burst.astype(np.float32)
    return scaled((sound * 3_000).astype(np.int16), 0.2)


# --- Scenes ------------------------------------------------------------------


class Recordings:
    def __init__(self, folders: Sequence[Path]) -> None:
        self._files = {path.stem: path for folder in folders for path in folder.glob("*.wav")}
        self._manifest = {
            Path(entry["file"]).stem: entry
            for folder in folders
            if (folder / "manifest.json").exists()
            for entry in json.loads((folder / "manifest.json").read_text())
        }

    def __contains__(self, name: str) -> bool:
        return name in self._files

    def get(self, name: str) -> Samples:
        return scaled(read(self._files[name]))

    @property
    def noises(self) -> list[str]:
        known = ("burst_", "noise_", "cough")
        return sorted(name for name in self._files if name.startswith(known))

    @property
    def sentences(self) -> list[str]:
        """One English sentence each, said at one go."""
        known = ("harvard_", "cmd_", "brooklyn", "weather_like", "culprit", "platforms", "coffee_o")
        return sorted(name for name in self._files if name.startswith(known))


def scenes(recordings: Recordings, voices: Sequence[str] | None = None) -> Iterator[Scene]:
    """``voices``: those alone, and no recordings; None: all of it, where flite is installed."""
    if voices is not None:
        yield from _overlaps(recordings, voices)
        return
    voices = VOICES if shutil.which("flite") is not None else ()
    yield from _overlaps(recordings, voices)
    yield from _recorded_overlaps(recordings)
    yield from _turns(recordings, voices)


def _overlaps(recordings: Recordings, voices: Sequence[str]) -> Iterator[Scene]:
    for voice in voices:
        for text in BACKCHANNELS:
            if can_say(text, voice):
                yield from _conditions("backchannel", text, say(text, voice), voice, recordings)
        for text in WORDS_THAT_STOP:
            yield from _conditions("one word", text, say(text, voice), voice, recordings)
        for text in INTERRUPTIONS:
            yield from _conditions("interruption", text, say(text, voice), voice, recordings)
        for text in ANSWERS:
            if can_say(text, voice):
                yield _over("answer", f"{text} ({voice})", say(text, voice), QUESTION)


def _recorded_overlaps(recordings: Recordings) -> Iterator[Scene]:
    if "laptop_yes" in recordings:
        yield _over("backchannel", "laptop_yes", trimmed(recordings.get("laptop_yes")))
    if "laptop_nope" in recordings:
        yield _over("one word", "laptop_nope", trimmed(recordings.get("laptop_nope")))
    for name in recordings.sentences:
        yield _over("interruption", name, trimmed(recordings.get(name)))
    for name in recordings.noises:
        yield _over("noise", name, recordings.get(name), speaks=False)
    if "babble" in recordings:
        yield _over("noise", "babble", scaled(recordings.get("babble"), 0.1), speaks=False)
    for seed in range(2):
        yield _over("noise", f"typing {seed}", typing(seed), speaks=False)
    for gain_db in (-12, -18, -24):
        sound = silence(9_000)
        yield Scene(
            "echo",
            f"{gain_db} dB",
            sound if "noise_room" not in recordings else _room(recordings, len(sound)),
            assistant=STATEMENT,
            echo_gain=10 ** (gain_db / 20),
        )


def _room(recordings: Recordings, length: int) -> Samples:
    quiet = scaled(recordings.get("noise_room"), 0.01)
    return np.resize(quiet, length)


def _conditions(
    kind: Kind, text: str, sound: Samples, voice: str, recordings: Recordings
) -> Iterator[Scene]:
    yield _over(kind, f"{text} ({voice})", sound)
    if "noise_room" in recordings:
        scene = _over(kind, f"{text} ({voice}, noise)", sound)
        scene.sound = mixed(scene.sound, recordings.get("noise_room"), 15)
        yield scene
    scene = _over(kind, f"{text} ({voice}, telephone)", sound)
    scene.sound = by_telephone(scene.sound)
    yield scene


def _over(
    kind: Kind, name: str, sound: Samples, assistant: str = STATEMENT, *, speaks: bool = True
) -> Scene:
    whole = np.concatenate((silence(OVERLAP_AT_MS), scaled(sound), silence(TAIL_MS)))
    ends_ms = OVERLAP_AT_MS + len(sound) // 24
    return Scene(kind, name, whole, OVERLAP_AT_MS if speaks else 0, ends_ms, assistant)


def _turns(recordings: Recordings, voices: Sequence[str]) -> Iterator[Scene]:
    for name in PAUSED:
        if name in recordings:
            yield _alone("pauses", name, trimmed(recordings.get(name)))
    for name in recordings.sentences:
        yield _alone("sentence", name, trimmed(recordings.get(name)))
    for voice in voices:
        for parts, name in HESITATIONS:
            pieces = [say(p, voice) if isinstance(p, str) else silence(p) for p in parts]
            yield _alone("pauses", f"{name} ({voice})", np.concatenate(pieces))
        for text in SENTENCES:
            yield _alone("sentence", f"{text} ({voice})", say(text, voice))


def _alone(kind: Kind, name: str, sound: Samples) -> Scene:
    whole = np.concatenate((silence(600), scaled(sound), silence(TAIL_MS + 2_000)))
    return Scene(kind, name, whole, 600, 600 + len(sound) // 24)
