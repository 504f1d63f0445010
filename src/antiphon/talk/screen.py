"""What the terminal shows, as text: captions, notices, and the status line."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from antiphon.talk import notices
from antiphon.talk.conversation import State
from antiphon.talk.level import bar
from antiphon.talk.notices import Notice

INDENT = 8
METER_COLUMNS = 10


@dataclass(frozen=True)
class Style:
    """Escape sequences; all empty where there are no colours."""

    reset: str = ""
    dim: str = ""
    user: str = ""
    agent: str = ""
    good: str = ""
    busy: str = ""
    bad: str = ""
    cut: str = ""
    cut_open: str = "["
    cut_close: str = "]"

    def paint(self, text: str, code: str) -> str:
        return f"{code}{text}{self.reset}" if code and text else text


PLAIN = Style()
COLOURS = Style(
    reset="\x1b[0m",
    dim="\x1b[2m",
    user="\x1b[36m",
    agent="\x1b[35m",
    good="\x1b[32m",
    busy="\x1b[33m",
    bad="\x1b[31m",
    cut="\x1b[9;31m",
    cut_open="",
    cut_close="",
)


@dataclass(frozen=True)
class Status:
    """What the status line tells.

    Attributes:
        heard, coming: The words of the reply that have been heard, and those to come.
        name: The file that is being sent.
        draft: What the user is typing; None where nobody can type.
        asks: What the user is asked for instead of a message.
        quality: Of the connection, in a word.
    """

    state: State
    user_db: float
    agent_db: float
    elapsed_ms: float
    turns: int
    last_ms: float | None = None
    heard: str = ""
    coming: str = ""
    name: str | None = None
    draft: str | None = None
    asks: str | None = None
    quality: str | None = None


# --- Columns ---------------------------------------------------------------------


def columns(text: str) -> int:
    """How many columns a text takes."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def head(text: str, width: int) -> str:
    """As much of the start of a text as fits."""
    taken = 0
    for at, character in enumerate(text):
        taken += columns(character)
        if taken > width:
            return text[:at]
    return text


def tail(text: str, width: int) -> str:
    """As much of the end of a text as fits, with a mark where it begins later."""
    if columns(text) <= width:
        return text
    return "…" + head(text[::-1], width - 1)[::-1]


def printable(text: str) -> str:
    """Without control characters: what others say must not steer the terminal."""
    return "".join(c if c.isprintable() else " " for c in text)


def block(label: str, parts: list[tuple[str, str]], width: int, style: Style, code: str) -> str:
    """A labelled paragraph with a hanging indent; `parts` are texts and their escape sequences."""
    lines = [style.paint(label.ljust(INDENT), code)]
    used = INDENT
    before = ""
    for text, part_code in parts:
        for word in printable(text).split():
            taken = columns(word)
            if used > INDENT and used + 1 + taken > width:
                lines.append(" " * INDENT)
                used = INDENT
            space = " " if used > INDENT else ""
            if part_code == before:  # The stroke runs on through the spaces between words.
                lines[-1] += style.paint(space + word, part_code)
            else:
                lines[-1] += space + style.paint(word, part_code)
            before = part_code
            used += len(space) + taken
    return "\n".join(lines)


# --- Notices -----------------------------------------------------------------------


def _seconds(ms: float) -> str:
    return f"{ms / 1000:.2f} s"


def render(notice: Notice, width: int, style: Style) -> str | None:
    """The lines that stay on the screen; None for what only the live part shows."""

    def line(label: str, text: str, code: str = "") -> str:
        return block(label, [(text, style.dim if code == style.dim else "")], width, style, code)

    match notice:
        case notices.UserSaid(final=True):
            return line("you", notice.text or "(no words)", style.user)
        case notices.AgentSaid():
            parts = [(notice.text, "")]
            if notice.cut:
                cut = f"{style.cut_open}{notice.cut}{style.cut_close}"
                parts.append((cut, style.cut))
            elif not notice.text:
                parts = [("(sound without words)", style.dim)]
            return block("agent", parts, width, style, style.agent)
        case notices.TurnTimed():
            return line("", _timing(notice), style.dim)
        case notices.ToolCalled():
            return line("tool", f"{notice.name}({notice.arguments})", style.busy)
        case notices.ToolAnswered():
            return line("", f"→ {notice.output}")
        case notices.ServerError():
            where = f" [{notice.param}]" if notice.param else ""
            return line("error", notice.message + where, style.bad)
        case notices.ReplyFailed():
            return line("failed", f"the reply ended early: {notice.reason}", style.bad)
        case notices.Connected():
            return line("", _connected(notice), style.dim)
        case notices.Reconnecting():
            return line("lost", f"{notice.why}; back in {_seconds(notice.delay_ms)}", style.bad)
        case notices.Rebuilt():
            left_out = f", {notice.left_out} without words left out" if notice.left_out else ""
            return line("", f"conversation rebuilt: {notice.items} items{left_out}", style.dim)
        case notices.Note():
            return line("note", notice.text, style.busy)
        case notices.Summary() if notice.turns or notice.sent_s:
            return line("", _summary(notice), style.dim)
        case _:
            return None


def _connected(notice: notices.Connected) -> str:
    parts = ["connected again" if notice.again else "connected"]
    if notice.goes_on is not None:
        parts.append(f"the {notice.goes_on} goes on")
    if notice.engine:
        parts.append(f"engine {notice.engine}")
    if notice.voice:
        parts.append(f"voice {notice.voice}")
    if notice.model:
        parts.append(f"model asked for: {notice.model}")
    return " · ".join(parts)


def _timing(notice: notices.TurnTimed) -> str:
    parts = []
    if notice.sound_after_speech_ms is not None:
        after = _seconds(notice.sound_after_speech_ms)
        parts.append(f"first sound {after} after the last word")
    if notice.sound_after_ms is not None:
        after = f"{_seconds(notice.sound_after_ms)} after the turn ended"
        parts.append(after if parts else f"first sound {after}")
    if notice.audio_after_ms is not None:
        parts.append(f"first audio message {_seconds(notice.audio_after_ms)}")
    return " · ".join(parts)


def _summary(notice: notices.Summary) -> str:
    parts = [f"{notice.turns} turn{'s' if notice.turns != 1 else ''}"]
    if notice.median_ms is not None and notice.max_ms is not None:
        parts.append(
            f"first sound after {_seconds(notice.median_ms)} (median), "
            f"{_seconds(notice.max_ms)} (longest)"
        )
    parts.append(f"{notice.sent_s:.1f} s sent, {notice.heard_s:.1f} s heard")
    if notice.gaps:
        parts.append(f"{notice.gaps} gap{'s' if notice.gaps != 1 else ''} in the sound")
    if notice.connection:
        parts.append(f"connection {notice.connection}")
    if notice.reconnections:
        parts.append(f"reconnected {notice.reconnections}×")
    return " · ".join(parts)


# --- The live part --------------------------------------------------------------------


def status_line(status: Status, width: int, style: Style) -> str:
    colour = {
        State.LISTENING: style.good,
        State.HEARING: style.user,
        State.SPEAKING: style.agent,
        State.RECONNECTING: style.bad,
    }.get(status.state, style.busy)
    seconds = int(status.elapsed_ms / 1000)
    pieces = [
        (f"● {status.state:<15}", colour),
        ("you ", style.dim),
        (f"▕{bar(status.user_db, METER_COLUMNS)}▏", style.user),
        (" agent ", style.dim),
        (f"▕{bar(status.agent_db, METER_COLUMNS)}▏", style.agent),
        (f" {seconds // 60}:{seconds % 60:02}", ""),
        (f"  turn {status.turns}", style.dim),
        (f"  {_seconds(status.last_ms)}" if status.last_ms is not None else "", ""),
        (f"  ▶ {printable(status.name)}" if status.name else "", style.dim),
        (f"  ⇅ {status.quality}" if status.quality else "", style.dim),
    ]
    out, left = "", width
    for text, code in pieces:
        shown = head(text, left)
        left -= columns(shown)
        out += style.paint(shown, code)
    return out


def _caption(heard: str, coming: str, room: int, style: Style) -> str:
    """One line around the word that is being spoken; what is to come is dim."""
    heard, coming = printable(heard).strip(), printable(coming).strip()
    if heard and coming:
        heard += " "
    space = max(room - columns(coming), room * 2 // 3)
    shown = tail(heard, space)
    return shown + style.paint(head(coming, room - columns(shown)), style.dim)


def live_lines(user: str, status: Status, width: int, style: Style, *, hint: str) -> list[str]:
    """The part that is redrawn: what is being said, the status, what is being typed."""
    lines = []
    room = width - INDENT
    if user:
        shown = tail(printable(user).strip(), room)
        lines.append(style.paint("you".ljust(INDENT), style.user) + style.paint(shown, style.dim))
    if status.heard or status.coming:
        caption = _caption(status.heard, status.coming, room, style)
        lines.append(style.paint("agent".ljust(INDENT), style.agent) + caption)
    lines.append(status_line(status, width, style))
    if status.draft is not None:
        hint = "type the result, then Enter" if status.asks else hint
        prompt = f"{status.asks} › " if status.asks else "› "
        lines.append(
            style.paint(head(prompt, width), style.busy)
            + (
                tail(status.draft, max(1, width - columns(prompt) - 1)) + "▏"
                if status.draft
                else style.paint(head(hint, max(0, width - columns(prompt))), style.dim)
            )
        )
    return lines
