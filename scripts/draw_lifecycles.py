"""Draws the lifecycle tables of the core into docs/concepts/core.md.

python scripts/draw_lifecycles.py          write them
python scripts/draw_lifecycles.py --check  exit with 1 where the page is out of date
"""

from __future__ import annotations

import importlib
import pkgutil
import re
import sys
from pathlib import Path
from typing import Any

import antiphon.core
from antiphon.core.lifecycle import Lifecycle

PAGE = Path(__file__).parent.parent / "docs" / "concepts" / "core.md"
_PLACE = re.compile(r"(<!-- lifecycle: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def tables() -> dict[str, Lifecycle[Any, Any]]:
    """Every lifecycle of the core, by name."""
    found = {}
    for module in pkgutil.iter_modules(antiphon.core.__path__, "antiphon.core."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, Lifecycle):
                found[value.name] = value
    return found


def draw(table: Lifecycle[Any, Any]) -> str:
    """A Mermaid state diagram; moves between the same two phases share an arrow."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for (phase, move), target in table.moves.items():
        arrows.setdefault((phase.name, target.name), []).append(move.name.lower())
    first = next(iter(table.moves))[0]
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {first.name.lower()}"]
    for (phase, target), moves in arrows.items():
        lines.append(f"    {phase.lower()} --> {target.lower()}: {', '.join(moves)}")
    last = {t.name for t in table.moves.values()} - {phase.name for phase, _ in table.moves}
    lines += [f"    {name.lower()} --> [*]" for name in sorted(last)]
    return "\n".join([*lines, "```", ""])


def with_drawings(text: str) -> str:
    """The page's text, each lifecycle drawn anew at its place."""
    found = tables()
    placed = {match[2] for match in _PLACE.finditer(text)}
    missing = found.keys() - placed
    if missing:
        raise SystemExit(f"{PAGE.name} has no place for: {', '.join(sorted(missing))}")
    return _PLACE.sub(lambda m: m[1] + draw(found[m[2]]) + m[3], text)


def main() -> int:
    text = PAGE.read_text()
    drawn = with_drawings(text)
    if "--check" in sys.argv:
        return int(drawn != text)
    PAGE.write_text(drawn)
    return 0


if __name__ == "__main__":
    sys.exit(main())
