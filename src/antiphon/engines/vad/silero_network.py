"""The Silero VAD v6 networks (16 and 8 kHz) as matrix products over a batch of streams.

The graph, as in the ONNX file of the silero-vad package (see README.md beside this file):
a magnitude spectrum of four frames, four convolutions with ReLU (strides 1, 2, 2, 1), an
LSTM cell, ReLU, one output.  The times of a window lie side by side, so that each step of a
convolution is the product of a slice with the rows of the weights that meet no padding.

These products are too small for the threads of BLAS, which cost several times what they
gain and hold up all else: a server sets ``OPENBLAS_NUM_THREADS=1`` before numpy is imported.
"""

from __future__ import annotations

from importlib import resources
from typing import Final

import numpy as np
from numpy.typing import NDArray

from antiphon.audio.resample import carry_over

Floats = NDArray[np.float32]

RATE_HZ: Final = 16_000
WINDOW_SAMPLES: Final = 512
"""One probability for each 32 ms."""

_HIDDEN = 128


class SileroNetwork:
    """A network and the state of each stream, by slot.  Pure arithmetic; not thread-safe."""

    def __init__(self, slots: int = 16, *, narrow: bool = False) -> None:
        """Loads the weights (0.9 MB) that come with Antiphon.

        ``narrow``: the network for 8 kHz, whose windows have half as many samples.
        """
        halves = 2 if narrow else 1
        self._frame = 256 // halves
        self._hop, self._bins = self._frame // 2, self._frame // 2 + 1
        self._context_samples = 64 // halves
        """Of the window before, which the network sees again."""
        name = "silero_v6_8k.npz" if narrow else "silero_v6.npz"
        file = resources.files(__package__).joinpath(name)
        with file.open("rb") as opened, np.load(opened) as archive:
            weights: dict[str, Floats] = dict(archive)
        self._conv = [weights[f"conv{layer}"] for layer in range(4)]
        self._conv_bias = [weights[f"conv{layer}_bias"] for layer in range(4)]
        # 1 / (1 + exp(-x)) is (1 + tanh(x / 2)) / 2: with halved weights all gates are one tanh.
        halved = np.full(4 * _HIDDEN, 0.5, np.float32)
        halved[2 * _HIDDEN : 3 * _HIDDEN] = 1
        self._lstm, self._lstm_bias = weights["lstm"] * halved, weights["lstm_bias"] * halved
        self._out, self._out_bias = weights["out"], weights["out_bias"][0]
        n = np.arange(self._frame)
        self._hann = (0.5 - 0.5 * np.cos(2 * np.pi * n / self._frame)).astype(np.float32)
        self._hidden = np.zeros((slots, _HIDDEN), np.float32)
        self._cell = np.zeros((slots, _HIDDEN), np.float32)
        self._context = np.zeros((slots, self._context_samples), np.float32)

    @property
    def slots(self) -> int:
        return len(self._hidden)

    def grow(self, slots: int) -> None:
        """Make room for ``slots`` streams; those there stay as they are."""
        more = slots - self.slots
        self._hidden = np.pad(self._hidden, ((0, more), (0, 0)))
        self._cell = np.pad(self._cell, ((0, more), (0, 0)))
        self._context = np.pad(self._context, ((0, more), (0, 0)))

    def reset(self, slot: int) -> None:
        """The slot's next window begins a stream."""
        self._hidden[slot] = 0
        self._cell[slot] = 0
        self._context[slot] = 0

    def step(
        self, slots: NDArray[np.intp], windows: Floats, follows: NDArray[np.bool_] | None = None
    ) -> Floats:
        """Score the next windows of each of ``slots``.

        Args:
            slots: Shape ``(n,)``; all different, but for what ``follows`` says.
            windows: Shape ``(n, 512)``, 16 kHz, full scale is 1; for the narrow network half.
            follows: As of `carry_over`.

        Returns:
            Shape ``(n,)``: how likely each window holds a voice.
        """
        features = self._encode(self._spectrum(slots, windows, follows))
        if follows is None:
            return self._recur(slots, features)
        # Only the memory needs the windows of a stream one after the other.
        scores = np.empty(len(slots), np.float32)
        rows = np.flatnonzero(~follows)
        while rows.size:
            scores[rows] = self._recur(slots[rows], features[rows])
            rows = rows[rows + 1 < len(slots)] + 1
            rows = rows[follows[rows]]
        return scores

    def _spectrum(
        self, slots: NDArray[np.intp], windows: Floats, follows: NDArray[np.bool_] | None
    ) -> Floats:
        """Magnitudes: shape ``(n, 4, bins)``."""
        n, more, samples = len(slots), self._context_samples, windows.shape[1]
        # Four frames over some samples of before, the window, and as many reflected at its end.
        signal = np.empty((n, more + samples + more), np.float32)
        signal[:, more : more + samples] = windows
        signal[:, -more:] = signal[:, -more - 2 : -2 * more - 2 : -1]
        carry_over(windows[:, -more:], signal[:, :more], self._context, slots, follows)
        stream, sample = signal.strides
        frames = np.ndarray(
            (n, 4, self._frame), signal.dtype, signal, strides=(stream, self._hop * sample, sample)
        )
        return np.abs(np.fft.rfft(frames * self._hann)).astype(np.float32, copy=False)

    def _encode(self, spectrum: Floats) -> Floats:
        """Shape ``(n, 128)``."""
        n, bins, weights = len(spectrum), self._bins, self._conv[0]
        x = spectrum.reshape(-1, 4 * bins)
        y = np.empty((n, 4, 128), np.float32)
        np.matmul(x[:, : 2 * bins], weights[bins:], out=y[:, 0])
        np.matmul(x[:, : 3 * bins], weights, out=y[:, 1])
        np.matmul(x[:, bins:], weights, out=y[:, 2])
        np.matmul(x[:, 2 * bins :], weights[: 2 * bins], out=y[:, 3])
        self._activate(0, y)

        x, weights = y.reshape(n, 4 * 128), self._conv[1]
        y = np.empty((n, 2, 64), np.float32)  # stride 2: around times 0 and 2
        np.matmul(x[:, : 2 * 128], weights[128:], out=y[:, 0])
        np.matmul(x[:, 128:], weights, out=y[:, 1])
        self._activate(1, y)

        y = self._activate(2, y.reshape(n, 2 * 64) @ self._conv[2])
        return self._activate(3, y @ self._conv[3])

    def _activate(self, layer: int, y: Floats) -> Floats:
        y += self._conv_bias[layer]
        return np.maximum(y, 0, out=y)

    def _recur(self, slots: NDArray[np.intp], features: Floats) -> Floats:
        x = np.concatenate((features, self._hidden[slots]), axis=1)
        gates: Floats = x @ self._lstm
        gates += self._lstm_bias
        np.tanh(gates, out=gates)
        new = gates[:, 2 * _HIDDEN : 3 * _HIDDEN].copy()
        gates += 1
        gates *= np.float32(0.5)
        new *= gates[:, :_HIDDEN]
        cell = gates[:, _HIDDEN : 2 * _HIDDEN] * self._cell[slots]
        cell += new
        hidden = np.tanh(cell)
        hidden *= gates[:, 3 * _HIDDEN :]
        self._cell[slots] = cell
        self._hidden[slots] = hidden
        return _sigmoid(np.maximum(hidden, 0) @ self._out + self._out_bias)


def _sigmoid(x: Floats) -> Floats:
    y = np.minimum(-x, np.float32(80))  # exp(89) would overflow, and warn
    np.exp(y, out=y)
    y += 1
    return np.reciprocal(y, out=y)
