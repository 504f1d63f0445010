"""The examples do what they say, and the guides show them as they are."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import wave
from pathlib import Path

import pytest

from tests.server_process import ServerProcess

ROOT = Path(__file__).parents[2]
SHOWN = re.compile(r"<!-- (examples/[\w/]+\.\w+) -->\n```\w+\n(.*?)```", re.DOTALL)
STOCK = ["examples/stock_openai.py", "examples/stock_agents.py"]
PAGES = [
    f"examples/web_page/{name}"
    for name in ("backend.py", "agents.html", "bare.html", "client.html")
]


def run(example: str, url: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / example)],
        env={**os.environ, "ANTIPHON_URL": url},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_official_sdk(offline_server: ServerProcess, tmp_path: Path) -> None:
    said = run("stock_openai.py", f"{offline_server.url}/v1", tmp_path)
    assert said == "Six times ten is sixty.\n"
    with wave.open(str(tmp_path / "reply.wav")) as reply:
        assert reply.getnframes() / reply.getframerate() > 1


def test_the_official_agents_sdk(offline_server: ServerProcess, tmp_path: Path) -> None:
    said = run("stock_agents.py", f"{offline_server.websocket_url}/v1", tmp_path)
    assert said == "We are open from nine to five.\n"


@pytest.mark.parametrize(
    ("page", "examples"),
    [("README.md", STOCK), ("docs/guides/clients.md", STOCK), ("docs/guides/browser.md", PAGES)],
)
def test_a_page_shows_the_examples_as_they_are(page: str, examples: list[str]) -> None:
    shown = SHOWN.findall((ROOT / page).read_text(encoding="utf-8"))
    for path, text in shown:
        assert text == (ROOT / path).read_text(encoding="utf-8")
    assert [path for path, _ in shown] == examples
