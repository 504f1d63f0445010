"""Sound conversions: sampling rates, and the session's formats.

Inside this client all sound is 24 kHz 16-bit mono.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from antiphon.talk.playback import RATE_HZ

Format = Literal["pcm", "pcmu", "pcma"]

G711_RATE_HZ = 8000
_HALF_WIDTH = 16
"""Zero crossings of the low-pass filter on each side."""


class Resampler:
    """Changes the rate of 16-bit mono PCM, as a stream, by a windowed sinc.

    A sample that falls beyond what has come is held back until `flush`.
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        self._step = from_hz / to_hz
        # The cut-off lies below half of the lower rate, so that nothing folds back.
        self._cutoff = min(1.0, to_hz / from_hz) * 0.95
        self._reach = int(np.ceil(_HALF_WIDTH / self._cutoff))
        self._buffer: NDArray[np.float64] = np.zeros(self._reach)
        self._buffer_start = -self._reach
        self._made = 0
        self._taken = 0

    def process(self, pcm: bytes) -> bytes:
        """Whole samples in, as many as can be computed out."""
        samples = np.frombuffer(pcm, dtype="<i2")
        self._taken += len(samples)
        self._buffer = np.concatenate([self._buffer, samples])
        # Output k lies at input k·step and needs `reach` samples after it.
        return self._make(int(np.ceil((self._taken - self._reach) / self._step)))

    def flush(self) -> bytes:
        """The samples held back, as if silence followed.  Then it is used up."""
        self._buffer = np.concatenate([self._buffer, np.zeros(self._reach + 1)])
        return self._make(int(np.ceil(self._taken / self._step)))

    def _make(self, until: int) -> bytes:
        if until <= self._made:
            return b""
        at = np.arange(self._made, until) * self._step
        first = np.floor(at).astype(np.int64) - self._reach + 1
        index = first[:, None] + np.arange(2 * self._reach)
        distance = index - at[:, None]
        window = np.cos(np.pi / 2 * np.clip(distance / self._reach, -1, 1)) ** 2
        kernel = np.sinc(distance * self._cutoff) * window
        kernel /= kernel.sum(axis=1, keepdims=True)
        values = (self._buffer[index - self._buffer_start] * kernel).sum(axis=1)
        self._made = until
        keep_from = int(until * self._step) - self._reach
        self._buffer = self._buffer[max(0, keep_from - self._buffer_start) :]
        self._buffer_start = max(self._buffer_start, keep_from)
        return _bytes(np.clip(np.round(values), -32768, 32767).astype("<i2"))


class Encoder:
    """24 kHz PCM to the session's input format."""

    def __init__(self, audio_format: Format) -> None:
        self._format = audio_format
        self._resampler = Resampler(RATE_HZ, G711_RATE_HZ)

    def encode(self, pcm: bytes) -> bytes:
        if self._format == "pcm":
            return pcm
        narrow = self._resampler.process(pcm)
        return encode_ulaw(narrow) if self._format == "pcmu" else encode_alaw(narrow)


class Decoder:
    """One item's sound in the session's output format to 24 kHz PCM, as a stream."""

    def __init__(self, audio_format: Format) -> None:
        self._format = audio_format
        self._resampler = Resampler(G711_RATE_HZ, RATE_HZ)
        self._odd = b""

    def decode(self, data: bytes) -> bytes:
        if self._format == "pcm":
            data = self._odd + data
            whole = len(data) // 2 * 2
            self._odd = data[whole:]
            return data[:whole]
        narrow = decode_ulaw(data) if self._format == "pcmu" else decode_alaw(data)
        return self._resampler.process(narrow)

    def flush(self) -> bytes:
        return b"" if self._format == "pcm" else self._resampler.flush()


# --- G.711 (ITU-T G.711, tables 1a and 2a) -------------------------------------


def decode_ulaw(data: bytes) -> bytes:
    code = ~np.frombuffer(data, dtype=np.uint8)
    exponent = ((code >> 4) & 7).astype(np.int32)
    magnitude = (((code & 15).astype(np.int32) << 3) + 132 << exponent) - 132
    return _bytes(np.where(code & 0x80, -magnitude, magnitude).astype("<i2"))


def encode_ulaw(pcm: bytes) -> bytes:
    wide = np.frombuffer(pcm, dtype="<i2").astype(np.int32)
    magnitude = np.minimum(np.abs(wide), 32635) + 132
    exponent = np.floor(np.log2(magnitude)).astype(np.int32) - 7
    mantissa = (magnitude >> (exponent + 3)) & 15
    sign = np.where(wide < 0, 0x80, 0)
    return _bytes((~(sign | exponent << 4 | mantissa) & 0xFF).astype(np.uint8))


def decode_alaw(data: bytes) -> bytes:
    code = np.frombuffer(data, dtype=np.uint8) ^ 0x55
    exponent = ((code >> 4) & 7).astype(np.int32)
    mantissa = ((code & 15).astype(np.int32) << 4) + 8
    magnitude = np.where(exponent == 0, mantissa, (mantissa + 256) << np.maximum(exponent - 1, 0))
    return _bytes(np.where(code & 0x80, magnitude, -magnitude).astype("<i2"))


def encode_alaw(pcm: bytes) -> bytes:
    wide = np.frombuffer(pcm, dtype="<i2").astype(np.int32)
    magnitude = np.minimum(np.where(wide < 0, ~wide, wide), 32767)
    exponent = np.maximum(np.floor(np.log2(np.maximum(magnitude, 1))).astype(np.int32) - 7, 0)
    mantissa = (magnitude >> np.maximum(exponent + 3, 4)) & 15
    sign = np.where(wide < 0, 0, 0x80)
    return _bytes(((sign | exponent << 4 | mantissa) ^ 0x55).astype(np.uint8))


def _bytes(array: NDArray[np.generic]) -> bytes:
    return array.tobytes()
