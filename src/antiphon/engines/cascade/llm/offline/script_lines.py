"""Where in the text of a script file something stands."""

from __future__ import annotations

import re

_SHOWN = 30
"""Characters of a text by which it is found."""


class Lines:
    """Where in a TOML text a table or a key begins; close enough to point at."""

    def __init__(self, text: str) -> None:
        self._lines: dict[tuple[str | int, ...], int] = {}
        self._text = text.splitlines()
        here: tuple[str | int, ...] = ()
        counts: dict[tuple[str | int, ...], int] = {}
        for number, line in enumerate(self._text, 1):
            header = re.match(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]", line)
            key = re.match(r"\s*([\w\"'.-]+)\s*=", line)
            if header:
                here = self._table(header.group(2), header.group(1) == "[[", counts)
                self._lines.setdefault(here, number)
            elif key:
                self._lines.setdefault((*here, *_names(key.group(1))), number)

    def _table(
        self, written: str, many: bool, counts: dict[tuple[str | int, ...], int]
    ) -> tuple[str | int, ...]:
        path: tuple[str | int, ...] = ()
        names = _names(written)
        for index, name in enumerate(names):
            path = (*path, name)
            if many and index == len(names) - 1:
                counts[path] = counts.get(path, -1) + 1
            if path in counts:
                path = (*path, counts[path])
        return path

    def of(self, path: tuple[str | int, ...], quoted: str = "") -> int:
        """That of ``path``, or of the text ``quoted`` below it."""
        while path and path not in self._lines:
            path = path[:-1]
        first = self._lines.get(path, 1)
        begins = re.compile("[\"']" + re.escape(quoted[:_SHOWN]))
        found = (n for n, line in enumerate(self._text[first - 1 :], first) if begins.search(line))
        return next(found, first) if quoted else first


def _names(written: str) -> tuple[str, ...]:
    return tuple(name.strip().strip("\"'") for name in written.split("."))
