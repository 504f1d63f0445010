"""WAV files: what is spoken, and what was heard."""

from __future__ import annotations

import wave
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from antiphon.audio.resample import Resampler
from antiphon.errors import ConfigurationError
from antiphon.talk.playback import BYTES_PER_MS, RATE_HZ
from antiphon.talk.script import Speech

_FRAME = RATE_HZ // 50
LONGEST_S = 3600


def read_speech(path: Path) -> Speech:
    """A 16-bit WAV file, mono or stereo, of any rate.

    Raises:
        ConfigurationError: It cannot be read, or holds something else.
    """
    try:
        with wave.open(str(path), "rb") as file:
            width, channels, rate_hz = (
                file.getsampwidth(),
                file.getnchannels(),
                file.getframerate(),
            )
            if width != 2:
                raise ConfigurationError(f"--file {path}: {width * 8}-bit sound; 16-bit is needed")
            if file.getnframes() > LONGEST_S * rate_hz:
                raise ConfigurationError(f"--file {path}: longer than an hour")
            data = file.readframes(file.getnframes())
    except OSError as error:
        raise ConfigurationError(f"--file {path}: {error.strerror or error}") from error
    except (wave.Error, EOFError) as error:
        raise ConfigurationError(f"--file {path}: no WAV file of PCM sound ({error})") from error
    whole = len(data) // (2 * channels) * 2 * channels
    samples = np.frombuffer(data[:whole], dtype="<i2").reshape(-1, channels)
    mono = np.round(samples.mean(axis=1)).astype("<i2").tobytes() if channels > 1 else data[:whole]
    pcm = mono if rate_hz == RATE_HZ else _resample(mono, rate_hz)
    return Speech(path.name, pcm, speech_end_byte(pcm))


def _resample(pcm: bytes, rate_hz: int) -> bytes:
    try:
        resampler = Resampler(rate_hz, RATE_HZ)
    except ValueError as error:
        raise ConfigurationError(f"A recording of {rate_hz} Hz cannot be read: {error}.") from None
    second = rate_hz * 2
    parts = [resampler.process(pcm[at : at + second]) for at in range(0, len(pcm), second)]
    return b"".join([*parts, resampler.flush()])


def speech_end_byte(pcm: bytes) -> int:
    """Where the speech of a recording ends: after the last 20 ms that are not quiet.

    Quiet is 30 dB below the loudest 20 ms.
    """
    samples = np.frombuffer(pcm, dtype="<i2").astype(np.float64)
    frames = np.pad(samples, (0, -len(samples) % _FRAME)).reshape(-1, _FRAME)
    power: NDArray[np.float64] = (frames**2).mean(axis=1)
    if not len(power) or power.max() == 0:
        return len(pcm)
    last = int(np.flatnonzero(power >= power.max() / 1000)[-1])
    return min((last + 1) * _FRAME * 2, len(pcm))


class Recorder:
    """Writes what was heard (mono), and both sides (left: user, right: agent).

    Both files begin at the same moment and stay on one time line.
    """

    def __init__(self, reply: Path | None, both: Path | None) -> None:
        self._reply = _create(reply, 1)
        self._both = _create(both, 2)
        self.heard_ms = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for file in (self._reply, self._both):
            if file is not None:
                file.close()

    def write(self, user: bytes, agent: bytes) -> None:
        """The same stretch of time of both sides."""
        if any(agent):
            self.heard_ms += len(agent) / BYTES_PER_MS
        if self._reply is not None:
            self._reply.writeframesraw(agent)
        if self._both is not None:
            left = np.frombuffer(user.ljust(len(agent), b"\0")[: len(agent)], dtype="<i2")
            right = np.frombuffer(agent, dtype="<i2")
            self._both.writeframesraw(np.column_stack([left, right]).astype("<i2").tobytes())


def _create(path: Path | None, channels: int) -> wave.Wave_write | None:
    if path is None:
        return None
    try:
        path.open("wb").close()  # A `Wave_write` that cannot open its file complains twice.
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be written ({error.strerror})") from error
    file = wave.open(str(path), "wb")  # noqa: SIM115  closed by the recorder
    file.setnchannels(channels)
    file.setsampwidth(2)
    file.setframerate(RATE_HZ)
    return file
