"""What a call's audio is coded with, to and from 16-bit mono at 24 kHz."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, Protocol

from antiphon.audio import g711
from antiphon.audio.resample import HALF_WIDTH, Resampler
from antiphon.core.causes import MEDIA_RATE_HZ

CodecName = Literal["opus", "PCMU", "PCMA"]
FRAME_MS: Final = 20
FRAME_SAMPLES: Final = MEDIA_RATE_HZ * FRAME_MS // 1000
"""Of what goes out, at `MEDIA_RATE_HZ`."""
G711_RATE_HZ: Final = 8_000


class Encoder(Protocol):
    silence: bytes
    """The payload of a silent frame; needs no state."""
    pauses: bool
    """Whether the far side takes it well when nothing is sent while there is silence."""

    def encode(self, pcm: bytes) -> bytes:
        """One frame of `FRAME_SAMPLES` samples, as an RTP payload."""
        ...

    def reset(self) -> None:
        """Forget what was encoded: it will not be heard."""
        ...


class Decoder(Protocol):
    """All results are 16-bit mono at `MEDIA_RATE_HZ`; lengths are in RTP clock units."""

    def samples(self, payload: bytes) -> int:
        """How much a payload holds; 0 if it is malformed."""
        ...

    def announces_pause(self, payload: bytes) -> bool:
        """Whether nothing more is sent until there is sound again (DTX)."""
        ...

    def decode(self, payload: bytes) -> bytes: ...

    def recover(self, next_payload: bytes, samples: int) -> bytes:
        """What was lost just before ``next_payload``, from a copy in it or by a guess."""
        ...

    def conceal(self, samples: int) -> bytes: ...

    def silence(self, samples: int) -> bytes: ...


class G711Encoder:
    pauses = False

    def __init__(self, name: Literal["PCMU", "PCMA"]) -> None:
        self._compress: Callable[[bytes], bytes]
        self._compress = g711.encode_ulaw if name == "PCMU" else g711.encode_alaw
        self.silence = self._compress(bytes(2 * G711_RATE_HZ * FRAME_MS // 1000))
        self.reset()

    def encode(self, pcm: bytes) -> bytes:
        return self._compress(self._resampler.process(pcm))

    def reset(self) -> None:
        self._resampler = Resampler(MEDIA_RATE_HZ, G711_RATE_HZ)
        # With its look-ahead full, 480 samples in are 160 out each time.
        self._resampler.process(bytes(2 * HALF_WIDTH * MEDIA_RATE_HZ // G711_RATE_HZ))


class G711Decoder:
    MAX_PAYLOAD_BYTES: Final = G711_RATE_HZ * 120 // 1000

    def __init__(self, name: Literal["PCMU", "PCMA"]) -> None:
        self._expand = g711.decode_ulaw if name == "PCMU" else g711.decode_alaw
        self._resampler = Resampler(G711_RATE_HZ, MEDIA_RATE_HZ)
        self._last = b""

    def samples(self, payload: bytes) -> int:
        return len(payload) if len(payload) <= self.MAX_PAYLOAD_BYTES else 0

    def announces_pause(self, payload: bytes) -> bool:  # noqa: ARG002
        return False

    def decode(self, payload: bytes) -> bytes:
        self._last = self._expand(payload)
        return self._resampler.process(self._last)

    def recover(self, next_payload: bytes, samples: int) -> bytes:  # noqa: ARG002
        return self.conceal(samples)

    def conceal(self, samples: int) -> bytes:
        """The last frame once more, then silence."""
        size = 2 * samples
        again, self._last = self._last[:size], b""
        return self._resampler.process(again.ljust(size, b"\0"))

    def silence(self, samples: int) -> bytes:
        self._last = b""
        return self._resampler.process(bytes(2 * samples))
