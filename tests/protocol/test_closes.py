from __future__ import annotations

import re
from pathlib import Path

from antiphon.protocol.closes import CloseCode

REFERENCE = Path(__file__).parents[2] / "docs/reference/protocol.md"


def test_every_code_has_a_meaning_and_shows_itself_as_a_number() -> None:
    assert all(code.meaning for code in CloseCode)
    assert f"{CloseCode(1012)}, {CloseCode(1012).meaning}" == "1012, the server is restarting"


def test_the_reference_has_every_code_and_no_other() -> None:
    section = REFERENCE.read_text().split("## Closes")[1].split("\n## ")[0]
    assert {int(code) for code in re.findall(r"close (\d+)", section)} == set(CloseCode)
