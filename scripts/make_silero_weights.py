"""Make src/antiphon/engines/vad/silero_v6.npz from the ONNX file in the silero-vad wheel.

    uv run --no-project --with onnx --with numpy python scripts/make_silero_weights.py

The wheel is fetched from the package index; ``--onnx FILE`` takes a file instead.  The
safetensors file in the same wheel holds other weights: it is not what the ONNX file
computes.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

VERSION = "6.2.3"
IN_WHEEL = "silero_vad/data/silero_vad_16k_op15.onnx"
SHA256 = "7ed98ddbad84ccac4cd0aeb3099049280713df825c610a8ed34543318f1b2c49"
TARGET = Path(__file__).parent.parent / "src/antiphon/engines/vad/silero_v6.npz"


def fetch(folder: Path) -> bytes:
    pip = [sys.executable, "-m", "pip"]
    if subprocess.run([*pip, "--version"], capture_output=True, check=False).returncode:
        pip = ["uv", "run", "--no-project", "--with", "pip", "python", "-m", "pip"]
    wanted = f"silero-vad=={VERSION}"
    subprocess.run([*pip, "download", "--no-deps", "--dest", str(folder), wanted], check=True)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        return wheel.read(IN_WHEEL)


def matrices(initializers: dict[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
    """As products over rows take them: ``inputs @ matrix + bias``."""
    w = {name.removeprefix("model."): value for name, value in initializers.items()}

    # The transform needs no weights: it is a Hann-windowed DFT of 256 samples.
    basis = w["stft.forward_basis_buffer"][:, 0, :].astype(np.float64)
    n = np.arange(256)
    angle = 2 * np.pi * np.outer(np.arange(129), n) / 256
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * n / 256)
    assert np.abs(basis[:129] - np.cos(angle) * hann).max() < 1e-6
    assert np.abs(basis[129:] + np.sin(angle) * hann).max() < 1e-6

    def conv(layer: int, taps: slice) -> NDArray[np.float32]:
        kernel = w[f"encoder.{layer}.reparam_conv.weight"][:, :, taps]
        return kernel.transpose(2, 1, 0).reshape(-1, kernel.shape[0])

    rnn = "decoder.rnn."
    ready = {
        "conv0": conv(0, slice(0, 3)),
        "conv1": conv(1, slice(0, 3)),
        # On the two positions left, the first tap only ever meets padding; on the one
        # position left after that, the outer two.
        "conv2": conv(2, slice(1, 3)),
        "conv3": conv(3, slice(1, 2)),
        # PyTorch's order of gates: input, forget, cell, output.
        "lstm": np.concatenate([w[rnn + "weight_ih"], w[rnn + "weight_hh"]], axis=1).T,
        "lstm_bias": w[rnn + "bias_ih"] + w[rnn + "bias_hh"],
        "out": w["decoder.decoder.2.weight"][0, :, 0],
        "out_bias": w["decoder.decoder.2.bias"],
    }
    for layer in range(4):
        ready[f"conv{layer}_bias"] = w[f"encoder.{layer}.reparam_conv.bias"]
    return {name: np.ascontiguousarray(value, np.float32) for name, value in ready.items()}


def main() -> None:
    import onnx
    import onnx.numpy_helper

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--onnx", type=Path, help="an ONNX file already at hand")
    given = parser.parse_args().onnx
    with tempfile.TemporaryDirectory() as folder:
        data = given.read_bytes() if given else fetch(Path(folder))
    if (found := hashlib.sha256(data).hexdigest()) != SHA256:
        sys.exit(f"{IN_WHEEL} has sha256 {found}, expected {SHA256}")
    graph = onnx.load_model_from_string(data).graph
    initializers = {i.name: onnx.numpy_helper.to_array(i) for i in graph.initializer}
    np.savez_compressed(TARGET, **matrices(initializers))
    print(f"{TARGET}: {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
