"""The guides for who runs a server or adds to it: their code runs, their texts are the code's."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from antiphon.testing import check_engine, run_in_virtual_time, serving

ROOT = Path(__file__).parents[2]
GUIDES = ROOT / "docs" / "guides"
FOLDED = re.compile(r'"\s*\n\s*f?"')


@pytest.fixture(scope="module")
def guide() -> dict[str, Any]:
    """What the code of add-an-engine.md defines."""
    text = (GUIDES / "add-an-engine.md").read_text()
    names: dict[str, Any] = {"__name__": "guide"}
    for block in re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        exec(block, names)
    return names


def test_the_engine_of_the_guide_keeps_all_promises(guide: dict[str, Any]) -> None:
    run_in_virtual_time(check_engine(guide["Bell"]))


async def test_it_can_be_served(guide: dict[str, Any]) -> None:
    async with serving(guide["Bell"]()) as server:
        assert server.url


def test_its_own_program_is_wired(
    guide: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    run: list[Any] = []
    monkeypatch.setattr("antiphon.server.wiring.run", lambda wired, on_ready: run.append(wired))
    monkeypatch.setattr("antiphon.server.logs.configure", lambda _: None)
    guide["main"]()
    (wired,) = run
    assert wired.registry.default.name == "bell"


def source() -> str:
    """All of the code, with texts that are written in pieces put together."""
    files = (ROOT / "src" / "antiphon").rglob("*.py")
    return FOLDED.sub("", "\n".join(path.read_text() for path in files))


def test_each_text_of_the_troubleshooting_is_one_of_the_code() -> None:
    table = (GUIDES / "troubleshooting.md").read_text()
    texts = re.findall(r"^\| `([^`]+)`", table, re.MULTILINE)
    assert len(texts) > 20
    code = source()
    for text in texts:
        for part in text.split("…"):
            assert part.strip() in code, part
