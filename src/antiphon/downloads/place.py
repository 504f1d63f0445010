"""Where pulled models are, and what is known of each."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from antiphon.errors import ConfigurationError

FOLDER_VARIABLE = "XDG_DATA_HOME"


class Pulled(Struct, frozen=True, kw_only=True):
    """What is known of a model since it was pulled first."""

    name: str
    licence: str
    sha256: dict[str, str]
    """Of each file as it came, by its path."""
    urls: dict[str, str]


def models_folder(environ: Mapping[str, str] = os.environ) -> Path:
    base = environ.get(FOLDER_VARIABLE)
    return (Path(base) if base else Path.home() / ".local" / "share") / "antiphon" / "models"


class Place:
    """A folder with a folder for each model, and beside it a record of what was pulled.

    The record outlives the model's folder: who pulls it again gets the same files.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def of(self, name: str) -> Path:
        return self.folder / name

    def has(self, name: str) -> bool:
        return self.of(name).is_dir()

    def record(self, name: str) -> Pulled | None:
        """Of the model's pulls; None: there was none.

        Raises:
            ConfigurationError: the record cannot be read.
        """
        path = self._record_path(name)
        try:
            return msgspec.json.decode(path.read_bytes(), type=Pulled)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError) as error:
            raise ConfigurationError(f"{path}: {error}. Delete it, and pull again.") from None

    def write_record(self, pulled: Pulled) -> None:
        data = msgspec.json.format(msgspec.json.encode(pulled), indent=2)
        unfinished = self.folder / f"{pulled.name}.json.part"
        unfinished.write_bytes(data)
        unfinished.replace(self._record_path(pulled.name))

    def find(self, name: str) -> Path:
        """The folder of a model that was pulled.

        Raises:
            ConfigurationError: it was not.
        """
        if not self.has(name):
            raise ConfigurationError(
                f"the model '{name}' is not in {self.folder}: antiphon models pull {name}"
            )
        return self.of(name)

    def _record_path(self, name: str) -> Path:
        return self.folder / f"{name}.json"
