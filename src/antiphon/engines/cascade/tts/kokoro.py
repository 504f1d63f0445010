"""The voice of Kokoro-82M: English as people speak it, and a CPU that is busy with it."""

from __future__ import annotations

import os

from antiphon.engines.cascade.tts.kokoro_files import KokoroFiles
from antiphon.engines.cascade.tts.local_voice import FIRST_PATIENCE_S, PATIENCE_S, LocalVoice

LANGUAGES = ("en",)
THREADS_MAX = 4
WORKER = "antiphon.engines.cascade.tts.kokoro_worker"
API_VOICES = {
    "marin": "af_heart",
    "cedar": "am_michael",
    "alloy": "af_alloy",
    "ash": "am_adam",
    "ballad": "bm_george",
    "coral": "af_bella",
    "echo": "am_echo",
    "sage": "af_sarah",
    "shimmer": "bf_emma",
    "verse": "am_puck",
}
"""Of women and of men as in the API; two of them British."""


def kokoro_voices(names: tuple[str, ...]) -> dict[str, str]:
    """The API's voices that are here, and each of Kokoro's by its own name."""
    mapped = {voice: name for voice, name in API_VOICES.items() if name in names}
    return mapped | {name: name for name in names}


def kokoro(
    files: KokoroFiles,
    *,
    threads: int | None = None,
    first_patience_s: float = FIRST_PATIENCE_S,
    patience_s: float = PATIENCE_S,
) -> LocalVoice:
    """A `Synthesizer`; ``threads`` of the CPU make one utterance, by default one a core, four
    at most.
    """
    threads = threads or min(THREADS_MAX, os.cpu_count() or 1)
    return LocalVoice(
        "kokoro",
        WORKER,
        (str(files.network), str(files.voices), str(threads)),
        voices=kokoro_voices(files.names),
        first_patience_s=first_patience_s,
        patience_s=patience_s,
    )
