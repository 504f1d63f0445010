"""Write the table of faults in docs/guides/mock.md from `antiphon.mock.FAULTS`.

With --check: exit 1 if the page is not what this would write.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from antiphon.mock.faults import by_place

PAGE = Path(__file__).parent.parent / "docs" / "guides" / "mock.md"
BEGIN = "<!-- faults: written by scripts/fault_table.py -->\n"
END = "<!-- end -->"


def table() -> str:
    rows = ["| Strikes | Fault | What happens | `ms` |", "|---|---|---|---|"]
    for kind in by_place():
        where = f"{kind.place} ({kind.needs})" if kind.needs else kind.place
        ms = "" if kind.ms is None else f"{kind.ms:,}"
        rows.append(f"| {where} | `{kind.name}` | {kind.sentence} | {ms} |")
    return "\n".join(rows) + "\n"


def page(text: str) -> str:
    pattern = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.DOTALL)
    return pattern.sub(lambda _: BEGIN + table() + END, text)


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    if "--check" in sys.argv:
        sys.exit(page(text) != text)
    PAGE.write_text(page(text), encoding="utf-8")
