"""Draws the rooms of Antiphon into docs/images/rooms.svg: its packages, and who may enter which.

python scripts/draw_rooms.py          draw them
python scripts/draw_rooms.py --check  exit with 1 where the picture is out of date

The doors are those of the table in tests/test_layers.py; a room stands above all that it may enter.
"""

from __future__ import annotations

import runpy
import sys
from html import escape
from pathlib import Path

ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "docs" / "images" / "rooms.svg"
PURPOSE = {
    "cli": "the antiphon command",
    "pytest_plugin": "fixtures for those who build on it",
    "mock": "an upstream to test against",
    "testing": "fakes, kits, a whole server for a test",
    "processes": "several that are one server",
    "server": "HTTP: who comes in, where all is wired",
    "talk": "a client for the terminal",
    "bench": "callers that load and measure",
    "direct": "calls held elsewhere, followed here",
    "transports": "bytes and packets ⇄ events and sound",
    "runtime": "one live session; who is live",
    "journal": "what is written down",
    "profiles": "what users agreed to have remembered",
    "metering": "usage → lines → money",
    "telemetry": "where a turn's time went",
    "engines": "what answers",
    "upstream": "a client of other Realtime servers",
    "core": "the conversation: cause in, effects out",
    "protocol": "the Realtime API's messages as types",
    "audio": "arithmetic on samples",
    "downloads": "models: brought when asked for",
    "identity": "who somebody is, and what they may",
    "limits": "how much, how often: arithmetic on rates",
    "errors": "what is raised",
}
WIDTH, MARGIN, ROOM_HEIGHT, GAP, STOREY = 980, 24, 74, 18, 132
FONT = 'font-family="system-ui, sans-serif"'


def doors() -> dict[str, set[str]]:
    """Room → the rooms that it may enter, be it only for their words (`core.causes`)."""
    table: dict[str, set[str]] = runpy.run_path(str(ROOT / "tests" / "test_layers.py"))[
        "MAY_IMPORT"
    ]
    found = {}
    for room, may in table.items():
        entered = set(table) - {room} if "*" in may else {name.split(".")[0] for name in may}
        found[room] = entered - {room}
    return found


def storeys(found: dict[str, set[str]]) -> list[list[str]]:
    """From the ground up: each room above all that it may enter."""
    height: dict[str, int] = {}

    def of(room: str) -> int:
        if room not in height:
            height[room] = 1 + max((of(below) for below in found[room]), default=-1)
        return height[room]

    top = max(of(room) for room in found)
    return [sorted(room for room in found if height[room] == at) for at in range(top + 1)]


def draw() -> str:
    found = doors()
    levels = storeys(found)
    tall = MARGIN * 2 + STOREY * len(levels) - (STOREY - ROOM_HEIGHT)
    place: dict[str, tuple[float, float, float]] = {}
    for level, rooms in enumerate(levels):
        wide = (WIDTH - 2 * MARGIN - GAP * (len(rooms) - 1)) / len(rooms)
        wide = min(wide, 300)
        left = (WIDTH - wide * len(rooms) - GAP * (len(rooms) - 1)) / 2
        y = tall - MARGIN - STOREY * level - ROOM_HEIGHT
        for at, room in enumerate(rooms):
            place[room] = (left + at * (wide + GAP), y, wide)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {tall}" role="img">',
        "<title>The rooms of Antiphon, and who may enter which</title>",
        f'<rect width="{WIDTH}" height="{tall}" fill="#fbfaf7"/>',
    ]
    for room, entered in found.items():
        for below in sorted(_drawn(entered, found)):
            (x1, y1, w1), (x2, y2, w2) = place[room], place[below]
            parts.append(
                f'<path d="M{x1 + w1 / 2:.0f} {y1 + ROOM_HEIGHT:.0f} C {x1 + w1 / 2:.0f} '
                f"{y1 + ROOM_HEIGHT + 34:.0f} {x2 + w2 / 2:.0f} {y2 - 34:.0f} "
                f'{x2 + w2 / 2:.0f} {y2:.0f}" fill="none" stroke="#b9b2a3" stroke-width="1.4"/>'
            )
    for room, (x, y, wide) in place.items():
        fill = "#e9f1ec" if room == "core" else "#ffffff"
        parts += [
            f'<rect x="{x:.0f}" y="{y:.0f}" width="{wide:.0f}" height="{ROOM_HEIGHT}" rx="10" '
            f'fill="{fill}" stroke="#4a4a45"/>',
            f'<text x="{x + wide / 2:.0f}" y="{y + 31:.0f}" text-anchor="middle" {FONT} '
            f'font-size="18" font-weight="600" fill="#22221f">{room}</text>',
            f'<text x="{x + wide / 2:.0f}" y="{y + 54:.0f}" text-anchor="middle" {FONT} '
            f'font-size="11.5" fill="#5c5a53">{escape(PURPOSE[room])}</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])


def _drawn(entered: set[str], found: dict[str, set[str]]) -> set[str]:
    """The doors that no longer way says already: through a room between.  All may enter errors."""
    return {
        below
        for below in entered - {"errors"}
        if not any(below in found[between] for between in entered if between != below)
    }


def main() -> int:
    drawn = draw()
    if "--check" in sys.argv:
        return int(not PICTURE.exists() or PICTURE.read_text() != drawn)
    PICTURE.write_text(drawn)
    return 0


if __name__ == "__main__":
    sys.exit(main())
