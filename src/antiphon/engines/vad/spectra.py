"""What the networks hear of a window: how loud each frequency up to 8 kHz is, in four frames.

The networks were trained at 16 and at 8 kHz, on frames of 16 ms: 62.5 Hz a bin.  A frame of 16 ms
has these bins at any rate, so the microphone is not resampled for them, and what one network sees
is the lower half of what the other does.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from antiphon.engines.vad.batch import Batch, Floats

WINDOW_MS: Final = 32
FRAMES: Final = 4
BINS: Final = 129
BIN_HZ: Final = 62.5
_SCALE_SAMPLES: Final = 256
"""Magnitudes are those of frames of so many samples, which is what 16 ms are at 16 kHz."""


_AT_ONCE: Final = 16
"""Windows.  What lies between is larger than the caches with more, and the system's each time."""


class Spectra:
    """And the end of each stream's last window, by slot.  Pure arithmetic; not thread-safe."""

    def __init__(self, slots: int, *, rate_hz: int, full_scale: float = 32_768) -> None:
        """``full_scale``: the largest sample there is, which is 1 to the networks."""
        self.window_samples = rate_hz * WINDOW_MS // 1000
        frame = self.window_samples // 2
        self._hop = frame // 2
        self._context_samples = frame // 4
        """Of the window before, which is heard again."""
        turn = 2 * np.pi * np.arange(frame) / frame
        scale = _SCALE_SAMPLES / frame / full_scale
        self._hann = ((0.5 - 0.5 * np.cos(turn)) * scale).astype(np.float32)
        self._bins = min(BINS, frame // 2 + 1)
        self._context = np.zeros((slots, self._context_samples), np.float32)

    def grow(self, slots: int) -> None:
        """Make room for ``slots`` streams; those there stay as they are."""
        self._context = np.pad(self._context, ((0, slots - len(self._context)), (0, 0)))

    def reset(self, slot: int) -> None:
        """The slot's next window begins a stream."""
        self._context[slot] = 0

    def of(self, batch: Batch, windows: NDArray[np.generic]) -> Floats:
        """The next windows of some streams.

        Args:
            batch: Whose they are; all of them are heard.
            windows: Shape ``(n, window_samples)``, any real type.

        Returns:
            Magnitudes: shape ``(n, FRAMES, BINS)``; of less than 16 kHz, fewer bins.
        """
        n, more, samples = len(batch.slots), self._context_samples, self.window_samples
        # The frames lie over some samples of before, the window, and as many reflected at its end.
        signal = np.empty((n, more + samples + more), np.float32)
        signal[:, more : more + samples] = windows
        signal[:, -more:] = signal[:, -more - 2 : -2 * more - 2 : -1]
        _carry_over(signal[:, samples:-more], signal[:, :more], self._context, batch)
        stream, sample = signal.strides
        frames = np.ndarray(
            (n, FRAMES, len(self._hann)),
            signal.dtype,
            signal,
            strides=(stream, self._hop * sample, sample),
        )
        magnitudes = np.empty((n, FRAMES, self._bins), np.float32)
        for at in range(0, n, _AT_ONCE):
            some = slice(at, at + _AT_ONCE)
            spectra = np.fft.rfft(frames[some] * self._hann)
            np.abs(spectra[:, :, : self._bins], out=magnitudes[some])
        return magnitudes


def _carry_over(
    ends: NDArray[np.float32],
    into: NDArray[np.float32],
    kept: NDArray[np.float32],
    batch: Batch,
) -> None:
    """Put before each window of a batch the end of the window before it in the same stream.

    Args:
        ends: Of each window of the batch.
        into: What is written, a row for each window; shares no memory with ``ends``.
        kept: By slot: the end of the stream's last window before the batch, and then of its last.
        batch: Whose windows they are.
    """
    slots, follows, _ = batch
    if follows is None:
        into[:] = kept[slots]
        kept[slots] = ends
        return
    into[1:] = ends[:-1]
    first = ~follows
    into[first] = kept[slots[first]]
    last = np.empty_like(first)
    last[:-1], last[-1] = first[1:], True
    kept[slots[last]] = ends[last]
