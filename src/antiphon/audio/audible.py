"""Where in a piece of sound something is to be heard.  16-bit mono at 24 kHz; pure."""

from __future__ import annotations

from typing import Final

import numpy as np

AUDIBLE_PEAK: Final = 330
"""Below -40 dB of full scale nobody hears a voice begin."""
_FRAME_SAMPLES: Final = 120
"""5 ms: one crackle is no voice, but every voice fills that."""
_RELATIVE_PEAK: Final = 0.05
"""-26 dB of the loudest around it: what is below is the room."""


def first_audible(pcm: bytes) -> int | None:
    """The first sample that is heard; None: there is none."""
    loud = np.abs(np.frombuffer(pcm, "<i2").astype(np.int32)) >= AUDIBLE_PEAK
    at = int(loud.argmax()) if loud.size else 0
    return at if loud.size and loud[at] else None


def last_audible(pcm: bytes) -> int | None:
    """The sample after the last 5 ms that are heard; None: there are none."""
    samples = np.abs(np.frombuffer(pcm, "<i2").astype(np.int32))
    frames = samples[: samples.size // _FRAME_SAMPLES * _FRAME_SAMPLES].reshape(-1, _FRAME_SAMPLES)
    if not frames.size:
        return None
    peaks = frames.max(axis=1)
    loud = np.flatnonzero(peaks >= max(AUDIBLE_PEAK, _RELATIVE_PEAK * int(peaks.max())))
    return (int(loud[-1]) + 1) * _FRAME_SAMPLES if loud.size else None
