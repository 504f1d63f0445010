"""The keyboard: lines typed while the screen is redrawn."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import os
import sys
from collections.abc import Callable
from typing import Self, TextIO


class LineEditor:
    """Keys in, lines out: letters, backspace, Ctrl-U; escape sequences are ignored."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="ignore")
        self._escape = False
        self.draft = ""

    def feed(self, data: bytes) -> list[str]:
        """The lines that these keys completed (an empty one for a bare Enter)."""
        lines = []
        for key in self._decoder.decode(data):
            if self._escape:
                # A sequence ends with a letter or a tilde: ESC [ 1 ; 5 C
                self._escape = not (key.isalpha() or key == "~")
            elif key == "\x1b":
                self._escape = True
            elif key in "\r\n":
                lines.append(self.draft.strip())
                self.draft = ""
            elif key in "\x7f\b":
                self.draft = self.draft[:-1]
            elif key == "\x15":
                self.draft = ""
            elif key.isprintable():
                self.draft += key
        return lines


class Keyboard:
    """Hands over typed lines, with the terminal's own echo switched off; a context manager."""

    def __init__(self, stream: TextIO, on_line: Callable[[str], None]) -> None:
        self._fd = stream.fileno()
        self._on_line = on_line
        self._editor = LineEditor()
        self._restore: Callable[[], None] = lambda: None

    @property
    def draft(self) -> str:
        return self._editor.draft

    def __enter__(self) -> Self:
        # Not on Windows: there nobody types.
        with contextlib.suppress(ImportError):
            import termios
            import tty

            before = termios.tcgetattr(self._fd)
            tty.setcbreak(self._fd)
            self._restore = lambda: termios.tcsetattr(self._fd, termios.TCSADRAIN, before)
            asyncio.get_running_loop().add_reader(self._fd, self._read)
        return self

    def __exit__(self, *_: object) -> None:
        if sys.platform != "win32":
            asyncio.get_running_loop().remove_reader(self._fd)
        self._restore()

    def _read(self) -> None:
        data = os.read(self._fd, 1024)
        if not data:
            asyncio.get_running_loop().remove_reader(self._fd)
        for line in self._editor.feed(data):
            self._on_line(line)
