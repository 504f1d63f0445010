"""Make the weights in src/antiphon/engines/vad from the ONNX files in the silero-vad wheel.

    uv run --no-project --with onnx --with numpy python scripts/make_silero_weights.py

The wheel is fetched from the package index; ``--wheel FILE`` takes a file instead.  The
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
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

VERSION = "6.2.3"
TARGETS = Path(__file__).parent.parent / "src/antiphon/engines/vad"


class Source(NamedTuple):
    in_wheel: str
    sha256: str
    prefix: str
    """Of the network's weights."""
    frame: int


SOURCES = {
    "silero_v6.npz": Source(
        "silero_vad/data/silero_vad_16k_op15.onnx",
        "7ed98ddbad84ccac4cd0aeb3099049280713df825c610a8ed34543318f1b2c49",
        "model.",
        256,
    ),
    "silero_v6_8k.npz": Source(
        "silero_vad/data/silero_vad_op18_ifless.onnx",
        "7671cd04b004e9076da0d4a7b1a5aec36adf161c39230c1cb94a4fd5db6bbd28",
        "model_8k.",
        128,
    ),
}


def fetch(folder: Path) -> Path:
    pip = [sys.executable, "-m", "pip"]
    if subprocess.run([*pip, "--version"], capture_output=True, check=False).returncode:
        pip = ["uv", "run", "--no-project", "--with", "pip", "python", "-m", "pip"]
    wanted = f"silero-vad=={VERSION}"
    subprocess.run([*pip, "download", "--no-deps", "--dest", str(folder), wanted], check=True)
    return next(folder.glob("*.whl"))


def matrices(w: dict[str, NDArray[np.float32]], frame: int) -> dict[str, NDArray[np.float32]]:
    """As products over rows take them: ``inputs @ matrix + bias``."""
    # The transform needs no weights: it is a Hann-windowed DFT.
    basis = w["stft.forward_basis_buffer"][:, 0, :].astype(np.float64)
    n, bins = np.arange(frame), frame // 2 + 1
    angle = 2 * np.pi * np.outer(np.arange(bins), n) / frame
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * n / frame)
    assert np.abs(basis[:bins] - np.cos(angle) * hann).max() < 1e-6
    assert np.abs(basis[bins:] + np.sin(angle) * hann).max() < 1e-6

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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wheel", type=Path, help="the wheel, already at hand")
    given = parser.parse_args().wheel
    with (
        tempfile.TemporaryDirectory() as folder,
        zipfile.ZipFile(given or fetch(Path(folder))) as wheel,
    ):
        found = {name: wheel.read(source.in_wheel) for name, source in SOURCES.items()}
    for name, source in SOURCES.items():
        target = TARGETS / name
        np.savez_compressed(target, **matrices(weights(found[name], source), source.frame))
        print(f"{target}: {target.stat().st_size} bytes")


def weights(data: bytes, source: Source) -> dict[str, NDArray[np.float32]]:
    import onnx
    import onnx.numpy_helper

    if (found := hashlib.sha256(data).hexdigest()) != source.sha256:
        sys.exit(f"{source.in_wheel} has sha256 {found}, expected {source.sha256}")
    graph = onnx.load_model_from_string(data).graph
    return {
        i.name.removeprefix(source.prefix): onnx.numpy_helper.to_array(i)
        for i in graph.initializer
        if i.name.startswith(source.prefix)
    }


if __name__ == "__main__":
    main()
