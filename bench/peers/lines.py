"""Lines to servers that speak something else than the Realtime API."""

from __future__ import annotations

import asyncio
import contextlib
from functools import lru_cache
from uuid import uuid4

import aiohttp

from antiphon.audio.resample import Resampler
from antiphon.bench.lean_sound import LeanSound
from antiphon.bench.line import LineFailed, Listener
from antiphon.bench.webrtc import Overheard
from antiphon.protocol.client import InputAudioBufferAppend
from antiphon.talk.webrtc import WebRtcConnection
from antiphon.upstream import wire
from antiphon.upstream.connection import CannotConnect

PIPECAT_IN_HZ = 16_000
OPEN_TIMEOUT_S = 15


class EchoLine:
    """Sound in binary messages, which come back as they are."""

    is_live = True
    expects_answers = False

    def __init__(self, url: str) -> None:
        self._url = url
        self._http: aiohttp.ClientSession | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._reading: asyncio.Task[None] | None = None

    async def open(self, listener: Listener) -> None:
        self._http = aiohttp.ClientSession()
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                self._socket = await self._http.ws_connect(self._url, max_msg_size=0)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise LineFailed("connect_failed", str(error) or type(error).__name__) from error
        self._reading = asyncio.create_task(self._read(self._socket, listener))

    async def begin(self) -> None:
        pass

    async def send(self, pcm: bytes) -> None:
        if self._socket is not None and not self._socket.closed:
            with contextlib.suppress(ConnectionError):
                await self._socket.send_bytes(self.wrapped(pcm))

    async def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
        if self._socket is not None:
            await self._socket.close()
        if self._http is not None:
            await self._http.close()

    async def _read(self, socket: aiohttp.ClientWebSocketResponse, listener: Listener) -> None:
        async for message in socket:
            if message.type is aiohttp.WSMsgType.BINARY and (pcm := self.unwrapped(message.data)):
                listener.sound(pcm)
        listener.closed(f"closed_{socket.close_code or 1006}")

    def wrapped(self, pcm: bytes) -> bytes:
        return pcm

    def unwrapped(self, data: bytes) -> bytes | None:
        return data


class PcmLine(EchoLine):
    """PCM both ways; the server plays and stops."""

    expects_answers = True


class PipecatLine(PcmLine):
    """Pipecat's protobuf frames: 16 kHz there, 24 kHz back."""

    def wrapped(self, pcm: bytes) -> bytes:
        return _frame(pcm)

    def unwrapped(self, data: bytes) -> bytes | None:
        """The field `audio` of a `Frame` of audio."""
        kind, body = _field(data, 0)[:2]
        if kind != 2 or not isinstance(body, bytes):
            return None
        at = 0
        while at < len(body):
            number, value, at = _field(body, at)
            if number == 3 and isinstance(value, bytes):
                return value
        return None


@lru_cache(maxsize=4_096)
def _frame(pcm: bytes) -> bytes:
    resampler = Resampler(24_000, PIPECAT_IN_HZ)
    sound = resampler.process(pcm) + resampler.flush()
    wanted = len(pcm) * PIPECAT_IN_HZ // 24_000
    sound = sound[:wanted].ljust(wanted, b"\0")
    body = b"\x1a" + _varint(len(sound)) + sound + b"\x20" + _varint(PIPECAT_IN_HZ) + b"\x28\x01"
    return b"\x12" + _varint(len(body)) + body


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def _field(data: bytes, at: int) -> tuple[int, bytes | int, int]:
    """Number and value of the field there, and where the next begins (protobuf's wire format)."""
    tag, at = _read_varint(data, at)
    value, at = _read_varint(data, at)
    if tag & 7 == 2:
        return tag >> 3, data[at : at + value], at + value
    return tag >> 3, value, at


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


class _Track(Overheard):
    """Its messages are of no protocol that we know."""

    def message(self, message: str, now_ms: float) -> list[str]:  # noqa: ARG002
        return []


class CallLine:
    """WebRTC without events: an offer as JSON, an answer as JSON, sound on tracks."""

    is_live = True

    def __init__(
        self,
        url: str,
        *,
        expects_answers: bool = True,
        as_form: bool = False,
        has_id: bool = False,
    ) -> None:
        """``as_form``: as the Realtime API asks; ``has_id``: the caller names the call."""
        self.expects_answers = expects_answers
        self._url = url
        self._as_form = as_form
        self._has_id = has_id
        self._call: WebRtcConnection | None = None

    async def open(self, listener: Listener) -> None:
        self._call = WebRtcConnection((), LeanSound(), _Track(listener))
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_S), aiohttp.ClientSession() as http:
                await self._call.answered(await self._dial(http, await self._call.offer()))
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError, CannotConnect) as error:
            raise LineFailed("connect_failed", str(error) or type(error).__name__) from error

    async def _dial(self, http: aiohttp.ClientSession, offer: str) -> str:
        if self._as_form:
            async with http.post(self._url, data=aiohttp.FormData({"sdp": offer})) as answer:
                return await answer.text()
        body = {"sdp": offer, "type": "offer"}
        if self._has_id:
            body["webrtc_id"] = uuid4().hex
        async with http.post(self._url, json=body) as answer:
            said = await answer.json()
        if not isinstance(said, dict) or "sdp" not in said:
            raise ValueError(f"no answer to the offer: {said}")
        return str(said["sdp"])

    async def begin(self) -> None:
        pass

    async def send(self, pcm: bytes) -> None:
        assert self._call is not None, "it is open"
        await self._call.send(wire.write(InputAudioBufferAppend(audio=pcm)))

    async def close(self) -> None:
        if self._call is not None:
            await self._call.close()
