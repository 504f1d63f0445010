"""What Whisper hears: the log-mel spectrogram, made while the audio comes.

The formula is the one that the model was trained with (openai/whisper, ``audio.py``):
windows of 25 ms every 10 ms, 80 bands of Slaney's mel scale, ten decades of power cut to
the loudest eight.  Only the cut needs the whole, so all else is done once a frame.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 16_000
HOP = 160
FRAMES_PER_S = RATE_HZ // HOP
BANDS = 80
_WINDOW = 400
_BLOCK_FRAMES = 1_000
_SILENCE = -10.0
"""The logarithm of the least power that is told from none."""
_RANGE = 8.0

Frames = NDArray[np.float32]


class LogMel:
    """The spectrogram of one turn; grows at its end, and may lose its beginning."""

    def __init__(self) -> None:
        self._samples: NDArray[np.float32] = np.zeros(0, np.float32)
        """From where the next frame's window begins."""
        self._opened = False
        self._frames: Frames = np.zeros((_BLOCK_FRAMES, BANDS), np.float32)
        self._count = 0

    def __len__(self) -> int:
        """Whole frames."""
        return self._count

    def append(self, samples: NDArray[np.int16]) -> Frames:
        """Returns the frames that this completes, shape ``(n, BANDS)``, in decades."""
        self._samples = np.concatenate((self._samples, samples.astype(np.float32) / 32_768))
        if not self._opened:
            half = _WINDOW // 2
            if len(self._samples) <= half:
                return self._frames[:0]
            self._opened = True  # The first window is centred on the first sample.
            self._samples = np.concatenate((self._samples[half:0:-1], self._samples))
        new = _log_mel(self._samples)
        self._samples = self._samples[len(new) * HOP :]
        self._store(new)
        return new

    def forget(self, frames: int) -> None:
        """The first ``frames`` are not wanted any more."""
        self._frames = np.concatenate(
            (self._frames[frames : self._count], np.zeros((_BLOCK_FRAMES, BANDS), np.float32))
        )
        self._count -= frames

    def features(self, end: int, length: int) -> Frames:
        """What the model wants: ``(BANDS, length)``, the first ``end`` frames, then silence."""
        log = np.full((length, BANDS), _SILENCE, np.float32)
        log[:end] = self._frames[:end]
        log = np.maximum(log, log.max() - _RANGE)
        return np.ascontiguousarray(((log + 4) / 4).T)

    def finish(self) -> Frames:
        """No more audio: the frames that reach over its end, as if silence followed."""
        return self.append(np.zeros(_WINDOW, np.int16))

    def _store(self, new: Frames) -> None:
        end = self._count + len(new)
        if end > len(self._frames):
            room = np.zeros((max(_BLOCK_FRAMES, len(new)), BANDS), np.float32)
            self._frames = np.concatenate((self._frames, room))
        self._frames[self._count : end] = new
        self._count = end


def spectrogram(samples: NDArray[np.float32]) -> Frames:
    """Of a whole sound at once, of -1 to 1 or so: ``(BANDS, frames)``, as `LogMel.features`."""
    log = _log_mel(np.pad(samples, _WINDOW // 2, mode="reflect"))[: len(samples) // HOP]
    log = np.maximum(log, log.max() - _RANGE)
    return np.ascontiguousarray(((log + 4) / 4).T)


def _log_mel(samples: NDArray[np.float32]) -> Frames:
    if len(samples) < _WINDOW:
        return np.zeros((0, BANDS), np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(samples, _WINDOW)[::HOP]
    spectrum = np.fft.rfft(windows * _hann(), axis=1)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    log: Frames = np.log10(np.maximum(power @ _filters(), np.float32(10**_SILENCE)))
    return log


@cache
def _hann() -> NDArray[np.float32]:
    """Periodic, unlike numpy's."""
    window: NDArray[np.float32] = np.hanning(_WINDOW + 1)[:-1].astype(np.float32)
    return window


@cache
def _filters() -> Frames:
    """Triangles of equal area, shape ``(frequencies, BANDS)``: librosa's, "slaney"."""
    mels = np.linspace(0.0, _mel(RATE_HZ / 2), BANDS + 2)
    edges_hz = np.where(
        mels < _KNEE_MEL,
        mels * _HZ_PER_MEL,
        _KNEE_HZ * np.exp(_LOG_STEP * (mels - _KNEE_MEL)),
    )
    frequencies = np.linspace(0, RATE_HZ / 2, _WINDOW // 2 + 1)[:, np.newaxis]
    low, middle, high = edges_hz[:-2], edges_hz[1:-1], edges_hz[2:]
    rising = (frequencies - low) / (middle - low)
    falling = (high - frequencies) / (high - middle)
    triangles = np.maximum(0, np.minimum(rising, falling)) * (2 / (high - low))
    filters: Frames = triangles.astype(np.float32)
    return filters


# Slaney's scale: linear up to 1 kHz, 27 steps for a factor of 6.4 above.
_HZ_PER_MEL, _KNEE_HZ = 200 / 3, 1_000.0
_KNEE_MEL, _LOG_STEP = _KNEE_HZ / _HZ_PER_MEL, float(np.log(6.4)) / 27


def _mel(hz: float) -> float:
    return _KNEE_MEL + float(np.log(hz / _KNEE_HZ)) / _LOG_STEP
