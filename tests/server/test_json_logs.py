"""The log as JSON: one object a line, and nothing of what was said."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest

from antiphon.engines.scripted import Script, ScriptedEngine, Write
from antiphon.server.logs import JsonFormatter
from antiphon.testing import serving
from antiphon.testing.virtual_loop import in_virtual_time
from tests.server.test_metrics import KEY, KEYED, converse

ANSWER = "an unmistakable answer"


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(JsonFormatter())
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def log() -> Iterator[Lines]:
    root, handler = logging.getLogger(), Lines()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler
    root.setLevel(before)
    root.removeHandler(handler)


@in_virtual_time
async def test_a_session_at_debug_level_tells_neither_words_nor_keys(log: Lines) -> None:
    script = Script(replies=((Write(text=ANSWER),),))
    async with (
        serving(ScriptedEngine(script), keys=[KEY]) as server,
        server.client(headers=KEYED) as http,
    ):
        await converse(http)
    events = [json.loads(line) for line in log.lines]
    assert all({"time", "level", "logger", "message"} <= event.keys() for event in events)
    whole = "\n".join(log.lines)
    for secret in (KEY, "private", "unmistakable"):
        assert secret not in whole
    (turn,) = [event for event in events if "parts_ms" in event]
    assert sum(turn["parts_ms"].values()) == turn["latency_ms"]
    assert turn["session_id"].startswith("sess_")


def test_an_exception_and_a_line_break_stay_on_one_line() -> None:
    info = (RuntimeError, RuntimeError("broken"), None)
    record = logging.LogRecord("x", logging.ERROR, "f", 1, "a\nb", (), info)
    line = JsonFormatter().format(record)
    assert "\n" not in line
    assert json.loads(line)["message"] == "a\nb"
    assert "RuntimeError: broken" in json.loads(line)["exception"]
