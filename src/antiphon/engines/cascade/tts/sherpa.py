"""Voices that sherpa-onnx speaks with: VITS and Kokoro, from a lexicon."""

from __future__ import annotations

import os
from pathlib import Path

from antiphon.engines.cascade.tts.local_voice import LocalVoice
from antiphon.engines.cascade.tts.voices import VOICES
from antiphon.errors import ConfigurationError

WORKER = "antiphon.engines.cascade.tts.sherpa_worker"
THREADS_MAX = 2
NEEDED = ("*.onnx", "tokens.txt", "lexicon*.txt")


def find_sherpa_voice(folder: Path) -> Path:
    """``folder``, if it holds a voice.

    Raises:
        ConfigurationError: a file is missing.
    """
    missing = [name for name in NEEDED if not any(folder.glob(name))]
    if missing:
        raise ConfigurationError(
            f"The voice 'sherpa' wants a folder with {', '.join(NEEDED)}; {folder} has no "
            f"{' and no '.join(missing)}. Since version 2 sherpa-onnx speaks from a lexicon alone: "
            "voices of Piper are spoken by 'piper'."
        )
    return folder


def sherpa(folder: Path, *, threads: int | None = None) -> LocalVoice:
    """A `Synthesizer`.  The API's voices are its speakers, in turn."""
    threads = threads or min(THREADS_MAX, os.cpu_count() or 1)
    voices = {voice: str(at) for at, voice in enumerate(sorted(VOICES))}
    return LocalVoice("sherpa", WORKER, (str(folder), str(threads)), voices=voices)
