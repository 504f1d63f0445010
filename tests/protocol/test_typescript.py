"""The web client's types are those of this package; without Node."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import get_args

from antiphon.protocol import server

SCRIPT = runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "make_protocol_ts.py"))


def test_the_web_clients_types_are_up_to_date() -> None:
    text = SCRIPT["FILE"].read_text(encoding="utf-8")
    assert text == SCRIPT["written"](), "run: python scripts/make_protocol_ts.py"


def test_each_event_and_what_is_said_of_it_is_there() -> None:
    text = SCRIPT["written"]()
    for kind in get_args(server.ServerEvent):
        tag = str(kind.__struct_config__.tag)
        assert f"  {tag}: {{" in text or f"  '{tag}': " in text
        assert f"  '{tag}',\n" in text
    assert "/** The client event that is at fault. */" in text
    assert "/** `total = input + output`; cached tokens are a part of the input. */" in text
