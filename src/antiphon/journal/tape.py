"""The tape of a session: its terms, and all its causes with what followed.

Msgpack messages, each after its length (4 bytes, little-endian): first a `Head`, then `Step`s.  It
holds what was said, and is written only where the operator asks for it: into a file, or by pieces
into the conversation's log (`Taped`).
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
PIECE_BYTES = 16 * 1024
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


class _Recorder:
    """Looks on at one session (`antiphon.runtime.observer`) and writes down all of it."""

    def __init__(self, terms: Terms) -> None:
        self._encoder = msgspec.msgpack.Encoder()
        self._record(Head(FORMAT, terms))

    def saw(self, now_ms: Ms, cause: Cause, effects: Sequence[Effect]) -> None:
        self._record(step(now_ms, cause, effects))

    def _record(self, record: Struct) -> None:
        data = self._encoder.encode(record)
        self._write(_LENGTH.pack(len(data)) + data)

    def _write(self, data: bytes) -> None:
        raise NotImplementedError


class TapeWriter(_Recorder):
    """Into a file."""

    def __init__(self, path: Path, terms: Terms) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("wb")
        super().__init__(terms)

    def close(self) -> None:
        self._file.close()

    def _write(self, data: bytes) -> None:
        self._file.write(data)


class TapePieces(_Recorder):
    """By pieces, to be put together again.

    Args:
        keep: Is given `PIECE_BYTES` or more at a time, and the rest at the end; of a process that
            dies that rest is lost.
    """

    def __init__(self, terms: Terms, keep: Callable[[bytes], None]) -> None:
        self._keep = keep
        self._waiting = bytearray()
        super().__init__(terms)

    def close(self) -> None:
        if self._waiting:
            self._keep(bytes(self._waiting))
            self._waiting.clear()

    def _write(self, data: bytes) -> None:
        self._waiting += data
        if len(self._waiting) >= PIECE_BYTES:
            self.close()


def tapes_in(folder: Path) -> Callable[[Terms], TapeWriter]:
    """For each session a tape of its own, named after it."""
    return lambda terms: TapeWriter(folder / f"{terms.session.id}.tape", terms)


class Tape:
    """A recorded session.

    Attributes:
        name: What problems are told of.
    """

    def __init__(self, path: Path) -> None:
        """Raises:
        TapeError: with the file's name and what is wrong with it.
        """
        try:
            data = path.read_bytes()
        except OSError as error:
            raise TapeError(f"{path}: {error.strerror}") from None
        self._begin(data, str(path))

    @classmethod
    def of(cls, data: bytes, name: str) -> Tape:
        """From what `TapePieces` gave away, put together.

        Raises:
            TapeError: as above.
        """
        tape = cls.__new__(cls)
        tape._begin(data, name)
        return tape

    def _begin(self, data: bytes, name: str) -> None:
        self.name = name
        self._data = data
        head, self._first = self._record(0, Head)
        if head.format != FORMAT:
            raise TapeError(f"{name}: format {head.format}; this version reads format {FORMAT}")
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
            raise TapeError(f"{self.name}: no tape of a session (at byte {at}: {error})") from None
        return record, start + length
