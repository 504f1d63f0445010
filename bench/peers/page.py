"""The page and the picture, from the CSV of one run."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

Row = Mapping[str, str]
ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "peers.md"
TEMPLATE = Path(__file__).parent / "page.md.in"
PICTURE = ROOT / "docs" / "images" / "peers.svg"
LATE_MS = 20
CALLERS_LATE_MS = 10
NAMES = {
    "websockets-echo": "`websockets`, echo (floor)",
    "antiphon-websocket": "**Antiphon, WebSocket**",
    "pipecat-websocket": "Pipecat, FastAPI WebSocket",
    "aiortc-echo": "aiortc, echo (floor)",
    "antiphon-webrtc": "**Antiphon, WebRTC**",
    "pipecat-webrtc": "Pipecat, SmallWebRTC",
}


def read(table: Path) -> dict[str, list[Row]]:
    """Steps by peer."""
    found: dict[str, list[Row]] = {}
    with table.open() as file:
        for row in csv.DictReader(file):
            found.setdefault(row["peer"], []).append(row)
    return found


def carried(rows: Sequence[Row]) -> str:
    """The most sessions whose speech was in time; "≥": not the server was the limit."""
    fits = [int(r["sessions"]) for r in rows if _is_in_time(r)]
    last = rows[-1]
    is_open = _is_in_time(last) or float(last["callers_late_p99_ms"] or 0) > CALLERS_LATE_MS
    if not fits:
        return "-" if is_open else f"< {rows[0]['sessions']}"
    return f"≥ {max(fits)}" if is_open else str(max(fits))


def _is_in_time(row: Row) -> bool:
    late = row["lateness_p99_ms"]
    return bool(late) and float(late) <= LATE_MS and row["connected"] == row["sessions"]


def _cell(row: Row, key: str, digits: int = 0) -> str:
    return f"{float(row[key]):.{digits}f}" if row[key] else "-"


def _line(name: str, rows: Sequence[Row] | None) -> str:
    title = NAMES.get(name, name)
    if not rows:
        return f"| {title} | - | - | - | - | - | - | - |"
    light = rows[min(1, len(rows) - 1)]
    heavy = max((r for r in rows if _is_in_time(r)), key=_sessions, default=rows[0])
    cpu = f"{_cell(heavy, 'cpu_ms_per_session_s', 1)} at {heavy['sessions']}"
    cells = [
        title,
        carried(rows),
        cpu,
        _cell(light, "beyond_window_p50_ms") if int(light["answered"]) else "-",
        _cell(light, "silence_p50_ms"),
        _cell(heavy, "rss_mib_per_session", 2),
        _cell(light, "connect_p50_ms"),
        _cell(light, "callers_late_p99_ms", 1),
    ]
    return "| " + " | ".join(cells) + " |"


def _sessions(row: Row) -> int:
    return int(row["sessions"])


def write(found: Mapping[str, Sequence[Row]], names: Sequence[str], where: object) -> None:
    assert isinstance(where, dict)
    PICTURE.write_text(draw(found, names))
    lines = "\n".join(_line(name, found.get(name)) for name in names)
    PAGE.write_text(
        TEMPLATE.read_text().format(
            lines=lines,
            cpu=where["cpu"],
            cores=where["cores"],
            python=where["python"],
            at=str(where["at"])[:10],
        )
    )
    print(f"written to {PAGE} and {PICTURE}")


def draw(found: Mapping[str, Sequence[Row]], names: Sequence[str]) -> str:
    """CPU of a session, as a bar for each peer: less is better."""
    bars = []
    for name in names:
        if rows := found.get(name):
            heavy = max((r for r in rows if _is_in_time(r)), key=_sessions, default=rows[0])
            bars.append((name, float(heavy["cpu_ms_per_session_s"]), carried(rows)))
    most = max((cpu for _, cpu, _ in bars), default=1.0) or 1.0
    tall = 60 + 40 * len(bars)
    font = 'font-family="system-ui, sans-serif" font-size="13"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 860 {tall}" role="img">',
        "<title>CPU that a session costs, and sessions that a core carries</title>",
        f'<rect width="860" height="{tall}" fill="#fbfaf7"/>',
        f'<text x="20" y="28" {font} fill="#22221f">'
        "ms of CPU for each second of a session · sessions on one core</text>",
    ]
    for at, (name, cpu, sessions) in enumerate(bars):
        y = 46 + 40 * at
        fill = "#3f7d58" if name.startswith("antiphon") else "#b9b2a3"
        title = escape(NAMES.get(name, name).replace("*", "").replace("`", ""))
        parts += [
            f'<text x="20" y="{y + 19}" {font} fill="#22221f">{title}</text>',
            f'<rect x="240" y="{y}" width="{max(1, 420 * cpu / most):.0f}" height="26" '
            f'fill="{fill}"/>',
            f'<text x="{250 + 420 * cpu / most:.0f}" y="{y + 19}" {font} fill="#5c5a53">'
            f"{cpu:.1f} ms · {escape(sessions)} sessions</text>",
        ]
    return "\n".join([*parts, "</svg>", ""])
