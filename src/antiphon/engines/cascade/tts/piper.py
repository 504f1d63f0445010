"""Voices of Piper, in about forty languages: a tenth of a core for each that speaks."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from msgspec import Struct

from antiphon.engines.cascade.tts.local_voice import LocalVoice
from antiphon.engines.cascade.tts.voices import VOICES
from antiphon.errors import ConfigurationError

WORKER = "antiphon.engines.cascade.tts.piper_worker"
THREADS_MAX = 2
PHONEME_TYPES = ("espeak", "text")


class PiperFiles(Struct, frozen=True):
    network: Path
    language: str
    """As "de"."""
    speakers: dict[str, int]
    """By their names; of a voice with one, its own name."""


def find_piper(folder: Path) -> PiperFiles:
    """The voice in ``folder``.

    Raises:
        ConfigurationError: there is none, or more than one.
    """
    networks = sorted(folder.glob("*.onnx"))
    if len(networks) != 1:
        found = "no *.onnx" if not networks else ", ".join(path.name for path in networks)
        raise ConfigurationError(
            f"The voice 'piper' wants a folder with one NAME.onnx; {folder} has {found}."
        )
    description = networks[0].with_name(f"{networks[0].name}.json")
    try:
        config: dict[str, Any] = json.loads(description.read_bytes())
        language = str(config["espeak"]["voice"]).split("-")[0]
    except (OSError, ValueError, KeyError, TypeError) as error:
        what = error.strerror if isinstance(error, OSError) else "is no description of a voice"
        raise ConfigurationError(f"{description}: {what}.") from None
    if config.get("phoneme_type", "espeak") not in PHONEME_TYPES:
        raise ConfigurationError(
            f"{description}: voices with phonemes of '{config['phoneme_type']}' are not used: "
            "Piper would download more for them, or ask for other libraries."
        )
    speakers = config.get("speaker_id_map") or {networks[0].stem: 0}
    return PiperFiles(networks[0], language, {str(k): int(v) for k, v in speakers.items()})


def piper(files: PiperFiles, *, threads: int | None = None) -> LocalVoice:
    """A `Synthesizer`."""
    threads = threads or min(THREADS_MAX, os.cpu_count() or 1)
    return LocalVoice(
        "piper",
        WORKER,
        (str(files.network), str(threads)),
        voices=speakers_by_voice(list(files.speakers.items())),
    )


def speakers_by_voice(speakers: list[tuple[str, int]]) -> dict[str, str]:
    """The API's voices in turn, and each speaker by its own name, to speakers' numbers."""
    api = {voice: str(speakers[at % len(speakers)][1]) for at, voice in enumerate(sorted(VOICES))}
    return api | {name: str(number) for name, number in speakers}
