"""Every script, over every line that can play it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from antiphon.engines.engine import Engine
from antiphon.testing import run_in_virtual_time
from antiphon.testing.conformance import (
    LIVE,
    VIRTUAL,
    WEBRTC,
    LiveLine,
    Played,
    Script,
    VirtualLine,
    for_server_playout,
    play,
    read_script,
)
from antiphon.testing.duplex_engine import DuplexEngine
from tests.conformance.described import mistakes

PATHS = sorted((Path(__file__).parent / "scripts").glob("*.script"))


async def over_the_core(script: Script) -> Played:
    async with VirtualLine(script) as line:
        return as_described(await play(script, line))


async def over_a_session(script: Script) -> Played:
    async with LiveLine(script) as line:
        return as_described(await play(script, line))


def as_described(played: Played) -> Played:
    """Whatever a script asks for, each event is one of the API's, in all its fields."""
    events = [event for event in played.events if event["type"] != "(closed)"]
    assert [mistake for event in events for mistake in mistakes(event)] == []
    return played


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_the_core_follows(path: Path) -> None:
    script = read_script(path)
    if not script.runs_on(VIRTUAL):
        pytest.skip("not for this line")
    asyncio.run(over_the_core(script))


NOT_BY_TRACK = {"4.16-streaming-transcription"}
"""What comes by a track in manual mode is no turn before its commit: nobody may mean it."""


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_the_core_follows_where_the_server_plays(path: Path) -> None:
    script = for_server_playout(read_script(path))
    if not (script.runs_on(VIRTUAL) and script.runs_on(WEBRTC)) or path.stem in NOT_BY_TRACK:
        pytest.skip("not for this line")
    asyncio.run(over_the_core(script))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_session_follows(path: Path) -> None:
    script = read_script(path)
    if not script.runs_on(LIVE):
        pytest.skip("not for this line")
    run_in_virtual_time(over_a_session(script))


def finds_turns(engine: Engine) -> Engine:
    return DuplexEngine(engine, begins=False)


@pytest.mark.parametrize("around", [finds_turns, DuplexEngine])
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_session_follows_whose_engine_finds_turns(
    path: Path, around: Callable[[Engine], Engine]
) -> None:
    script = read_script(path)
    if not script.runs_on(LIVE):
        pytest.skip("not for this line")

    async def over_its_session() -> Played:
        async with LiveLine(script, around=around) as line:
            return await play(script, line)

    run_in_virtual_time(over_its_session())


def test_every_sequence_of_the_reference_has_a_script() -> None:
    told = {path.name[:4] for path in PATHS}
    assert {f"4.{n:02}" for n in range(1, 22)} - told == set()


CODES = {
    "invalid_event",
    "invalid_value",
    "invalid_type",
    "missing_required_parameter",
    "string_above_max_length",
    "invalid_parameter",
    "conversation_already_has_active_response",
    "response_cancel_not_active",
    "input_audio_buffer_commit_empty",
    "item_delete_invalid_item_id",
    "item_retrieve_invalid_item_id",
    "item_truncate_invalid_item_id",
    "item_create_invalid_previous_item_id",
    "item_create_duplicate_item_id",
    "item_reference_not_found",
    "unsupported_content_type",
    "invalid_tool_call_id",
    "cannot_update_voice",
    "session_expired",
}
"""docs/reference/protocol.md, 5.2: those that can happen once a session is open.
(`unknown_parameter` cannot: unknown keys are ignored.)"""


def test_every_error_of_the_reference_has_a_script() -> None:
    named = {
        pattern["error"].get("code")
        for path in PATHS
        for statement in read_script(path).statements
        if (pattern := statement.pattern) and isinstance(pattern.get("error"), dict)
    }
    assert CODES - named == set()
