"""The guides show the examples as they are; that they do what they say is `test_commands`'s."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHOWN = re.compile(r"<!-- (examples/[\w/]+\.\w+) -->\n```\w+\n(.*?)```", re.DOTALL)
STOCK = ["examples/stock_openai.py", "examples/stock_agents.py"]
PAGES = [
    f"examples/web_page/{name}"
    for name in ("backend.py", "agents.html", "bare.html", "client.html")
]


@pytest.mark.parametrize(
    ("page", "examples"),
    [("README.md", STOCK), ("docs/guides/clients.md", STOCK), ("docs/guides/browser.md", PAGES)],
)
def test_a_page_shows_the_examples_as_they_are(page: str, examples: list[str]) -> None:
    shown = SHOWN.findall((ROOT / page).read_text(encoding="utf-8"))
    for path, text in shown:
        assert text == (ROOT / path).read_text(encoding="utf-8")
    assert [path for path, _ in shown] == examples
