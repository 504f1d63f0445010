"""Entries to put into journals."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from antiphon.core.causes import Word
from antiphon.core.items import CallEntry, Entry, HeardPart, MessageEntry, SpokenPart, TextPart
from antiphon.core.records import (
    Change,
    EngineChanged,
    ItemChanged,
    ItemDeleted,
    ResponseEnded,
    ServerCall,
    ServerCallChanged,
    SessionChanged,
)
from antiphon.journal.entries import (
    Changed,
    Closed,
    ConnectionJoined,
    ConnectionLeft,
    LogEntry,
    Opened,
    Taped,
    Timed,
    TokensChanged,
)
from antiphon.protocol.server import Response, ResponseAudioOut, ResponseVoice, Usage
from antiphon.protocol.session import PcmFormat
from antiphon.protocol.timeline import Segment, Timeline
from antiphon.testing.virtual_call import session

CONVERSATION = "conv_abcdefghijklm00000001"
NOW_S = 1_795_000_000.0
WORDS = "the password is swordfish"


def opened(at_s: float = NOW_S, **fields: str | None) -> Opened:
    known: dict[str, str | None] = {
        "model": "gpt-realtime",
        "engine": "offline",
        "transport": "websocket",
        "end_user_id": "user-7",
        "session_id": "sess_1",
    }
    return Opened(at_s=at_s, kind="realtime", **{**known, **fields})  # type: ignore[arg-type]


def changed(change: Change, ids_used: int = 1, at_s: float = NOW_S) -> Changed:
    return Changed(at_s=at_s, session_id="sess_1", change=change, ids_used=ids_used)


def said(item_id: str, text: str = WORDS, after: str | None = None) -> Changed:
    entry = MessageEntry(item_id, "user", parts=[TextPart("input_text", text)])
    return changed(ItemChanged(entry, after))


def in_file(path: Path, query: str) -> list[Any]:
    """What another program would do to a journal's file."""
    with closing(sqlite3.connect(path)) as database, database:
        return database.execute(query).fetchall()


def closed(at_s: float = NOW_S) -> Closed:
    return Closed(at_s=at_s, session_id="sess_1")


def timed() -> Timed:
    timeline = Timeline(
        response_id="resp_1",
        kind="spoken",
        began_ms=1_200,
        ended_ms=2_000,
        ends_with="played",
        segments=(Segment("silence", 500), Segment("recognition+thinking", 300)),
    )
    return Timed(at_s=NOW_S, session_id="sess_1", timeline=timeline)


def whole_log() -> list[LogEntry]:
    """Every kind of entry, change, item and part."""
    spoken = SpokenPart("Hi there.", words=[Word(2, 4_800)], samples=24_000, sealed=True)
    heard = HeardPart("Hello.", pcm=bytearray(b"\x01\x00"), samples=1, awaits_transcript=True)
    items: list[tuple[Entry, str | None]] = [
        (MessageEntry("item_1", "user", parts=[heard]), None),
        (MessageEntry("item_2", "assistant", "in_progress", [spoken]), "item_1"),
        (CallEntry("item_3", "look", "call_1", "{}", "incomplete"), "item_2"),
        (MessageEntry("item_4", "system", parts=[TextPart("input_text", WORDS)]), "item_3"),
    ]
    response = Response(
        id="resp_1",
        status="completed",
        output=(items[1][0].wire(),),
        conversation_id=CONVERSATION,
        output_modalities=("audio",),
        max_output_tokens="inf",
        audio=ResponseAudioOut(ResponseVoice(PcmFormat(), "marin")),
        usage=Usage(total_tokens=3, input_tokens=1, output_tokens=2),
    )
    return [
        opened(),
        ConnectionJoined(at_s=NOW_S, session_id="sess_1", connection="ws_1", owns=True),
        changed(SessionChanged(session(), CONVERSATION)),
        *(changed(ItemChanged(entry, after), at) for at, (entry, after) in enumerate(items, 2)),
        changed(ItemDeleted("item_3"), 8),
        changed(ResponseEnded(response, voice_heard=True), 9),
        ConnectionLeft(at_s=NOW_S, session_id="sess_1", connection="ws_1"),
        closed(NOW_S + 60),
    ]


def later_log() -> list[LogEntry]:
    """Every kind that format 1 has not."""
    call = ServerCall(item_id="c", after="a", call_id="call_1", name="recall", arguments="{}")
    return [
        timed(),
        TokensChanged(at_s=NOW_S, session_id="sess_1", digests=(b"\x01" * 32,)),
        changed(ServerCallChanged(call)),
        changed(EngineChanged("other", "gone")),
        Taped(at_s=NOW_S, session_id="sess_1", data=b"\x00\x01"),
    ]
