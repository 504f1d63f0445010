"""docs/guides/mock.md says what is so."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

from antiphon.mock import read_script

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "guides" / "mock.md"


def block(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[1]


def test_its_script_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "desk.toml"
    path.write_text(block("toml"))
    script = read_script(path)
    assert len(script.replies) == 4
    assert script.faults[0].at == 3


def test_its_test_passes() -> None:
    names: dict[str, object] = {}
    exec(block("python"), names)
    test = names["test_a_client_sees_a_failed_response"]
    assert callable(test)
    test()


def test_its_table_is_up_to_date() -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "fault_table.py"))
    text = PAGE.read_text()
    assert script["page"](text) == text, "run: python scripts/fault_table.py"
