"""What we send, as the parsers of real clients see it."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import msgspec
import pytest
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

from antiphon.protocol.server import ServerEvent
from antiphon.testing.conformance import VIRTUAL, read_script
from tests.conformance.played import SCRIPTS, events_of

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Its own imports are not ours to mend.
    from pipecat.services.openai.realtime.events import parse_server_event

UNKNOWN_TO_PIPECAT = {
    "input_audio_buffer.timeout_triggered",
    "output_audio_buffer.started",
    "output_audio_buffer.stopped",
    "output_audio_buffer.cleared",
}
"""Sent only to those who ask for an idle timeout, or whose sound we play."""
NOT_FOR_PIPECAT = {
    "4.08-mcp-tools.script": "its models know no tool servers",
    "4.16-streaming-transcription.script": "its voice service opens no transcription sessions",
}
STRICT: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_the_official_models_take_every_event(path: Path) -> None:
    assert read_script(path).runs_on(VIRTUAL)
    for event in events_of(path):
        STRICT.validate_python(event, strict=True)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_pipecat_parses_every_event_it_can_be_sent(path: Path) -> None:
    if path.name in NOT_FOR_PIPECAT:
        pytest.skip(NOT_FOR_PIPECAT[path.name])
    for event in events_of(path):
        if event["type"] not in UNKNOWN_TO_PIPECAT:
            parsed = parse_server_event(msgspec.json.encode(event).decode())  # type: ignore[no-untyped-call]
            assert parsed.type == event["type"]


def test_the_scripts_show_every_event_that_we_can_send() -> None:
    shown = {event["type"] for path in SCRIPTS for event in events_of(path)}
    known = {str(kind.__struct_config__.tag) for kind in ServerEvent.__args__}
    known = {kind for kind in known if not kind.startswith("antiphon.")}  # Nobody else knows them.
    assert known - shown == set()


def test_no_event_id_comes_twice() -> None:
    for path in SCRIPTS:
        ids = [event["event_id"] for event in events_of(path)]
        assert len(set(ids)) == len(ids)
