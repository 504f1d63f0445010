"""The process that speaks by sherpa-onnx."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import sherpa_onnx

from antiphon.engines.cascade.tts.local_voice_worker import Sound, Worker, trimmed

SPEED_MIN, SPEED_MAX = 0.25, 3.0


class SherpaVoice:
    """A `VoiceModel`.

    Args:
        folder: As sherpa-onnx publishes them, with a lexicon: VITS or Kokoro.
        threads: For one utterance.
    """

    first_voice = "0"

    def __init__(self, folder: Path, threads: int) -> None:
        network = next(folder.glob("*.onnx"))
        files = {
            "model": str(network),
            "tokens": str(folder / "tokens.txt"),
            "lexicon": ",".join(str(path) for path in sorted(folder.glob("lexicon*.txt"))),
        }
        voices = folder / "voices.bin"
        model = sherpa_onnx.OfflineTtsModelConfig(num_threads=threads)
        if voices.exists():
            model.kokoro = sherpa_onnx.OfflineTtsKokoroModelConfig(voices=str(voices), **files)
        else:
            model.vits = sherpa_onnx.OfflineTtsVitsModelConfig(**files)
        config = sherpa_onnx.OfflineTtsConfig(model=model)
        if not config.validate():
            raise ValueError("sherpa-onnx cannot use these files")
        self._voice = sherpa_onnx.OfflineTts(config)
        self._stopped = False

    def stop(self) -> None:
        self._stopped = True

    def speak(self, text: str, *, voice: str, speed: float) -> Sound:
        """``voice``: the number of a speaker."""
        self._stopped = False
        made = self._voice.generate(
            text,
            sid=int(voice) % max(1, self._voice.num_speakers),
            speed=min(max(speed, SPEED_MIN), SPEED_MAX),
            callback=lambda _samples, _progress: int(not self._stopped),
        )
        return trimmed(Sound(np.asarray(made.samples, np.float32), made.sample_rate))


if __name__ == "__main__":
    Worker(SherpaVoice(Path(sys.argv[1]), int(sys.argv[2]))).run()
