"""The session's audio formats, as streams to and from what is used inside."""

from __future__ import annotations

from antiphon.audio.formats import Decoder, Encoder, Format
from antiphon.protocol.session import AudioFormat, PcmaFormat, PcmFormat


def _format(wire: AudioFormat) -> Format:
    if isinstance(wire, PcmFormat):
        return "pcm"
    return "pcma" if isinstance(wire, PcmaFormat) else "pcmu"


def decoder(wire: AudioFormat) -> Decoder:
    return Decoder(_format(wire))


def encoder(wire: AudioFormat) -> Encoder:
    return Encoder(_format(wire))


def decoded_samples(wire: AudioFormat, data: bytes) -> int:
    """How many samples at 24 kHz that is, give or take the one that a stream may be at."""
    return len(data) // 2 if isinstance(wire, PcmFormat) else 3 * len(data)


def encode_whole(wire: AudioFormat, pcm: bytes) -> bytes:
    stream = encoder(wire)
    return stream.encode(pcm) + stream.flush()


def decode_whole(wire: AudioFormat, data: bytes) -> bytes:
    stream = decoder(wire)
    return stream.decode(data) + stream.flush()
