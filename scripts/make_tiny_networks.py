"""Networks of a few hundred bytes in the form of real ones, for tests of the real libraries.

    uv run --with onnx python scripts/make_tiny_networks.py

A voice hums, as long as what it says has phonemes; ears hear "la" whenever there is sound.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FOLDER = Path(__file__).parent.parent / "tests" / "data" / "tiny_networks"
FLOAT, INT = TensorProto.FLOAT, TensorProto.INT64
OPSET, IR_VERSION = 17, 9
"""Those of the real ones, or older: the libraries read no newer."""
PIPER_RATE_HZ, SHERPA_RATE_HZ = 22_050, 16_000
SIGNS = "_^$ !'(),-.:;?abcdefhijklmnopqrstuvwxyzæçðøħŋœɐɑɒɔəɚɛɜɡɪɹɾʃʊʌʒˈˌːθᵻ"
"""Phonemes of espeak-ng for English; the first three mean padding, begin and end."""


class Graph:
    """A network that is written down node by node."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, value: object, dtype: type = np.float32) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.array(value, dtype), name))
        return name

    def add(self, kind: str, *inputs: str, to: str = "", **attributes: object) -> str:
        name = to or f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def hum(self, samples: str) -> str:
        """So many samples of a low tone; ``samples`` is a whole number, as a float."""
        count = self.cast(samples, INT)
        steps = self.add("Range", self.constant(0, np.int64), count, self.constant(1, np.int64))
        angle = self.add("Mul", self.cast(steps, FLOAT), self.constant(0.05))
        return self.add("Mul", self.add("Sin", angle), self.constant(0.3))

    def cast(self, value: str, kind: int) -> str:
        name = f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node("Cast", [value], [name], to=kind))
        return name

    def write(
        self,
        path: Path,
        inputs: dict[str, tuple[int, list[object]]],
        outputs: dict[str, tuple[int, list[object]]],
        **properties: object,
    ) -> None:
        graph = helper.make_graph(
            self.nodes,
            "tiny",
            [helper.make_tensor_value_info(n, kind, shape) for n, (kind, shape) in inputs.items()],
            [helper.make_tensor_value_info(n, kind, shape) for n, (kind, shape) in outputs.items()],
            self.constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
        model.ir_version = IR_VERSION
        helper.set_model_props(model, {name: str(value) for name, value in properties.items()})
        onnx.checker.check_model(model)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(model.SerializeToString())


def kokoro(folder: Path) -> None:
    """Three frames of 25 ms a phoneme, and what the real one has within: durations."""
    graph = Graph()
    some = graph.add("Mul", graph.cast("tokens", FLOAT), graph.constant(0))
    frames = graph.add("Div", graph.add("Add", some, graph.constant(3)), "speed")
    whole = graph.add("Round", frames)
    durations = graph.add("Clip", whole, graph.constant(1), to="/encoder/Clip_output_0")
    summed = graph.add("ReduceSum", durations, keepdims=0)
    quiet = graph.add("Mul", graph.add("ReduceSum", "style", keepdims=0), graph.constant(0))
    samples = graph.add("Mul", graph.add("Add", summed, quiet), graph.constant(600))
    graph.add("Identity", graph.hum(samples), to="audio")
    graph.write(
        folder / "kokoro.onnx",
        {
            "tokens": (INT, [1, "sequence_length"]),
            "style": (FLOAT, [1, 256]),
            "speed": (FLOAT, [1]),
        },
        {"audio": (FLOAT, ["audio_length"])},
    )
    for name in ("af_heart", "am_michael", "bf_emma"):
        np.zeros((2, 256), "<f4").tofile(folder / f"{name}.bin")


def piper(folder: Path) -> None:
    """As Piper exports it."""
    graph = Graph()
    ids = graph.cast(graph.add("Size", "input"), FLOAT)
    length_scale = graph.add("Gather", "scales", graph.constant(1, np.int64))
    samples = graph.add("Mul", graph.add("Mul", ids, length_scale), graph.constant(800))
    shape = graph.constant([1, 1, 1, -1], np.int64)
    graph.add("Reshape", graph.hum(samples), shape, to="output")
    graph.write(
        folder / "tiny.onnx",
        {
            "input": (INT, ["batch_size", "phonemes"]),
            "input_lengths": (INT, ["batch_size"]),
            "scales": (FLOAT, [3]),
        },
        {"output": (FLOAT, ["batch_size", 1, "n", "time"])},
    )
    config = {
        "audio": {"sample_rate": PIPER_RATE_HZ},
        "espeak": {"voice": "en-us"},
        "phoneme_type": "espeak",
        "num_symbols": 256,
        "num_speakers": 1,
        "inference": {"noise_scale": 0.0, "length_scale": 1.0, "noise_w": 0.0},
        "phoneme_id_map": {sign: [number] for number, sign in enumerate(SIGNS)},
        "speaker_id_map": {},
    }
    (folder / "tiny.onnx.json").write_text(json.dumps(config, ensure_ascii=False))


def sherpa_voice(folder: Path) -> None:
    """A VITS with a lexicon, as sherpa-onnx reads it."""
    graph = Graph()
    ids = graph.cast(graph.add("Size", "x"), FLOAT)
    samples = graph.add("Mul", graph.add("Mul", ids, "length_scale"), graph.constant([1600]))
    scalar = graph.add("Squeeze", samples, graph.constant([0], np.int64))
    shape = graph.constant([1, 1, -1], np.int64)
    graph.add("Reshape", graph.hum(scalar), shape, to="y")
    scales = ("noise_scale", "length_scale", "noise_scale_w")
    graph.write(
        folder / "tiny.onnx",
        {
            "x": (INT, ["batch", "phonemes"]),
            "x_length": (INT, ["batch"]),
            **{name: (FLOAT, [1]) for name in scales},
        },
        {"y": (FLOAT, ["batch", 1, "time"])},
        sample_rate=SHERPA_RATE_HZ,
        n_speakers=1,
        language="English",
        comment="tiny",
        punctuation=", . ! ?",
        add_blank=0,
    )
    signs = " ,.!?abcdefghijklmnopqrstuvwxyz"
    tokens = "".join(f"{sign} {number}\n" for number, sign in enumerate(signs))
    (folder / "tokens.txt").write_text(tokens)
    # Said as they are written.
    words = (
        "a are at booked call eight evening for forward friend good hello if is late look my our "
        "please seeing table the this to two us way we welcome yes you your"
    )
    lexicon = "".join(f"{word} {' '.join(word)}\n" for word in words.split())
    (folder / "lexicon.txt").write_text(lexicon)


def ears(folder: Path) -> None:
    """A streaming CTC recogniser of NeMo's kind: a step of 80 ms is "la" where it is loud."""
    graph = Graph()
    energy = graph.add("ReduceMean", "audio_signal", axes=[1], keepdims=0)
    steps = graph.add("Reshape", energy, graph.constant([0, -1, 8], np.int64))
    loud = graph.add("ReduceMean", steps, axes=[2], keepdims=1)
    word = graph.add("Sub", loud, graph.constant(-9))
    blank = graph.add("Mul", loud, graph.constant(0))
    graph.add("Concat", word, blank, to="logits", axis=2)
    graph.add("Identity", "length", to="lengths")
    states: dict[str, tuple[int, list[object]]] = {
        "cache_last_channel": (FLOAT, ["batch", 1, 1, 1]),
        "cache_last_time": (FLOAT, ["batch", 1, 1, 1]),
        "cache_last_channel_len": (INT, ["batch"]),
    }
    for name in states:
        graph.add("Identity", name, to=f"{name}_next")
    graph.write(
        folder / "model.onnx",
        {"audio_signal": (FLOAT, ["batch", 80, "time"]), "length": (INT, ["batch"]), **states},
        {
            "logits": (FLOAT, ["batch", "steps", 2]),
            "lengths": (INT, ["batch"]),
            **{f"{name}_next": state for name, state in states.items()},
        },
        window_size=16,
        chunk_shift=16,
        subsampling_factor=8,
        vocab_size=1,
        **{f"cache_last_{of}_dim{n}": 1 for of in ("channel", "time") for n in (1, 2, 3)},
    )
    (folder / "tokens.txt").write_text("▁la 0\n<blk> 1\n")


def smart_turn(folder: Path) -> None:
    """In Smart Turn's form: over is what is quieter in its last 100 ms than in its last second."""
    graph = Graph()
    end, axis = graph.constant([800], np.int64), graph.constant([2], np.int64)
    levels = []
    for frame in (700, 790):
        begin = graph.constant([frame], np.int64)
        last = graph.add("Slice", "input_features", begin, end, axis)
        levels.append(graph.add("ReduceMean", last, axes=[1, 2], keepdims=0))
    quieter = graph.add("Sub", *levels)
    steep = graph.add("Sigmoid", graph.add("Mul", quieter, graph.constant(50)))
    graph.add("Unsqueeze", steep, graph.constant([1], np.int64), to="logits")
    graph.write(
        folder / "smart-turn.onnx",
        {"input_features": (FLOAT, ["s6", 80, 800])},
        {"logits": (FLOAT, ["s6", 1])},
    )


if __name__ == "__main__":
    smart_turn(FOLDER / "smart_turn")
    kokoro(FOLDER / "kokoro")
    piper(FOLDER / "piper")
    sherpa_voice(FOLDER / "sherpa_voice")
    ears(FOLDER / "sherpa_ears")
