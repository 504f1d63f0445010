"""The windows that voice is scored in, and where they lie in the microphone's media time."""

from __future__ import annotations

from typing import Final

from antiphon.audio.frames import Frames
from antiphon.audio.pcm import BYTES_PER_SAMPLE

WINDOW_SAMPLES: Final = 768
"""32 ms at `MEDIA_RATE_HZ`: the 512 samples at 16 kHz that Silero scores."""


class Windows:
    """Cuts a microphone into windows, each with the media position of its end."""

    def __init__(self) -> None:
        self._frames = Frames(WINDOW_SAMPLES)
        self._next_sample = 0
        self._next_end = WINDOW_SAMPLES

    def cut(self, pcm: bytes, at_sample: int) -> list[tuple[int, bytes]]:
        """The windows that ``pcm`` completes, as ``(end_sample, pcm)``.

        Where ``at_sample`` does not continue what came before, the begun window is
        dropped: windows never span a gap.
        """
        if at_sample != self._next_sample:
            self._frames.clear()
            self._next_end = at_sample + WINDOW_SAMPLES
        self._next_sample = at_sample + len(pcm) // BYTES_PER_SAMPLE
        frames = self._frames.cut(pcm)
        if not frames:
            return []
        first = self._next_end
        self._next_end = first + len(frames) * WINDOW_SAMPLES
        return list(zip(range(first, self._next_end, WINDOW_SAMPLES), frames, strict=True))

    def clear(self) -> None:
        """Forget the begun window; the next one begins where the next ``pcm`` does."""
        self._frames.clear()
        self._next_end = self._next_sample + WINDOW_SAMPLES
