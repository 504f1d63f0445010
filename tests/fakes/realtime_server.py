"""A small Realtime server for the tests: real sockets, a scripted mind.

It only ever reacts to what it receives, so a test decides when things happen: its
"time" is the sound that the client has sent.  Turns are found by loudness (500 ms of
quiet end one), replies are taken from a list.  Its events are the product's own types.
"""

from __future__ import annotations

import base64
import math
import struct
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
from aiohttp import WSMsgType, web

from antiphon.audio.g711 import decode_alaw, decode_ulaw, encode_alaw, encode_ulaw
from antiphon.protocol import server as out
from antiphon.protocol.items import FunctionCall, InputAudio, Item, Message, OutputAudio
from antiphon.protocol.session import PcmFormat, Session

SILENCE_MS = 500


def tone(ms: int, *, rate_hz: int = 24_000, hz: float = 440, amplitude: int = 8000) -> bytes:
    count = rate_hz * ms // 1000
    wave = (round(amplitude * math.sin(2 * math.pi * hz * i / rate_hz)) for i in range(count))
    return struct.pack(f"<{count}h", *wave)


@dataclass
class Reply:
    """One scripted reply: speech, or a function call.

    Attributes:
        paced: After 120 ms, each piece of sound (40 ms) waits for sound of the client.
    """

    text: str = "All right."
    audio_ms: int = 600
    paced: bool = False
    call: tuple[str, str] | None = None
    fails: str | None = None


@dataclass
class Link:
    """One connection, and what has crossed it so far."""

    socket: web.WebSocketResponse
    sent: int = 0
    received: int = 0
    closing: bool = False


@dataclass
class FakeServer:
    replies: list[Reply] = field(default_factory=list)
    transcripts: list[str] = field(default_factory=list)
    drop_at_ms: list[tuple[float, int]] = field(default_factory=list)
    """At so much sound on a connection, close it with this code; first entry first."""
    refuse_status: list[int] = field(default_factory=list)
    key: str | None = None
    received: list[dict[str, Any]] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/v1/realtime", self._handle)
        return app

    def of_type(self, event_type: str) -> list[dict[str, Any]]:
        return [event for event in self.received if event["type"] == event_type]

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if self.refuse_status:
            return web.Response(status=self.refuse_status.pop(0), headers={"Retry-After": "2"})
        if self.key and request.headers.get("Authorization") != f"Bearer {self.key}":
            return web.Response(status=401)
        socket = web.WebSocketResponse(max_msg_size=32 * 1024 * 1024)
        await socket.prepare(request)
        link = Link(socket)
        self.links.append(link)
        session = FakeSession(self, link, request.query.get("model", "fake"))
        await session.open()
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                break
            link.received += 1
            await session.receive(msgspec.json.decode(message.data))
        return socket


class FakeSession:
    def __init__(self, server: FakeServer, link: Link, model: str) -> None:
        self._server = server
        self._link = link
        self._session = Session(id=f"sess_{len(server.links)}", model=model, expires_at=0)
        self._format = "audio/pcm"
        self._has_turns = True
        self._transcribes = False
        self._ids = 0
        self._heard_ms = 0.0
        self._quiet_ms = 0.0
        self._turn: str | None = None
        self._last_item: str | None = None
        self._active: _Active | None = None

    async def open(self) -> None:
        await self._emit(out.SessionCreated(event_id=self._id("event"), session=self._session))

    async def receive(self, event: dict[str, Any]) -> None:
        self._server.received.append(event)
        match event["type"]:
            case "session.update":
                await self._update(event)
            case "input_audio_buffer.append":
                await self._append(base64.b64decode(event["audio"]))
            case "input_audio_buffer.commit":
                await self._commit(self._id("item"))
            case "input_audio_buffer.clear":
                await self._emit(out.InputAudioBufferCleared(event_id=self._id("event")))
            case "conversation.item.create":
                item = msgspec.convert(event["item"], Item)
                if not isinstance(item.id, str):
                    item = msgspec.structs.replace(item, id=self._id("item"))
                after = event.get("previous_item_id") or self._last_item
                await self._add(item, None if after == "root" else after)
            case "conversation.item.truncate":
                await self._emit(
                    out.ConversationItemTruncated(
                        event_id=self._id("event"),
                        item_id=event["item_id"],
                        content_index=event["content_index"],
                        audio_end_ms=event["audio_end_ms"],
                    )
                )
            case "response.create":
                await self._respond(event)
            case "response.cancel":
                await self._end_reply("cancelled", "client_cancelled")

    # --- The user -------------------------------------------------------------------

    async def _update(self, event: dict[str, Any]) -> None:
        audio = event["session"].get("audio", {})
        if audio.get("output", {}).get("voice") == "nobody":
            await self._error("invalid_value", "There is no voice 'nobody'.", event)
            return
        self._format = audio["input"]["format"]["type"]
        self._has_turns = audio["input"]["turn_detection"] is not None
        self._transcribes = audio["input"]["transcription"] is not None
        await self._emit(out.SessionUpdated(event_id=self._id("event"), session=self._session))

    async def _append(self, data: bytes) -> None:
        if self._format != "audio/pcm":
            data = decode_ulaw(data) if self._format == "audio/pcmu" else decode_alaw(data)
        samples = np.frombuffer(data, dtype="<i2")
        ms = len(samples) / (24 if self._format == "audio/pcm" else 8)
        self._heard_ms += ms
        drops = self._server.drop_at_ms
        if drops and self._heard_ms >= drops[0][0]:
            await self._drop(drops.pop(0)[1])
            return
        if self._has_turns:
            await self._find_turn(bool((np.abs(samples) > 1000).any()), ms)
        if self._active is not None:
            await self._speak_on(self._active)

    async def _drop(self, code: int) -> None:
        self._link.closing = True
        if code == 1006:
            transport = self._link.socket._req.transport  # type: ignore[union-attr]
            assert transport is not None
            transport.abort()
        else:
            await self._link.socket.close(code=code, message=b"away")

    async def _find_turn(self, is_loud: bool, ms: float) -> None:
        self._quiet_ms = 0 if is_loud else self._quiet_ms + ms
        if is_loud and self._turn is None:
            self._turn = self._id("item")
            await self._emit(
                out.SpeechStarted(
                    event_id=self._id("event"),
                    audio_start_ms=round(self._heard_ms - ms),
                    item_id=self._turn,
                )
            )
            await self._end_reply("cancelled", "turn_detected")
        elif self._turn is not None and self._quiet_ms >= SILENCE_MS:
            item_id, self._turn = self._turn, None
            await self._emit(
                out.SpeechStopped(
                    event_id=self._id("event"),
                    audio_end_ms=round(self._heard_ms),
                    item_id=item_id,
                )
            )
            await self._commit(item_id)
            await self._respond({})

    async def _commit(self, item_id: str) -> None:
        await self._emit(
            out.InputAudioBufferCommitted(
                event_id=self._id("event"), item_id=item_id, previous_item_id=self._last_item
            )
        )
        await self._add(
            Message(id=item_id, role="user", status="completed", content=(InputAudio(),)),
            self._last_item,
        )
        if self._transcribes and self._server.transcripts:
            text = self._server.transcripts.pop(0)
            event_id = self._id("event")
            await self._emit(out.TranscriptionDelta(event_id=event_id, item_id=item_id, delta=text))
            await self._emit(
                out.TranscriptionCompleted(
                    event_id=self._id("event"),
                    item_id=item_id,
                    transcript=text,
                    usage=out.TranscriptionUsage(1.0),
                )
            )

    async def _add(self, item: Item, previous: str | None) -> None:
        for kind in (out.ConversationItemAdded, out.ConversationItemDone):
            event_id = self._id("event")
            await self._emit(kind(event_id=event_id, previous_item_id=previous, item=item))
        self._last_item = str(item.id)

    # --- Replies --------------------------------------------------------------------

    async def _respond(self, event: dict[str, Any]) -> None:
        if self._active is not None:
            code = "conversation_already_has_active_response"
            await self._error(code, "Conversation already has an active response.", event)
            return
        if not self._server.replies:
            return
        reply = self._server.replies.pop(0)
        active = self._active = _Active(reply, self._id("resp"), self._id("item"))
        await self._emit(
            out.ResponseCreated(
                event_id=self._id("event"), response=_response(active, "in_progress")
            )
        )
        if reply.fails is not None:
            await self._end_reply("failed", None)
        elif reply.call is not None:
            await self._call(active, reply.call)
        else:
            await self._begin_speech(active)

    async def _call(self, active: _Active, call: tuple[str, str]) -> None:
        item = FunctionCall(
            id=active.item_id,
            status="completed",
            name=call[0],
            call_id=self._id("call"),
            arguments=call[1],
        )
        await self._emit(
            out.ConversationItemAdded(
                event_id=self._id("event"), previous_item_id=self._last_item, item=item
            )
        )
        self._last_item = active.item_id
        await self._emit(
            out.ResponseOutputItemDone(
                event_id=self._id("event"), response_id=active.id, output_index=0, item=item
            )
        )
        await self._end_reply("completed", None)

    async def _begin_speech(self, active: _Active) -> None:
        active.speaks = True
        item = Message(id=active.item_id, role="assistant", status="in_progress", content=())
        await self._emit(
            out.ResponseOutputItemAdded(
                event_id=self._id("event"), response_id=active.id, output_index=0, item=item
            )
        )
        await self._emit(
            out.ConversationItemAdded(
                event_id=self._id("event"), previous_item_id=self._last_item, item=item
            )
        )
        self._last_item = active.item_id
        for word in active.reply.text.split():
            await self._emit(
                out.ResponseOutputAudioTranscriptDelta(
                    event_id=self._id("event"), **active.place(), delta=word + " "
                )
            )
        if active.reply.paced:
            for _ in range(3):
                await self._speak_on(active)
        else:
            while self._active is active:
                await self._speak_on(active)

    async def _speak_on(self, active: _Active) -> None:
        ms = min(40 if active.reply.paced else 100, active.reply.audio_ms - active.sent_ms)
        if ms > 0:
            active.sent_ms += ms
            await self._emit(
                out.ResponseOutputAudioDelta(
                    event_id=self._id("event"), **active.place(), delta=self._sound(ms)
                )
            )
        else:
            await self._end_reply("completed", None)

    def _sound(self, ms: int) -> bytes:
        if self._format == "audio/pcm":
            return tone(ms)
        narrow = tone(ms, rate_hz=8000)
        return encode_ulaw(narrow) if self._format == "audio/pcmu" else encode_alaw(narrow)

    async def _end_reply(self, status: Any, reason: Any) -> None:
        active, self._active = self._active, None
        if active is None:
            return
        if active.speaks:
            await self._close_speech(active, "completed" if status == "completed" else "incomplete")
        await self._emit(
            out.ResponseDone(event_id=self._id("event"), response=_response(active, status, reason))
        )

    async def _close_speech(self, active: _Active, item_status: Any) -> None:
        text = active.reply.text
        await self._emit(out.ResponseOutputAudioDone(event_id=self._id("event"), **active.place()))
        await self._emit(
            out.ResponseOutputAudioTranscriptDone(
                event_id=self._id("event"), **active.place(), transcript=text
            )
        )
        item = Message(
            id=active.item_id,
            role="assistant",
            status=item_status,
            content=(OutputAudio(transcript=text),),
        )
        await self._emit(
            out.ConversationItemDone(event_id=self._id("event"), previous_item_id=None, item=item)
        )
        await self._emit(
            out.ResponseOutputItemDone(
                event_id=self._id("event"), response_id=active.id, output_index=0, item=item
            )
        )

    # --- Wire -----------------------------------------------------------------------

    async def _error(self, code: str, message: str, cause: dict[str, Any]) -> None:
        detail = out.ErrorDetail(code=code, message=message, event_id=cause.get("event_id"))
        await self._emit(out.Error(event_id=self._id("event"), error=detail))

    async def _emit(self, event: out.ServerEvent) -> None:
        self._link.sent += 1
        await self._link.socket.send_str(msgspec.json.encode(event).decode())

    def _id(self, kind: str) -> str:
        self._ids += 1
        return f"{kind}_{len(self._server.links)}x{self._ids}"


@dataclass
class _Active:
    reply: Reply
    id: str
    item_id: str
    speaks: bool = False
    sent_ms: int = 0

    def place(self) -> dict[str, Any]:
        return {
            "response_id": self.id,
            "item_id": self.item_id,
            "output_index": 0,
            "content_index": 0,
        }


def _response(active: _Active, status: Any, reason: Any = None) -> out.Response:
    details = None
    if status == "cancelled":
        details = out.StatusDetails(type="cancelled", reason=reason)
    elif status == "failed":
        error = out.ResponseError(message=active.reply.fails or "")
        details = out.StatusDetails(type="failed", error=error)
    return out.Response(
        id=active.id,
        status=status,
        status_details=details,
        conversation_id="conv_1",
        output_modalities=("audio",),
        max_output_tokens="inf",
        audio=out.ResponseAudioOut(out.ResponseVoice(PcmFormat(), "marin")),
        usage=None if status == "in_progress" else out.Usage(),
    )
