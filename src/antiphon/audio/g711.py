"""G.711 companding by table: 8 kHz telephony, RTP payload types 0 (µ-law) and 8 (A-law).

Where a sample lies exactly on a decision value, which the recommendation leaves open,
the codes are those of Sun's widely copied g711.c (and of Python's late `audioop`).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

_ULAW_BIAS = 33
_ULAW_CLIP = 8159


def _ulaw_decoding() -> NDArray[np.int16]:
    # ITU-T G.711, 3.2: "the µ-law ... with all bits inverted".
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    exponent, mantissa = (code >> 4) & 7, code & 15
    magnitude = (((mantissa << 1) + _ULAW_BIAS) << exponent) - _ULAW_BIAS
    return np.where(code & 0x80, -magnitude * 4, magnitude * 4).astype(np.int16)


def _ulaw_encoding() -> NDArray[np.uint8]:
    """Indexed by the sample's bits read as unsigned."""
    linear = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32) >> 2  # 14 bits
    biased = np.minimum(np.abs(linear), _ULAW_CLIP) + _ULAW_BIAS
    # 33 to 8192: the position of the leading one, from bit 5 on, is the segment.
    segment = np.floor(np.log2(biased)).astype(np.int32) - 5
    over = segment > 7
    code = np.where(over, 0x7F, (segment << 4) | ((biased >> (segment + 1)) & 15))
    return (code ^ np.where(linear < 0, 0x7F, 0xFF)).astype(np.uint8)


def _alaw_decoding() -> NDArray[np.int16]:
    # ITU-T G.711, 3.1: "even bits inverted"; bit 8, the sign, is 1 for positive values.
    code = np.arange(256, dtype=np.int32) ^ 0x55
    exponent, mantissa = (code >> 4) & 7, code & 15
    magnitude = (mantissa << 4) + 8
    magnitude = np.where(
        exponent > 0, (magnitude + 0x100) << np.maximum(exponent - 1, 0), magnitude
    )
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


def _alaw_encoding() -> NDArray[np.uint8]:
    """Indexed by the sample's bits read as unsigned."""
    linear = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32) >> 3  # 13 bits
    magnitude = np.where(linear < 0, -linear - 1, linear)
    segment = np.maximum(np.floor(np.log2(np.maximum(magnitude, 1))).astype(np.int32) - 4, 0)
    code = (segment << 4) | ((magnitude >> np.maximum(segment, 1)) & 15)
    return (code ^ np.where(linear < 0, 0x55, 0xD5)).astype(np.uint8)


_ULAW_TO_LINEAR: Final = _ulaw_decoding()
_LINEAR_TO_ULAW: Final = _ulaw_encoding()
_ALAW_TO_LINEAR: Final = _alaw_decoding()
_LINEAR_TO_ALAW: Final = _alaw_encoding()


def decode_ulaw(data: bytes) -> bytes:
    """Expand µ-law, one byte a sample, to 16-bit PCM."""
    return _ULAW_TO_LINEAR.take(np.frombuffer(data, np.uint8)).tobytes()


def encode_ulaw(pcm: bytes) -> bytes:
    """Compress 16-bit PCM to µ-law, one byte a sample."""
    return _LINEAR_TO_ULAW.take(np.frombuffer(pcm, "<u2")).tobytes()


def decode_alaw(data: bytes) -> bytes:
    """Expand A-law, one byte a sample, to 16-bit PCM."""
    return _ALAW_TO_LINEAR.take(np.frombuffer(data, np.uint8)).tobytes()


def encode_alaw(pcm: bytes) -> bytes:
    """Compress 16-bit PCM to A-law, one byte a sample."""
    return _LINEAR_TO_ALAW.take(np.frombuffer(pcm, "<u2")).tobytes()
