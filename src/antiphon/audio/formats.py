"""The wire's audio formats, to and from what is used inside: 16-bit mono at 24 kHz."""

from __future__ import annotations

from typing import Final, Literal

from antiphon.audio import g711
from antiphon.audio.frames import WholeSamples
from antiphon.audio.resample import Resampler

Format = Literal["pcm", "pcmu", "pcma"]
"""PCM at 24 kHz; G.711 µ-law and A-law at 8 kHz."""

RATE_HZ: Final = 24_000
G711_RATE_HZ: Final = 8_000


class Decoder:
    """A stream in a wire format; chunks may be cut anywhere."""

    def __init__(self, audio_format: Format) -> None:
        self._whole_samples = WholeSamples()
        self._resampler = _resampler(audio_format, G711_RATE_HZ, RATE_HZ)
        self._expand = g711.decode_alaw if audio_format == "pcma" else g711.decode_ulaw
        self.pending_samples = 0
        """What the resampler still holds, at 24 kHz."""

    def decode(self, data: bytes) -> bytes:
        if self._resampler is None:
            return self._whole_samples.take(data)
        pcm = self._resampler.process(self._expand(data))
        self.pending_samples += len(data) * (RATE_HZ // G711_RATE_HZ) - len(pcm) // 2
        return pcm

    def flush(self) -> bytes:
        """The end of what was given; what comes next is a new stream."""
        self.pending_samples = 0
        return b"" if self._resampler is None else self._resampler.flush()


class Encoder:
    """A stream of whole samples into a wire format."""

    def __init__(self, audio_format: Format) -> None:
        self._resampler = _resampler(audio_format, RATE_HZ, G711_RATE_HZ)
        self._compress = g711.encode_alaw if audio_format == "pcma" else g711.encode_ulaw

    def encode(self, pcm: bytes) -> bytes:
        if self._resampler is None:
            return pcm
        return self._compress(self._resampler.process(pcm))

    def flush(self) -> bytes:
        """What the resampler still holds, at the end of the stream."""
        return b"" if self._resampler is None else self._compress(self._resampler.flush())


def _resampler(audio_format: Format, from_hz: int, to_hz: int) -> Resampler | None:
    return None if audio_format == "pcm" else Resampler(from_hz, to_hz)
