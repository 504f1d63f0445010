"""How live sessions are doing: what the list of them says of each."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from msgspec import Struct

from antiphon.telemetry.facts import Answered, Fact
from antiphon.transports.rtp.rtcp import CallQuality

MAX_SESSIONS: Final = 10_000
"""Overflow policy: the one that was answered longest ago is forgotten."""


class Quality(Struct, frozen=True, kw_only=True):
    latency_ms: int | None = None
    """From the user's last word to the first sound of the last answer; None: none was timed."""
    call: CallQuality | None = None
    """Of its way, since it began; None: it comes by WebSocket, whose losses TCP hides."""


class LastTurns:
    """How long the last answer of each session took."""

    def __init__(self) -> None:
        self._latency_ms: OrderedDict[str, int] = OrderedDict()

    def told(self, session_id: str, fact: Fact) -> None:
        if isinstance(fact, Answered):
            self._latency_ms[session_id] = fact.timeline.duration_ms
            self._latency_ms.move_to_end(session_id)
            if len(self._latency_ms) > MAX_SESSIONS:
                self._latency_ms.popitem(last=False)

    def latency_ms(self, session_id: str) -> int | None:
        return self._latency_ms.get(session_id)
