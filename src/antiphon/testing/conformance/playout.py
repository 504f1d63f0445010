"""The same script where the server plays: over WebRTC, and later by telephone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from antiphon.testing.conformance.script import Script, Statement

PLAYOUT_EVENTS = frozenset({"output_audio_buffer.started", "output_audio_buffer.stopped"})


def for_server_playout(script: Script) -> Script:
    """What a script that was written for WebSocket expects where sound travels on a track.

    No audio comes in events, neither in deltas nor in retrieved items; what tells of playout
    may come at any time.  A script that was written for such a transport stays as it is.
    """
    if script.head.playout == "server":
        return script
    return replace(
        script,
        head=msgspec.structs.replace(script.head, playout="server"),
        statements=tuple(
            _without_audio(statement)
            for statement in script.statements
            if statement.act == "S!" or not _is_audio_delta(statement)
        ),
        passes_over=PLAYOUT_EVENTS,
    )


def _is_audio_delta(statement: Statement) -> bool:
    return (statement.pattern or {}).get("type") == "response.output_audio.delta"


def _without_audio(statement: Statement) -> Statement:
    pattern = statement.pattern
    if pattern is None or not isinstance(content := pattern.get("item", {}).get("content"), list):
        return statement
    parts: list[Any] = [
        {key: value for key, value in part.items() if key != "audio"}
        if isinstance(part, dict)
        else part
        for part in content
    ]
    return replace(statement, pattern=pattern | {"item": pattern["item"] | {"content": parts}})
