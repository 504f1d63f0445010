from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from antiphon.engines.cascade.tts.piper import PiperFiles, find_piper, speakers_by_voice
from antiphon.engines.cascade.tts.sherpa import find_sherpa_voice
from antiphon.engines.cascade.tts.voices import VOICES
from antiphon.errors import ConfigurationError
from tests.engines.cascade.tts.tiny_voices import NETWORKS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return shutil.copytree(NETWORKS / "piper", tmp_path / "piper")


def test_a_voice_is_found_with_its_language(folder: Path) -> None:
    assert find_piper(folder) == PiperFiles(folder / "tiny.onnx", "en", {"tiny": 0})


def test_its_speakers_are_the_voices_in_turn(folder: Path) -> None:
    path = folder / "tiny.onnx.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | {"speaker_id_map": {"anna": 0, "ben": 3}}))
    speakers = find_piper(folder).speakers
    assert speakers == {"anna": 0, "ben": 3}
    voices = speakers_by_voice(list(speakers.items()))
    assert set(voices) == {*VOICES, "anna", "ben"}
    assert voices["ben"] == "3"
    assert sorted(voices[name] for name in VOICES) == ["0"] * 5 + ["3"] * 5


def test_a_voice_for_which_piper_would_download_more_is_refused(folder: Path) -> None:
    path = folder / "tiny.onnx.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"phoneme_type": "pinyin"}))
    with pytest.raises(ConfigurationError, match="phonemes of 'pinyin' are not used"):
        find_piper(folder)


def test_what_is_no_voice_is_named(folder: Path) -> None:
    (folder / "tiny.onnx.json").write_text("{}")
    with pytest.raises(ConfigurationError, match="is no description of a voice"):
        find_piper(folder)
    (folder / "tiny.onnx.json").unlink()
    with pytest.raises(ConfigurationError, match=r"tiny\.onnx\.json: No such file"):
        find_piper(folder)
    shutil.copy(folder / "tiny.onnx", folder / "other.onnx")
    with pytest.raises(ConfigurationError, match=r"has other\.onnx, tiny\.onnx"):
        find_piper(folder)
    with pytest.raises(ConfigurationError, match=r"has no \*\.onnx"):
        find_piper(folder.parent)


def test_sherpa_onnx_wants_a_lexicon(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"has no tokens\.txt and no lexicon\*\.txt"):
        find_sherpa_voice(folder)
    assert find_sherpa_voice(NETWORKS / "sherpa_voice") == NETWORKS / "sherpa_voice"
