"""What callers say, and where in it speech begins and ends."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np

from antiphon.errors import ConfigurationError
from antiphon.talk.wav import read_speech

RATE_HZ: Final = 24_000
CHUNK_MS: Final = 20
BYTES_PER_MS: Final = 2 * RATE_HZ // 1000
CHUNK_BYTES: Final = CHUNK_MS * BYTES_PER_MS
SILENCE: Final = bytes(CHUNK_BYTES)
SHORTEST_MS: Final = 200
LONGEST_MS: Final = 60_000
FOLDER: Final = Path(__file__).parent / "recordings"


@dataclass(frozen=True)
class Recording:
    """One turn of a caller: 24 kHz 16-bit mono.

    Attributes:
        speech_start_ms: Where the first 20 ms begin that are not quiet.
        speech_end_ms: Where the last of them end.
    """

    name: str
    pcm: bytes
    speech_start_ms: float
    speech_end_ms: float

    @cached_property
    def chunks(self) -> tuple[bytes, ...]:
        """The speech and what precedes it, 20 ms each; a caller is silent after it."""
        end = int(self.speech_end_ms * BYTES_PER_MS)
        return tuple(
            self.pcm[at : min(at + CHUNK_BYTES, end)].ljust(CHUNK_BYTES, b"\0")
            for at in range(0, end, CHUNK_BYTES)
        )


def read_recording(path: Path) -> Recording:
    """A 16-bit WAV file of any rate.

    Raises:
        ConfigurationError: It cannot be read, or there is no turn in it.
    """
    try:
        speech = read_speech(path)
    except ConfigurationError as error:
        raise ConfigurationError(str(error).replace("--file", "--wav")) from None
    return recording(path.name, speech.pcm, speech.speech_end_byte / BYTES_PER_MS)


def recording(name: str, pcm: bytes, speech_end_ms: float) -> Recording:
    """Find where speech begins.

    Raises:
        ConfigurationError: It is silent, too short or too long.
    """
    samples = np.frombuffer(pcm, "<i2").astype(np.float64)
    frame = CHUNK_BYTES // 2
    power = (np.pad(samples, (0, -samples.size % frame)).reshape(-1, frame) ** 2).mean(axis=1)
    if not power.size or not power.max():
        raise ConfigurationError(f"--wav {name}: there is no sound in it")
    start_ms = float(np.flatnonzero(power >= power.max() / 1000)[0]) * CHUNK_MS
    if not SHORTEST_MS <= speech_end_ms - start_ms <= LONGEST_MS:
        raise ConfigurationError(
            f"--wav {name}: {speech_end_ms - start_ms:.0f} ms of speech; "
            f"a turn has between {SHORTEST_MS} and {LONGEST_MS}"
        )
    return Recording(name, pcm, start_ms, speech_end_ms)


def built_in() -> tuple[Recording, ...]:
    """Three sentences of people (recordings/README.md)."""
    return tuple(read_recording(path) for path in sorted(FOLDER.glob("*.wav")))
