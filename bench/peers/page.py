"""The page and the picture, from what one run has found."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from found import Found, Row
from roster import Peer

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "peers.md"
TEMPLATE = Path(__file__).parent / "page.md.in"
PICTURE = ROOT / "docs" / "images" / "peers.svg"
REQUIREMENTS = Path(__file__).parent / "requirements"
NAMED = {
    "Pipecat": ("pipecat", "pipecat-ai"),
    "LiveKit Agents": ("livekit", "livekit-agents"),
    "speech-to-speech": ("speech_to_speech", "speech-to-speech"),
    "FastRTC": ("fastrtc", "fastrtc"),
    "aiortc": ("floors", "aiortc"),
    "`websockets`": ("floors", "websockets"),
}
NOTHING = "-"
EMPTY = " | ".join([NOTHING] * 9)


def carried(rows: Sequence[Row]) -> str:
    """The most sessions whose speech was in time; "≥": no step was late."""
    fits = [row.sessions for row in rows if row.step.is_in_time]
    late = [row for row in rows if not row.step.is_in_time]
    if not fits:
        return NOTHING if any(r.step.callers_were_late for r in late) else f"< {late[0].sessions}"
    is_open = not late or any(row.step.callers_were_late for row in late)
    return f"≥ {max(fits)}" if is_open else f"{max(fits)} (not {min(r.sessions for r in late)})"


def heavy(rows: Sequence[Row]) -> Row:
    """The fullest step that was in time; of several sessions, if there is one."""
    steps = [row for row in rows if row.sessions > 1] or list(rows)
    return max(
        (row for row in steps if row.step.is_in_time),
        key=lambda row: row.sessions,
        default=steps[0],
    )


def light(rows: Sequence[Row]) -> Row:
    """The first step with several sessions, of those that were in time, if there is one."""
    steps = [row for row in rows if row.sessions > 1] or list(rows)
    return next((row for row in steps if row.step.is_in_time), steps[0])


def _cell(value: float | None, digits: int = 0) -> str:
    return NOTHING if value is None else f"{value:.{digits}f}"


def line(peer: Peer, rows: Sequence[Row]) -> str:
    if not rows:
        return f"| {peer.title} | {EMPTY} |"
    full, easy = heavy(rows), light(rows)
    answers = easy.answered > 0
    cells = [
        peer.title,
        carried(rows),
        f"{_cell(full.cpu_ms_per_session_s, 1)} at {full.sessions}",
        _cell(easy.beyond_window_p50_ms if answers else None),
        _cell(easy.beyond_window_p99_ms if answers else None),
        _cell(easy.silence_p50_ms),
        _cell(full.memory_mib_per_session, 2),
        _cell(easy.connect_p50_ms),
        f"{easy.answered} of {easy.turns}" if answers else NOTHING,
        _cell(full.callers_late_p99_ms, 1),
    ]
    return "| " + " | ".join(cells) + " |"


def write(found: Found, peers: Sequence[Peer]) -> None:
    rows = {name: outcome.rows for name, outcome in found.outcomes.items()}
    problems = [
        f"- {peer.title.strip('*')}: {escape(outcome.problem, quote=False)}"
        for peer in peers
        if (outcome := found.outcomes.get(peer.name)) and outcome.problem
    ]
    PICTURE.write_text(draw(found, peers))
    where = found.conditions
    PAGE.write_text(
        TEMPLATE.read_text().format(
            lines="\n".join(line(peer, rows.get(peer.name, [])) for peer in peers),
            problems="\n".join(problems) or "Nothing.",
            versions=", ".join(f"{name} {_version(*at)}" for name, at in NAMED.items()),
            cpu=where["cpu"],
            cores=where["cores"],
            python=where["python"],
            at=str(where["at"])[:10],
        )
    )
    print(f"written to {PAGE} and {PICTURE}")


def _version(file: str, package: str) -> str:
    lines = (REQUIREMENTS / f"{file}.txt").read_text().splitlines()
    return next(at.partition("==")[2] for at in lines if at.startswith(f"{package}=="))


def draw(found: Found, peers: Sequence[Peer]) -> str:
    """CPU of a session, as a bar for each peer: less is better."""
    bars = []
    for peer in peers:
        if (outcome := found.outcomes.get(peer.name)) and outcome.rows:
            cpu = heavy(outcome.rows).cpu_ms_per_session_s
            bars.append((peer, cpu, carried(outcome.rows)))
    most = max((cpu for _, cpu, _ in bars), default=1.0) or 1.0
    tall = 60 + 40 * len(bars)
    font = 'font-family="system-ui, sans-serif" font-size="13"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 940 {tall}" role="img">',
        "<title>CPU that a session costs, and sessions that a core carries</title>",
        f'<rect width="940" height="{tall}" fill="#fbfaf7"/>',
        f'<text x="20" y="28" {font} fill="#22221f">'
        "ms of CPU for each second of a session · sessions on one core</text>",
    ]
    for at, (peer, cpu, sessions) in enumerate(bars):
        y = 46 + 40 * at
        fill = "#3f7d58" if peer.venv is None else "#d9d4c8" if peer.is_floor else "#b9b2a3"
        title = escape(peer.title.replace("*", "").replace("`", ""))
        parts += [
            f'<text x="20" y="{y + 18}" {font} fill="#22221f">{title}</text>',
            f'<rect x="320" y="{y}" width="{max(1, 400 * cpu / most):.0f}" height="26" '
            f'fill="{fill}"/>',
            f'<text x="{330 + 400 * cpu / most:.0f}" y="{y + 18}" {font} fill="#5c5a53">'
            f"{cpu:.1f} ms · {escape(sessions)} sessions</text>",
        ]
    return "\n".join([*parts, "</svg>", ""])
