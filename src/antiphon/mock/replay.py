"""Plays a recording to a client that says the same, in its own words."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Any

import msgspec
from aiohttp import WSMsgType, web

from antiphon.errors import AntiphonError
from antiphon.mock.recordings import Entry, Recording
from antiphon.mock.redaction import audio_bytes, restored
from antiphon.server.auth import SUBPROTOCOL

log = logging.getLogger(__name__)

APPEND = "input_audio_buffer.append"
MAX_WAITING = 1_000
"""Events of the client that the recording has not come to.  Overflow policy: it has diverged."""
MAX_DIVERGED = 100
DIVERGED = 4000

Event = dict[str, Any]


class Diverged(AntiphonError):
    """The client does not say what the recorded one said."""


def meaning(event: Event) -> str:
    """What a client's event is about: its type, and kinds and roles; no ids, words or sound."""
    kind = str(event.get("type"))
    about: list[str] = []
    if kind == "conversation.item.create":
        item = _object(event.get("item"))
        parts = item.get("content")
        kinds = (
            [str(_object(part).get("type")) for part in parts] if isinstance(parts, list) else []
        )
        about = [str(item.get("type")), *filter(None, [item.get("role")]), *kinds]
    elif kind == "response.create":
        options = _object(event.get("response"))
        about = ["out of band"] if options.get("conversation") == "none" else []
        modalities = options.get("output_modalities") or options.get("modalities") or []
        about += map(str, modalities)
    elif kind == "session.update":
        about = list(filter(None, [_object(event.get("session")).get("type")]))
    return f"{kind} ({', '.join(about)})" if about else kind


def _object(value: Any) -> Event:
    return value if isinstance(value, dict) else {}


class Replay:
    """One client's way through a recording; without a network and without a clock.

    Sound is followed by its length: what the server said once so much was heard, it says again
    then.  A client that goes on sooner is not held up.
    """

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._at = 0
        self._heard_bytes = 0
        self._passed_bytes = 0
        self._waiting: deque[Event] = deque()
        self._renamed: dict[str, str] = {}
        """The recorded client's ids to this one's."""

    def said(self, event: Event) -> None:
        """By the client."""
        if event.get("type") == APPEND:
            self._heard_bytes += audio_bytes(event.get("audio"))
        elif len(self._waiting) >= MAX_WAITING:
            raise Diverged("The client is far ahead of the recording.")
        else:
            self._waiting.append(event)

    def next(self) -> tuple[int, Entry] | None:
        """What the server does, and after how many milliseconds; None: it waits for the client.

        Raises:
            Diverged: the client has gone another way; the message says where.
        """
        entries = self._recording.entries
        while self._at < len(entries):
            entry = entries[self._at]
            if entry.by == "server":
                before_ms = entries[self._at - 1].at_ms if self._at else 0
                self._at += 1
                return max(0, entry.at_ms - before_ms), entry
            if not self._passes(entry):
                return None
            self._at += 1
        if self._waiting:
            raise Diverged(
                f"The recording {self._recording.name} has ended, and the client says "
                f"'{meaning(self._waiting[0])}'."
            )
        return None

    def in_its_words(self, event: Event) -> Event:
        """A recorded event of the server, with the ids that this client gave."""
        found: Event = self._rename(restored(event))
        return found

    def _passes(self, entry: Entry) -> bool:
        """Whether the client has done what it did in the recording."""
        if entry.event is None:  # It closed, or said what is no event.
            return entry.closed is None
        if entry.event.get("type") == APPEND:
            due_bytes = self._passed_bytes + audio_bytes(entry.event.get("audio"))
            if self._heard_bytes < due_bytes and not self._waiting:
                return False
            self._heard_bytes = max(self._heard_bytes, due_bytes)
            self._passed_bytes = due_bytes
            return True
        if not self._waiting:
            return False
        event = self._waiting.popleft()
        if meaning(event) != meaning(entry.event):
            raise Diverged(
                f"The recording {self._recording.name} goes another way: at line "
                f"{self._recording.line_of(self._at)} its client says '{meaning(entry.event)}', "
                f"and this one said '{meaning(event)}'."
            )
        self._learn_names(entry.event, event)
        return True

    def _learn_names(self, recorded: Event, event: Event) -> None:
        for before, now in (
            (recorded, event),
            (_object(recorded.get("item")), _object(event.get("item"))),
        ):
            for key in ("event_id", "id"):
                was, name = before.get(key), now.get(key)
                if isinstance(was, str) and isinstance(name, str):
                    self._renamed[was] = name

    def _rename(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._rename(one) for key, one in value.items()}
        if isinstance(value, list):
            return [self._rename(one) for one in value]
        return self._renamed.get(value, value) if isinstance(value, str) else value


class Replayer:
    """Answers WebSockets with a recording.

    Args:
        pace: Of what was recorded; 2 is twice as fast, 0 at once.
    """

    def __init__(self, recording: Recording, *, pace: float = 1.0) -> None:
        self._recording = recording
        self._pace = pace
        self.diverged: deque[str] = deque(maxlen=MAX_DIVERGED)
        """Where clients went another way.  Overflow policy: the oldest goes."""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(
            protocols=(SUBPROTOCOL,), max_msg_size=0, compress=False, heartbeat=20
        )
        await socket.prepare(request)
        replay, stirred = Replay(self._recording), asyncio.Event()
        speaking = asyncio.ensure_future(self._speak(socket, replay, stirred))
        try:
            await self._listen(socket, replay, stirred)
        finally:
            speaking.cancel()
            await asyncio.gather(speaking, return_exceptions=True)
        return socket

    async def _listen(
        self, socket: web.WebSocketResponse, replay: Replay, stirred: asyncio.Event
    ) -> None:
        async for message in socket:
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                continue
            try:
                event = msgspec.json.decode(message.data)
                replay.said(event if isinstance(event, dict) else {"type": "no event"})
            except msgspec.DecodeError:
                replay.said({"type": "no event"})
            except Diverged as diverged:
                await self._end(socket, diverged)
            stirred.set()

    async def _speak(
        self, socket: web.WebSocketResponse, replay: Replay, stirred: asyncio.Event
    ) -> None:
        while not socket.closed:
            try:
                following = replay.next()
            except Diverged as diverged:
                await self._end(socket, diverged)
                return
            if following is None:
                stirred.clear()
                await stirred.wait()
                continue
            delay_ms, entry = following
            if self._pace:
                await asyncio.sleep(delay_ms / 1000 / self._pace)
            await _say(socket, replay, entry)

    async def _end(self, socket: web.WebSocketResponse, diverged: Diverged) -> None:
        log.warning("%s", diverged)
        self.diverged.append(str(diverged))
        error = {
            "type": "invalid_request_error",
            "code": "recording_diverged",
            "message": str(diverged),
            "param": None,
            "event_id": None,
        }
        await socket.send_json({"type": "error", "event_id": "event_mock_diverged", "error": error})
        await socket.close(code=DIVERGED, message=b"invalid_request_error.recording_diverged")


async def _say(socket: web.WebSocketResponse, replay: Replay, entry: Entry) -> None:
    if entry.closed is not None:
        code = entry.closed.code
        # 1005 and 1006 are no codes to be sent: the connection just ended.
        await socket.close(code=1000 if code in (1005, 1006) else code)
    elif entry.event is not None:
        await socket.send_str(msgspec.json.encode(replay.in_its_words(entry.event)).decode())
    elif entry.text is not None:
        await socket.send_str(entry.text)
