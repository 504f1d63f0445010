"""A recording: what passed between a client and a server on one connection, as JSON lines."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any, Literal, TypeVar

import msgspec
from msgspec import Struct

from antiphon.errors import ConfigurationError

FORMAT = 1

T = TypeVar("T", bound=Struct)
Side = Literal["client", "server"]


class Head(Struct, frozen=True, kw_only=True):
    """The first line."""

    antiphon_recording: int
    """Its format."""
    query: dict[str, str] = {}
    """Of the address that the client asked for."""
    keeps_content: bool = False


class Ending(Struct, frozen=True, kw_only=True):
    code: int
    reason: str = ""


class Entry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Every other line: an event, or who closed the connection."""

    at_ms: int
    """Since the connection was opened."""
    by: Side
    event: dict[str, Any] | None = None
    text: str | None = None
    """A message that is no JSON object, redacted."""
    closed: Ending | None = None


class Recording(Struct, frozen=True, kw_only=True):
    name: str
    head: Head
    entries: tuple[Entry, ...]

    def line_of(self, index: int) -> int:
        """Of an entry, in its file."""
        return index + 2


def read_recording(path: Path) -> Recording:
    """Raises:
    ConfigurationError: it is none; the message names the line.
    """
    try:
        first, *lines = path.read_bytes().splitlines() or [b""]
    except OSError as error:
        raise ConfigurationError(f"{path}: the recording cannot be read: {error}.") from None
    head = _line(path, 1, first, Head)
    entries = [_line(path, number, line, Entry) for number, line in enumerate(lines, start=2)]
    if head.antiphon_recording != FORMAT:
        raise ConfigurationError(
            f"{path}: its format is {head.antiphon_recording}; this version reads {FORMAT}."
        )
    return Recording(name=path.name, head=head, entries=tuple(entries))


def _line(path: Path, number: int, line: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(line, type=kind)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise ConfigurationError(f"{path}:{number}: this is no recording: {error}.") from None


class RecordingWriter:
    """Writes one recording, line by line; a process that dies loses the last line at most."""

    def __init__(self, path: Path, head: Head) -> None:
        self._file: IO[bytes] = path.open("xb", buffering=0)
        self._write(head)

    def add(self, entry: Entry) -> None:
        self._write(entry)

    def close(self) -> None:
        self._file.close()

    def _write(self, line: Struct) -> None:
        self._file.write(msgspec.json.encode(line) + b"\n")
