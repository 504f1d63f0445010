"""The tape of a session: its terms, and all its causes with what followed.

A file of msgpack messages, each after its length (4 bytes, little-endian): first a `Head`,
then `Step`s.  It holds what was said; it is written only where the operator asks for it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct

from antiphon.core.causes import Cause, Ms
from antiphon.core.effects import Command, Effect
from antiphon.core.terms import Terms
from antiphon.errors import AntiphonError
from antiphon.protocol.server import ServerEvent

FORMAT = 1
_R = TypeVar("_R", bound=Struct)
_LENGTH = struct.Struct("<I")


class TapeError(AntiphonError):
    """A file is no tape, or one that this version cannot read."""


class Head(Struct, frozen=True):
    format: int
    terms: Terms


class Step(Struct, frozen=True, array_like=True):
    """One cause, and the effects that it had when it was recorded.

    Server events and commands are told apart by the names of their tag, so each effect
    stands in one of the two lists, with its place among all.
    """

    now_ms: Ms
    cause: Cause
    events: tuple[tuple[int, ServerEvent], ...]
    commands: tuple[tuple[int, Command], ...]

    @property
    def effects(self) -> list[Effect]:
        return [effect for _, effect in sorted([*self.events, *self.commands], key=lambda e: e[0])]


def step(now_ms: Ms, cause: Cause, effects: Sequence[Effect]) -> Step:
    events = tuple((i, e) for i, e in enumerate(effects) if isinstance(e, ServerEvent))
    commands = tuple((i, e) for i, e in enumerate(effects) if not isinstance(e, ServerEvent))
    return Step(now_ms, cause, events, commands)


class TapeWriter:
    """Looks on at one session (`antiphon.runtime.observer`) and writes down all of it."""

    def __init__(self, path: Path, terms: Terms) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("wb")
        self._encoder = msgspec.msgpack.Encoder()
        self._write(Head(FORMAT, terms))

    def saw(self, now_ms: Ms, cause: Cause, effects: Sequence[Effect]) -> None:
        self._write(step(now_ms, cause, effects))

    def close(self) -> None:
        self._file.close()

    def _write(self, record: Struct) -> None:
        data = self._encoder.encode(record)
        self._file.write(_LENGTH.pack(len(data)) + data)


def tapes_in(folder: Path) -> Callable[[Terms], TapeWriter]:
    """For each session a tape of its own, named after it."""
    return lambda terms: TapeWriter(folder / f"{terms.session.id}.tape", terms)


class Tape:
    """A recorded session, read from a file."""

    def __init__(self, path: Path) -> None:
        """Raises:
        TapeError: with the file's name and what is wrong with it.
        """
        self.path = path
        try:
            self._data = path.read_bytes()
        except OSError as error:
            raise TapeError(f"{path}: {error.strerror}") from None
        head, self._first = self._record(0, Head)
        if head.format != FORMAT:
            raise TapeError(f"{path}: format {head.format}; this version reads format {FORMAT}")
        self.terms = head.terms

    def __iter__(self) -> Iterator[Step]:
        """The steps; one that a crash cut short at the end is left out."""
        at = self._first
        while at + _LENGTH.size <= len(self._data):
            if at + _LENGTH.size + _LENGTH.unpack_from(self._data, at)[0] > len(self._data):
                return
            found, at = self._record(at, Step)
            yield found

    def _record(self, at: int, kind: type[_R]) -> tuple[_R, int]:
        try:
            (length,) = _LENGTH.unpack_from(self._data, at)
            start = at + _LENGTH.size
            record = msgspec.msgpack.decode(self._data[start : start + length], type=kind)
        except (struct.error, msgspec.DecodeError, UnicodeError) as error:
            raise TapeError(f"{self.path}: no tape of a session (at byte {at}: {error})") from None
        return record, start + length
