"""Opus by libopus (through cffi), straight to and from 24 kHz mono.

The library is the one that PyAV's wheel carries, or the system's.  Speech is encoded as
CELT with low delay at 64 kb/s and complexity 0: a sixth of the processor time of the usual
VoIP mode, paid for with bandwidth (docs/decisions, "WebRTC").
"""

from __future__ import annotations

import ctypes.util
import importlib.util
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import cffi

from antiphon.core.causes import MEDIA_RATE_HZ
from antiphon.errors import ConfigurationError
from antiphon.transports.rtp.codec import FRAME_SAMPLES

RTP_RATE_HZ: Final = 48_000
"""RFC 7587, 4.1: the RTP clock of Opus, whatever the audio's rate."""
BITRATE_BPS: Final = 64_000
COMPLEXITY: Final = 0
MAX_PAYLOAD_BYTES: Final = 1275
MAX_DURATION_MS: Final = 120
DTX_BYTES: Final = 2

_RESTRICTED_LOWDELAY: Final = 2051
_SET_BITRATE: Final = 4002
_SET_COMPLEXITY: Final = 4010
_RESET_STATE: Final = 4028

_ffi = cffi.FFI()
# The encoder's samples are declared as bytes, which cffi passes on without an object for each call.
_ffi.cdef(
    """
    typedef struct OpusEncoder OpusEncoder;
    typedef struct OpusDecoder OpusDecoder;
    OpusEncoder *opus_encoder_create(int32_t rate, int channels, int application, int *error);
    void opus_encoder_destroy(OpusEncoder *);
    int opus_encoder_ctl(OpusEncoder *, int request, ...);
    int32_t opus_encode(OpusEncoder *, const char *, int samples, unsigned char *, int32_t);
    OpusDecoder *opus_decoder_create(int32_t rate, int channels, int *error);
    void opus_decoder_destroy(OpusDecoder *);
    int opus_decode(OpusDecoder *, const unsigned char *, int32_t, int16_t *, int samples, int fec);
    const char *opus_get_version_string(void);
    """
)
_UNIT: Final = RTP_RATE_HZ // MEDIA_RATE_HZ
_MAX_SAMPLES: Final = MEDIA_RATE_HZ * MAX_DURATION_MS // 1000

# One call at a time is decoded or encoded, on the event loop: they all share these.
_pcm = _ffi.new("int16_t[]", _MAX_SAMPLES)
_pcm_bytes = _ffi.buffer(_pcm)
_payload = _ffi.new("unsigned char[]", MAX_PAYLOAD_BYTES)
_payload_bytes = _ffi.buffer(_payload)


class OpusError(Exception):
    """libopus refused; the number is its error code."""


@lru_cache(maxsize=1)
def _library() -> Any:
    for path in [*_shipped_with_pyav(), ctypes.util.find_library("opus")]:
        if path is not None:
            return _ffi.dlopen(str(path))
    raise ConfigurationError(
        "WebRTC needs libopus, and found none: install the extra webrtc"
        " (make setup) or the system's libopus."
    )


def _shipped_with_pyav() -> list[Path]:
    found = importlib.util.find_spec("av")
    if found is None or found.origin is None:
        return []
    package = Path(found.origin).parent
    return [
        path
        for folder in (package.parent / "av.libs", package / ".dylibs")
        for path in sorted(folder.glob("*opus[-.]*"))
    ]


def version() -> str:
    return str(_ffi.string(_library().opus_get_version_string()).decode())


def _checked(result: int) -> int:
    if result < 0:
        raise OpusError(result)
    return result


class OpusEncoder:
    pauses = True

    def __init__(self) -> None:
        self._encode = _library().opus_encode
        error = _ffi.new("int *")
        state = _library().opus_encoder_create(MEDIA_RATE_HZ, 1, _RESTRICTED_LOWDELAY, error)
        _checked(error[0])
        self._state = _ffi.gc(state, _library().opus_encoder_destroy, 20_000)
        self._control(_SET_BITRATE, BITRATE_BPS)
        self._control(_SET_COMPLEXITY, COMPLEXITY)
        self.silence = self.encode(bytes(2 * FRAME_SAMPLES))
        self.reset()

    def encode(self, pcm: bytes) -> bytes:
        assert len(pcm) == 2 * FRAME_SAMPLES
        size = self._encode(self._state, pcm, FRAME_SAMPLES, _payload, MAX_PAYLOAD_BYTES)
        payload: bytes = _payload_bytes[: _checked(size)]
        return payload

    def reset(self) -> None:
        _checked(_library().opus_encoder_ctl(self._state, _RESET_STATE))

    def _control(self, request: int, value: int) -> None:
        _checked(_library().opus_encoder_ctl(self._state, request, _ffi.cast("int", value)))


class OpusDecoder:
    """Payloads that libopus refuses are concealed."""

    def __init__(self) -> None:
        self._decode = _library().opus_decode
        error = _ffi.new("int *")
        state = _library().opus_decoder_create(MEDIA_RATE_HZ, 1, error)
        _checked(error[0])
        self._state = _ffi.gc(state, _library().opus_decoder_destroy, 20_000)

    def samples(self, payload: bytes) -> int:
        return _SAMPLES_BY_TOC.get(payload[:1]) or payload_samples(payload)

    def announces_pause(self, payload: bytes) -> bool:
        """libopus: a packet of "2 bytes or less" need not be transmitted; one tells of it."""
        return len(payload) <= DTX_BYTES

    def decode(self, payload: bytes) -> bytes:
        count = self._decode(self._state, payload, len(payload), _pcm, _MAX_SAMPLES, 0)
        if count < 0:
            return self.conceal(payload_samples(payload))
        pcm: bytes = _pcm_bytes[: 2 * count]
        return pcm

    def recover(self, next_payload: bytes, samples: int) -> bytes:
        count = samples // _UNIT
        result = self._decode(self._state, next_payload, len(next_payload), _pcm, count, 1)
        return self.conceal(samples) if result < 0 else _pcm_bytes[: 2 * result]

    def conceal(self, samples: int) -> bytes:
        count = samples // _UNIT
        result = self._decode(self._state, _ffi.NULL, 0, _pcm, count, 0)
        return self.silence(samples) if result < 0 else _pcm_bytes[: 2 * result]

    def silence(self, samples: int) -> bytes:
        return bytes(2 * (samples // _UNIT))


def payload_samples(payload: bytes) -> int:
    """How many samples at `RTP_RATE_HZ` a payload holds; 0 if it is malformed (RFC 6716, 3)."""
    if not payload or len(payload) > 48 * MAX_PAYLOAD_BYTES:
        return 0
    toc = payload[0]
    config = toc >> 3
    if config < 12:  # SILK
        frame_us = (10_000, 20_000, 40_000, 60_000)[config & 3]
    elif config < 16:  # hybrid
        frame_us = (10_000, 20_000)[config & 1]
    else:  # CELT
        frame_us = (2_500, 5_000, 10_000, 20_000)[config & 3]
    code = toc & 3
    if code == 3:
        if len(payload) < 2:
            return 0
        frames = payload[1] & 0x3F
    else:
        frames = 1 if code == 0 else 2
    duration_us = frames * frame_us
    return duration_us * RTP_RATE_HZ // 1_000_000 if duration_us <= MAX_DURATION_MS * 1000 else 0


_SAMPLES_BY_TOC: Final = {
    bytes((toc,)): payload_samples(bytes((toc,))) for toc in range(256) if not toc & 3
}
"""Of all payloads of one frame."""
