"""The process that runs Piper, which is under the GPL-3: nothing else loads its code.

See docs/decisions/0004-espeak-in-its-own-process.md.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from piper.config import PiperConfig, SynthesisConfig
from piper.voice import PiperVoice

from antiphon.engines.cascade.tts.local_voice_worker import Sound, Worker, trimmed
from antiphon.engines.cascade.tts.onnx_session import session_options

SPEED_MIN, SPEED_MAX = 0.25, 3.0


class Piper:
    """A `VoiceModel`.

    Args:
        network: The voice, NAME.onnx; its NAME.onnx.json stands beside it.
        threads: For one utterance.
    """

    first_voice = "0"

    def __init__(self, network: Path, threads: int) -> None:
        config = json.loads(network.with_name(f"{network.name}.json").read_bytes())
        self._voice = PiperVoice(
            session=onnxruntime.InferenceSession(
                str(network), session_options(threads), providers=["CPUExecutionProvider"]
            ),
            config=PiperConfig.from_dict(config),
        )
        self._stopped = False

    def stop(self) -> None:
        self._stopped = True

    def speak(self, text: str, *, voice: str, speed: float) -> Sound:
        """``voice``: the number of a speaker."""
        self._stopped = False
        speed = min(max(speed, SPEED_MIN), SPEED_MAX)
        config = SynthesisConfig(
            speaker_id=int(voice) if self._voice.config.num_speakers > 1 else None,
            length_scale=self._voice.config.length_scale / speed,
        )
        sounds = []
        for chunk in self._voice.synthesize(text, config):
            if self._stopped:
                break
            sounds.append(chunk.audio_float_array)
        whole = np.concatenate(sounds) if sounds else np.zeros(0, np.float32)
        return trimmed(Sound(whole, self._voice.config.sample_rate))


if __name__ == "__main__":
    Worker(Piper(Path(sys.argv[1]), int(sys.argv[2]))).run()
