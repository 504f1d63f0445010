"""Make tests/data/silero_reference.npz: what onnxruntime computes from the ONNX files.

    uv run --with onnxruntime python scripts/make_silero_reference.py WIDE.onnx BOTH.onnx

They are `silero_vad_16k_op15.onnx` and `silero_vad_op18_ifless.onnx`, in `silero_vad/data` of the
silero-vad wheel.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests.recordings import reference_windows  # noqa: E402

Floats = NDArray[np.float32]


def probabilities(file: str, windows: Floats, *, rate_hz: int) -> Floats:
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    streams, more = windows.shape[1], rate_hz // 250
    state = np.zeros((2, streams, 128), np.float32)
    context = np.zeros((streams, more), np.float32)
    found = []
    for window in windows:
        inputs = {"input": np.concatenate([context, window], 1), "state": state}
        out, state = session.run(None, inputs | {"sr": np.array(rate_hz)})
        context = window[:, -more:]
        found.append(out[:, 0])
    return np.array(found, np.float32)


def main() -> None:
    wide, both = sys.argv[1:]
    windows = reference_windows()
    scored = {
        "probabilities": probabilities(wide, windows, rate_hz=16_000),
        # Not filtered: any windows will do.
        "narrow": probabilities(both, windows[:, :, ::2].copy(), rate_hz=8_000),
    }
    np.savez_compressed(ROOT / "tests" / "data" / "silero_reference.npz", **scored)
    for name, values in scored.items():
        print(name, np.histogram(values, [0, 0.1, 0.3, 0.5, 0.7, 0.9, 1])[0])


if __name__ == "__main__":
    main()
