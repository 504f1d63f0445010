"""Make tests/data/silero_reference.npz: what onnxruntime computes from the ONNX file.

    uv run --with onnxruntime python scripts/make_silero_reference.py FILE.onnx

FILE.onnx is `silero_vad/data/silero_vad_16k_op15.onnx` out of the silero-vad wheel.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnxruntime

TESTS = Path(__file__).parent.parent / "tests"
sys.path.insert(0, str(TESTS / "engines" / "vad"))

from recordings import reference_windows  # noqa: E402


def main() -> None:
    session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
    windows = reference_windows()
    streams = windows.shape[1]
    state = np.zeros((2, streams, 128), np.float32)
    context = np.zeros((streams, 64), np.float32)
    probabilities = []
    for window in windows:
        inputs = {"input": np.concatenate([context, window], 1), "state": state}
        out, state = session.run(None, inputs | {"sr": np.array(16_000)})
        context = window[:, -64:]
        probabilities.append(out[:, 0])
    target = TESTS / "data" / "silero_reference.npz"
    np.savez_compressed(target, probabilities=np.array(probabilities, np.float32))
    print(np.histogram(probabilities, [0, 0.1, 0.3, 0.5, 0.7, 0.9, 1])[0], target.stat().st_size)


if __name__ == "__main__":
    main()
