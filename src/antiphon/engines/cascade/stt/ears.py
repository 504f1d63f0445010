"""Which ears there are: Whisper where its extra is installed whole, else pocketsphinx."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from msgspec import Struct

from antiphon.engines.cascade.stt.model_files import (
    PACKAGED,
    Packaged,
    cache_folder,
    check_folder,
    find_model,
    languages_of,
)
from antiphon.errors import ConfigurationError

Wanted = Literal["auto", "whisper", "pocketsphinx"]
DEFAULT_MODEL = "tiny.en"


class Ears(Struct, frozen=True):
    """What recognises speech."""

    hearing: str
    """For people: what is understood, and by what."""
    model: Path | None = None
    """The folder of a Whisper model; None: pocketsphinx alone."""
    languages: tuple[str, ...] = ("en",)
    warning: str | None = None
    """Why it is not what one would wish for."""


POCKETSPHINX = Ears("understands short English phrases, free speech poorly (pocketsphinx)")


def find_ears(
    recognizer: Wanted = "auto",
    model: str = DEFAULT_MODEL,
    *,
    packaged: Mapping[str, Packaged] = PACKAGED,
    cache: Path | None = None,
) -> Ears:
    """The ears that the settings name.

    Args:
        recognizer: "auto": Whisper if its extra is installed, else pocketsphinx.
        model: Which Whisper: a name in ``packaged``, or a folder.
        packaged: Models that packages carry.
        cache: Where a model that comes in parts is joined; None: the user's.

    Raises:
        ConfigurationError: what is asked for by name is not there.
    """
    if recognizer == "pocketsphinx":
        return POCKETSPHINX
    try:
        folder = _folder_of(model, packaged, cache or cache_folder())
    except ConfigurationError as error:
        if recognizer == "whisper" or model != DEFAULT_MODEL:
            raise ConfigurationError(f"Whisper cannot be used: {error}") from None
        warning = f"Free speech is understood poorly, without Whisper: {error}"
        return Ears(POCKETSPHINX.hearing, warning=warning)
    languages = languages_of(folder)
    count = "English" if len(languages) == 1 else f"{len(languages)} languages"
    return Ears(f"understands {count} (Whisper {model})", folder, languages)


def _folder_of(model: str, packaged: Mapping[str, Packaged], cache: Path) -> Path:
    if find_spec("ctranslate2") is None:
        raise ConfigurationError(
            "CTranslate2 is not installed: install the extra speech (make setup)."
        )
    if model in packaged:
        return find_model(model, packaged[model], cache)
    check_folder(Path(model))
    return Path(model)
