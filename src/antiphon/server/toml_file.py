"""TOML, and where in its text a key stands; `tomllib` does not say."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

from antiphon.errors import ConfigurationError

_NAME = r"""(?:"[^"\n]*"|'[^'\n]*'|[A-Za-z0-9_-]+)"""
_PATH = rf"{_NAME}(?:\s*\.\s*{_NAME})*"
_HEADER = re.compile(rf"\s*\[\[?\s*({_PATH})\s*\]\]?")
_KEY = re.compile(rf"\s*({_PATH})\s*=")
_MULTILINE = re.compile(r'"""|\'\'\'')


def _split(path: str) -> tuple[str, ...]:
    return tuple(name.strip("\"'") for name in re.findall(_NAME, path))


def line_of(text: str, path: tuple[str, ...]) -> int | None:
    """The number (from 1) of the line that first sets ``path`` or something in it.

    None where the key cannot be seen without parsing, as inside an inline table.
    """
    table: tuple[str, ...] = ()
    inside: str | None = None  # The quotes that end the multi-line string we are in.
    for number, line in enumerate(text.splitlines(), 1):
        if inside is None:
            if header := _HEADER.match(line):
                table = _split(header[1])
                if table[: len(path)] == path:
                    return number
            elif (key := _KEY.match(line)) and (table + _split(key[1]))[: len(path)] == path:
                return number
        for quotes in _MULTILINE.findall(line):
            inside = quotes if inside is None else None if inside == quotes else inside
    return None


class TomlFile(NamedTuple):
    path: Path | None
    """None: there is no file, and nothing in it."""
    text: str
    tables: dict[str, Any]

    def place(self, *path: str) -> str:
        """A key, as an error message names it: file and line."""
        line = line_of(self.text, path)
        return f"{self.path}:{line}" if line else f"{self.path}"


def read_toml(file: Path, *, must_exist: bool) -> TomlFile:
    """Raises:
    ConfigurationError: it cannot be read, or is not TOML.
    """
    try:
        text = file.read_text("utf-8")
        return TomlFile(file, text, tomllib.loads(text))
    except FileNotFoundError:
        if must_exist:
            raise ConfigurationError(f"{file}: there is no such file.") from None
        return TomlFile(None, "", {})
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file}: cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{file}: this is not TOML: {error}") from None
