from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from antiphon.downloads.place import Place
from antiphon.engines.cascade.tts.kokoro import API_VOICES, kokoro_voices
from antiphon.engines.cascade.tts.kokoro_files import PACKAGES, KokoroFiles, find_kokoro
from antiphon.engines.cascade.tts.voices import VOICES
from antiphon.errors import ConfigurationError
from tests.engines.cascade.tts.tiny_voices import NETWORKS


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "models")


def test_a_folder_may_be_named(place: Place, tmp_path: Path) -> None:
    files = find_kokoro(NETWORKS / "kokoro", place, tmp_path)
    assert files.names == ("af_heart", "am_michael", "bf_emma")
    assert files == KokoroFiles(NETWORKS / "kokoro" / "kokoro.onnx", NETWORKS / "kokoro")


def test_what_was_pulled_is_found(place: Place, tmp_path: Path) -> None:
    shutil.copytree(NETWORKS / "kokoro", place.of("kokoro"))
    assert find_kokoro(None, place, tmp_path).network == place.of("kokoro") / "kokoro.onnx"


@pytest.mark.parametrize("missing", ["kokoro.onnx", "*.bin"])
def test_what_is_missing_is_named(missing: str, place: Place, tmp_path: Path) -> None:
    folder = shutil.copytree(NETWORKS / "kokoro", tmp_path / "k")
    for path in folder.glob(missing):
        path.unlink()
    with pytest.raises(ConfigurationError, match=f"cannot be used: no {missing[0]}?.*"):
        find_kokoro(folder, place, tmp_path)


def test_where_nothing_is_the_remedy_is_named(place: Place, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="antiphon models pull kokoro"):
        find_kokoro(None, place, tmp_path)


def test_the_parts_in_packages_are_joined_once(place: Place, tmp_path: Path) -> None:
    pytest.importorskip(PACKAGES[0], reason="the extra 'kokoro-weights' is not installed")
    shutil.copytree(NETWORKS / "kokoro", place.of("kokoro-voices"))
    files = find_kokoro(None, place, tmp_path / "cache")
    assert files.network.stat().st_size == 92_361_271
    assert find_kokoro(None, place, tmp_path / "cache") == files


def test_each_voice_of_the_api_has_one_of_its_own() -> None:
    assert set(API_VOICES) == set(VOICES)
    assert len(set(API_VOICES.values())) == len(VOICES)
    mapped = kokoro_voices(("af_heart", "am_michael"))
    assert mapped == {
        "marin": "af_heart",
        "cedar": "am_michael",
        "af_heart": "af_heart",
        "am_michael": "am_michael",
    }
