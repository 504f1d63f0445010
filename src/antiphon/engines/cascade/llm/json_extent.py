"""Where a JSON object that comes in pieces ends.  No I/O; each character is looked at once."""

from __future__ import annotations

import re

_MARKS = re.compile(r'[{}\[\]"\\]')
_INSIDE = re.compile(r"[^\s{}\[\]]|[{\[].*[{\[]", re.DOTALL)


class JsonExtent:
    """The text of one value, as far as it has come."""

    def __init__(self) -> None:
        self.text = ""
        self._depth = 0
        self._in_string = False
        self._escaped = False
        self._is_object = False
        self._is_filled = False

    @property
    def is_closed(self) -> bool:
        """A whole object: more text cannot belong to it."""
        return self._is_object and self._depth == 0

    @property
    def is_filled(self) -> bool:
        """An object that holds something already."""
        return self._is_object and self._is_filled

    def add(self, piece: str) -> str:
        """Take what belongs to the value; the rest is what comes after its end."""
        if self.is_closed:
            return piece
        if not self.text.strip() and piece.strip():
            self._is_object = piece.lstrip()[0] in "{["
        end = self._end_in(piece)
        self.text += piece[:end]
        if not self._is_filled:
            self._is_filled = bool(_INSIDE.search(self.text))
        return piece[end:]

    def _end_in(self, piece: str) -> int:
        """How much of the piece belongs to the value."""
        start = 1 if self._escaped else 0
        self._escaped = self._escaped and not piece
        for mark in _MARKS.finditer(piece, start):
            at, letter = mark.start(), mark[0]
            if at < start:
                continue  # It was escaped.
            if self._in_string:
                if letter == "\\":
                    start = at + 2
                    self._escaped = start > len(piece)
                elif letter == '"':
                    self._in_string = False
            elif letter == '"':
                self._in_string = True
            elif letter in "{[":
                self._depth += 1
            elif letter in "}]" and self._depth:
                self._depth -= 1
                if not self._depth:
                    return at + 1
        return len(piece)
