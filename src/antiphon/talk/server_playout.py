"""Replies whose sound comes beside the events: on WebRTC the server plays.

There the track carries the sound in real time, and `output_audio_buffer.*` tells when it
begins and ends, long after its words are done.  Here both become the messages of a
WebSocket, so that the rest of the client knows one kind of reply.  Pure.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import msgspec

EARLY_CHUNKS = 10
"""Sound may overtake the event that announces it; so much of it (200 ms) is kept."""
IN_FLIGHT_MS = 300
"""Sound may also come behind the event that says it is over."""


@dataclass
class _Sounding:
    """A response whose sound is on its way."""

    response_id: str
    item_id: str = ""
    content_index: int = 0
    held: list[str] = field(default_factory=list)
    """Messages that say it is complete: not before it was heard."""
    over_ms: float | None = None
    """Then all of it has come."""


class ServerPlayout:
    def __init__(self) -> None:
        self._sounding: dict[str, _Sounding] = {}
        self._parts: dict[str, tuple[str, int]] = {}
        """By response: the part that sounds."""
        self._early: deque[bytes] = deque(maxlen=EARLY_CHUNKS)
        self._deaf_until_ms = 0.0

    def message(self, message: str, now_ms: float) -> list[str]:
        """What the client shall read in place of a message of the server."""
        event: dict[str, Any] = msgspec.json.decode(message)
        match event.get("type"):
            case "session.created" if not _is_back(event):
                self._forget()
            case "response.content_part.added" if event["part"]["type"] == "audio":
                self._parts[event["response_id"]] = (event["item_id"], event["content_index"])
            case "output_audio_buffer.started":
                return self._begin(event["response_id"])
            case "output_audio_buffer.stopped":
                if (sounding := self._sounding.get(event["response_id"])) is not None:
                    sounding.over_ms = now_ms + IN_FLIGHT_MS
                return []
            case "output_audio_buffer.cleared":
                self._early.clear()
                self._deaf_until_ms = now_ms + IN_FLIGHT_MS
                return self._end(event["response_id"])
            case "response.output_audio.done":
                return self._hold(event["response_id"], message)
            case "response.done":
                return self._hold(event["response"]["id"], message)
        return [message]

    def sound(self, pcm: bytes, now_ms: float) -> list[str]:
        """Sound of the track, 24 kHz."""
        if now_ms < self._deaf_until_ms:
            return []  # Of what was silenced.
        sounding = next(iter(self._sounding.values()), None)
        if sounding is None:
            self._early.append(pcm)
            return []
        return [_delta(sounding, pcm)]

    def time_passes(self, now_ms: float) -> list[str]:
        over = [s for s in self._sounding.values() if s.over_ms is not None and s.over_ms <= now_ms]
        return [message for sounding in over for message in self._end(sounding.response_id)]

    def _begin(self, response_id: str) -> list[str]:
        item_id, content_index = self._parts.pop(response_id, ("", 0))
        sounding = _Sounding(response_id, item_id, content_index)
        is_first = not self._sounding
        self._sounding[response_id] = sounding
        if not is_first:
            return []
        # Silence before it is not of it.
        while self._early and not any(self._early[0]):
            self._early.popleft()
        deltas = [_delta(sounding, pcm) for pcm in self._early]
        self._early.clear()
        return deltas

    def _hold(self, response_id: str, message: str) -> list[str]:
        sounding = self._sounding.get(response_id)
        if sounding is None:
            return [message]
        if message not in sounding.held:  # One who comes back may be told it again.
            sounding.held.append(message)
        return []

    def _forget(self) -> None:
        """What sounded is over with its session."""
        self._sounding.clear()
        self._parts.clear()
        self._early.clear()

    def _end(self, response_id: str) -> list[str]:
        sounding = self._sounding.pop(response_id, None)
        return [] if sounding is None else sounding.held


def _is_back(created: dict[str, Any]) -> bool:
    resume = (created["session"].get("antiphon") or {}).get("resume") or {}
    return resume.get("continues") == "session"


def _delta(sounding: _Sounding, pcm: bytes) -> str:
    delta = {
        "type": "response.output_audio.delta",
        "response_id": sounding.response_id,
        "item_id": sounding.item_id,
        "content_index": sounding.content_index,
        "delta": pcm,  # Bytes become base64.
    }
    return msgspec.json.encode(delta).decode()
