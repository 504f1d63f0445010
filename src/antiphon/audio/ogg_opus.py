"""Stereo to Opus in Ogg (RFC 7845), as it comes."""

from __future__ import annotations

import io
from typing import Final

import av
import numpy as np

from antiphon.audio.two_sides import RATE_HZ

BIT_RATE: Final = 48_000
"""Of both channels together: 21 MB an hour."""
PAGE_US: Final = 1_000_000


class OggOpus:
    """Not for two threads at a time."""

    def __init__(self) -> None:
        self._file = io.BytesIO()
        self._container = av.open(
            self._file, "w", format="ogg", options={"page_duration": str(PAGE_US)}
        )
        self._stream = self._container.add_stream("libopus", rate=RATE_HZ, layout="stereo")
        self._stream.bit_rate = BIT_RATE
        self._encoded_samples = 0

    def encode(self, stereo: bytes) -> bytes:
        """The pages that are full now; ``stereo`` is 16-bit, interleaved, at 24 kHz."""
        samples = np.frombuffer(stereo, "<i2").reshape(1, -1)
        if samples.size:
            frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="stereo")
            frame.sample_rate = RATE_HZ
            frame.pts = self._encoded_samples
            self._encoded_samples += samples.size // 2
            self._container.mux(self._stream.encode(frame))
        return self._take()

    def finish(self) -> bytes:
        """The last pages."""
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._take()

    def _take(self) -> bytes:
        pages = self._file.getvalue()
        self._file.seek(0)
        self._file.truncate()
        return pages
