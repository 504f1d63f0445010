"""Which models are known: where they are, how large, under which licence."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from antiphon.errors import ConfigurationError

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_OURSELVES = ("127.0.0.1", "::1", "localhost")


class RemoteFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    url: str
    path: str
    """Where it is kept, in the model's folder.  Of an archive: what it is called while it comes."""
    size_bytes: int | None = None
    sha256: str | None = None
    """None: nobody here has seen the file."""
    unpack: tuple[str, ...] = ()
    """The members of a tar archive that are kept, as patterns (``*/model.onnx``); they lose
    their folders.  Empty: it is no archive.
    """


class KnownModel(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    about: str
    """For people: what it is, and for which part."""
    licence: str
    files: tuple[RemoteFile, ...]
    tried: bool = False
    """It has been used with Antiphon, as it comes from there."""

    @property
    def size_bytes(self) -> int | None:
        sizes = [file.size_bytes for file in self.files]
        known = [size for size in sizes if size is not None]
        return sum(known) if len(known) == len(sizes) else None


class _Index(Struct, frozen=True, forbid_unknown_fields=True):
    model: tuple[KnownModel, ...]


def load_index(path: Path | None = None) -> dict[str, KnownModel]:
    """All known models by name; None: those that Antiphon knows.

    Raises:
        ConfigurationError: the file cannot be read or is no index.
    """
    place = path or resources.files("antiphon.downloads") / "index.toml"
    try:
        index = msgspec.toml.decode(place.read_bytes(), type=_Index)
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror or error}.") from None
    except msgspec.MsgspecError as error:
        raise ConfigurationError(f"{path or 'index.toml'}: {error}.") from None
    for model in index.model:
        for problem in _problems(model):
            raise ConfigurationError(f"{path or 'index.toml'}: model '{model.name}': {problem}.")
    return {model.name: model for model in index.model}


def _problems(model: KnownModel) -> list[str]:
    found = []
    if not _NAME.fullmatch(model.name):
        found.append("a name has small letters, digits, '.', '_' and '-'")
    for file in model.files:
        path = PurePosixPath(file.path)
        if path.is_absolute() or ".." in path.parts or not path.parts:
            found.append(f"path '{file.path}' is not within its folder")
        if not is_safe(file.url):
            found.append(f"url '{file.url}' is not https")
        if file.sha256 is not None and not _SHA256.fullmatch(file.sha256):
            found.append(f"sha256 of '{file.path}' must have 64 hexadecimal digits")
    return found


def is_safe(url: str) -> bool:
    """Whether nobody on the way can change what comes from there."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _OURSELVES)
