"""The Silero VAD v6 networks (16 and 8 kHz) as matrix products over a batch of streams.

The graph, as in the ONNX file of the silero-vad package (see README.md beside this file), behind
the magnitude spectrum of four frames (`spectra`): four convolutions with ReLU (strides 1, 2, 2, 1),
an LSTM cell, ReLU, one output.  The times of a window lie side by side, so that each step of a
convolution is the product of a slice with the rows of the weights that meet no padding.

Digital silence, as there is between a caller's turns (DTX, a muted microphone), is the same to the
convolutions each time: for such a window only the memory works, which does move.

These products are too small for the threads of BLAS, which cost several times what they
gain and hold up all else: a server sets ``OPENBLAS_NUM_THREADS=1`` before numpy is imported.
"""

from __future__ import annotations

import functools
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from antiphon.engines.vad.batch import Batch, Floats
from antiphon.engines.vad.spectra import BINS, FRAMES

_FEATURES = _HIDDEN = 128


@functools.cache
def _weights(narrow: bool) -> dict[str, Floats]:
    """Those that come with Antiphon (0.9 MB), ready to multiply with; shared by all networks."""
    name = "silero_v6_8k.npz" if narrow else "silero_v6.npz"
    file = resources.files(__package__).joinpath(name)
    with file.open("rb") as opened, np.load(opened) as archive:
        weights: dict[str, Floats] = dict(archive)
    if narrow:
        # Its frames had half as many samples, and with them half the magnitude.
        weights["conv0"] *= np.float32(0.5)
    # 1 / (1 + exp(-x)) is (1 + tanh(x / 2)) / 2: with halved weights all gates are one tanh.
    halved = np.full(4 * _HIDDEN, 0.5, np.float32)
    halved[2 * _HIDDEN : 3 * _HIDDEN] = 1
    weights["lstm"] *= halved
    weights["lstm_bias"] *= halved
    for array in weights.values():
        array.flags.writeable = False
    return weights


class SileroNetwork:
    """A network and the state of each stream, by slot.  Pure arithmetic; not thread-safe."""

    def __init__(self, slots: int = 16, *, narrow: bool = False) -> None:
        """``narrow``: the network for 8 kHz, which hears up to 4 kHz only."""
        self._bins = BINS // 2 + 1 if narrow else BINS
        weights = _weights(narrow)
        self._conv = [weights[f"conv{layer}"] for layer in range(4)]
        self._conv_bias = [weights[f"conv{layer}_bias"] for layer in range(4)]
        lstm = weights["lstm"]
        self._from_features, self._from_hidden = lstm[:_FEATURES], lstm[_FEATURES:]
        self._gates_bias = weights["lstm_bias"]
        self._out, self._out_bias = weights["out"], weights["out_bias"][0]
        (self._gates_of_silence,) = self._gates(np.zeros((1, FRAMES, BINS), np.float32))
        self._hidden = np.zeros((slots, _HIDDEN), np.float32)
        self._cell = np.zeros((slots, _HIDDEN), np.float32)

    @property
    def slots(self) -> int:
        return len(self._hidden)

    def grow(self, slots: int) -> None:
        """Make room for ``slots`` streams; those there stay as they are."""
        more = slots - self.slots
        self._hidden = np.pad(self._hidden, ((0, more), (0, 0)))
        self._cell = np.pad(self._cell, ((0, more), (0, 0)))

    def reset(self, slot: int) -> None:
        """The slot's next window begins a stream."""
        self._hidden[slot] = 0
        self._cell[slot] = 0

    def step(self, batch: Batch, spectra: Floats) -> Floats:
        """Score the next windows of some streams.

        Args:
            batch: Whose they are.
            spectra: As of `Spectra`, of the rows that have one; the narrow network looks at
                its half.

        Returns:
            Shape ``(n,)``: how likely each window holds a voice.
        """
        slots, follows, sounding = batch
        if sounding is None:
            gates = self._gates(spectra)
        else:
            gates = np.empty((len(slots), 4 * _HIDDEN), np.float32)
            gates[:] = self._gates_of_silence
            if sounding.size:
                gates[sounding] = self._gates(spectra)
        if follows is None:
            return self._recur(slots, gates)
        # Only the memory needs the windows of a stream one after the other.
        scores = np.empty(len(slots), np.float32)
        rows = np.flatnonzero(~follows)
        while rows.size:
            scores[rows] = self._recur(slots[rows], gates[rows])
            rows = rows[rows + 1 < len(slots)] + 1
            rows = rows[follows[rows]]
        return scores

    def _gates(self, spectra: Floats) -> Floats:
        """What each window says to the gates of the memory: shape ``(n, 4 * 128)``."""
        gates: Floats = self._encode(spectra) @ self._from_features
        gates += self._gates_bias
        return gates

    def _encode(self, spectra: Floats) -> Floats:
        """Features: shape ``(n, 128)``."""
        n, bins, weights = len(spectra), self._bins, self._conv[0]
        x = spectra[:, :, :bins].reshape(n, FRAMES * bins)
        y = np.empty((n, FRAMES, 128), np.float32)
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

    def _recur(self, slots: NDArray[np.intp], gates: Floats) -> Floats:
        """Takes ``gates`` to work in."""
        gates += self._hidden[slots] @ self._from_hidden
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
