"""The ways to show a conversation: live on a terminal, as plain lines, as JSON lines."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Protocol, TextIO

import msgspec

from antiphon.talk import notices
from antiphon.talk.notices import Notice
from antiphon.talk.screen import PLAIN, Status, Style, live_lines, render

FRAME_MS = 1000 / 15
PLAIN_COLUMNS = 10_000
"""Lines that go to a file or a pipe are not broken."""


class View(Protocol):
    def show(self, notice: Notice, now_ms: float, /) -> None: ...
    def draw(self, status: Status, now_ms: float, /) -> None:
        """Called often; draws when it is time."""

    def close(self) -> None: ...


class JsonView:
    """One JSON line for each notice, with `at_ms`; what is not final is left out."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def show(self, notice: Notice, now_ms: float) -> None:
        if isinstance(notice, notices.AgentSaying):
            return
        if isinstance(notice, notices.UserSaid) and not notice.final:
            return
        line = {"at_ms": round(now_ms), **msgspec.to_builtins(notice)}
        self._out.write(msgspec.json.encode(line).decode() + "\n")
        self._out.flush()

    def draw(self, status: Status, now_ms: float) -> None:
        pass

    def close(self) -> None:
        pass


class PlainView:
    """Lines, for a pipe or a file."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def show(self, notice: Notice, _now_ms: float) -> None:
        text = render(notice, PLAIN_COLUMNS, PLAIN)
        if text is not None:
            self._out.write(text.rstrip() + "\n")
            self._out.flush()

    def draw(self, status: Status, now_ms: float) -> None:
        pass

    def close(self) -> None:
        pass


def _terminal_columns() -> int:
    return shutil.get_terminal_size().columns


class LiveView:
    """Captions that stay scroll up; below them a few lines are redrawn, 15 times a second."""

    def __init__(
        self,
        out: TextIO,
        style: Style,
        *,
        hint: str = "",
        width: Callable[[], int] = _terminal_columns,
    ) -> None:
        self._out = out
        self._style = style
        self._hint = hint
        self._width = width
        self._user: dict[str, str] = {}
        self._drawn: list[str] = []
        self._drawn_ms = -FRAME_MS
        self._out.write("\x1b[?25l")

    def show(self, notice: Notice, _now_ms: float) -> None:
        match notice:
            case notices.UserSaid(final=False):
                self._user[notice.item_id] = notice.text
            case notices.UserSaid():
                self._user.pop(notice.item_id, None)
        text = render(notice, self._columns(), self._style)
        if text is not None:
            self._out.write(f"{self._erase()}{text}\n")
            self._drawn = []
            self._drawn_ms = -FRAME_MS
            self._out.flush()

    def draw(self, status: Status, now_ms: float) -> None:
        if now_ms - self._drawn_ms < FRAME_MS:
            return
        lines = live_lines(
            next(iter(self._user.values()), ""),
            status,
            self._columns(),
            self._style,
            hint=self._hint,
        )
        self._drawn_ms = now_ms
        if lines != self._drawn:
            self._out.write(self._erase() + "\n".join(lines))
            self._out.flush()
            self._drawn = lines

    def close(self) -> None:
        self._out.write(self._erase() + "\x1b[?25h")
        self._out.flush()
        self._drawn = []

    def _columns(self) -> int:
        # The last column stays free: some terminals wrap when it is written.
        return max(20, self._width() - 1)

    def _erase(self) -> str:
        up = len(self._drawn) - 1
        return ("\r" + (f"\x1b[{up}A" if up > 0 else "") + "\x1b[J") if self._drawn else ""
