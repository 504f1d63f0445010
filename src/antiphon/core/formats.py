"""The session's audio formats, to and from what is used inside: 16-bit mono at 24 kHz."""

from __future__ import annotations

from antiphon.audio import g711
from antiphon.audio.frames import WholeSamples
from antiphon.audio.resample import Resampler
from antiphon.core.causes import MEDIA_RATE_HZ
from antiphon.protocol.session import AudioFormat, PcmaFormat, PcmFormat

G711_RATE_HZ = 8_000


class InputDecoder:
    """A stream of the client's audio; chunks may be cut anywhere."""

    def __init__(self, audio_format: AudioFormat) -> None:
        self.format = audio_format
        self._whole_samples = WholeSamples()
        self._resampler = _resampler(audio_format, G711_RATE_HZ, MEDIA_RATE_HZ)
        self.pending_samples = 0
        """What the resampler still holds, at 24 kHz."""

    def decode(self, data: bytes) -> bytes:
        if self._resampler is None:
            return self._whole_samples.take(data)
        expand = g711.decode_alaw if isinstance(self.format, PcmaFormat) else g711.decode_ulaw
        pcm = self._resampler.process(expand(data))
        self.pending_samples += len(data) * (MEDIA_RATE_HZ // G711_RATE_HZ) - len(pcm) // 2
        return pcm

    def flush(self) -> bytes:
        """The end of what was given; what comes next is a new stream."""
        self.pending_samples = 0
        return b"" if self._resampler is None else self._resampler.flush()


class OutputEncoder:
    """A stream of speech in the client's format."""

    def __init__(self, audio_format: AudioFormat) -> None:
        self.format = audio_format
        self._resampler = _resampler(audio_format, MEDIA_RATE_HZ, G711_RATE_HZ)

    def encode(self, pcm: bytes) -> bytes:
        if self._resampler is None:
            return pcm
        return self._compress(self._resampler.process(pcm))

    def flush(self) -> bytes:
        """What the resampler still holds, at the end of an item."""
        return b"" if self._resampler is None else self._compress(self._resampler.flush())

    def _compress(self, pcm: bytes) -> bytes:
        if isinstance(self.format, PcmaFormat):
            return g711.encode_alaw(pcm)
        return g711.encode_ulaw(pcm)


def _resampler(audio_format: AudioFormat, from_hz: int, to_hz: int) -> Resampler | None:
    return None if isinstance(audio_format, PcmFormat) else Resampler(from_hz, to_hz)


def encode_whole(audio_format: AudioFormat, pcm: bytes) -> bytes:
    encoder = OutputEncoder(audio_format)
    return encoder.encode(pcm) + encoder.flush()


def decode_whole(audio_format: AudioFormat, data: bytes) -> bytes:
    decoder = InputDecoder(audio_format)
    return decoder.decode(data) + decoder.flush()
