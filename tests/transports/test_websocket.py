"""One WebSocket as a connection: real sockets on the loopback."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import logging
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType, web
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import connect

from antiphon.protocol.client import ClientEvent
from antiphon.protocol.closes import CloseCode
from antiphon.protocol.items import FunctionCallOutput
from antiphon.protocol.server import ConversationItemDone
from antiphon.runtime.connection import Connection
from antiphon.server.serve import listening
from antiphon.transports.websocket import (
    MIB,
    SLOW_READER,
    WebSocketConnection,
    WebSocketCounters,
    WebSocketLimits,
)
from tests.fakes.echo import EchoSession, audio_delta

CLEAR = '{"type":"input_audio_buffer.clear"}'


class World:
    """A server of echo sessions, and clients of it."""

    def __init__(self, limits: WebSocketLimits, session_type: type[EchoSession]) -> None:
        self.limits = limits
        self.counters = WebSocketCounters()
        self.sessions: list[EchoSession] = []
        self.connections: list[WebSocketConnection] = []
        self._session_type = session_type
        self.client = ClientSession()
        self.port = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator[World]:
        app = web.Application()
        app.router.add_get("/", self._serve)
        async with listening(app, shutdown_timeout_s=0.1) as url, self.client:
            self.port = urlsplit(url).port or 0
            yield self

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        connection = WebSocketConnection(request, limits=self.limits, counters=self.counters)
        session = self._session_type()
        await connection.accept()
        self.sessions.append(session)
        self.connections.append(connection)
        await connection.converse(session)
        return connection.response

    async def connect(self, **options: Any) -> ClientWebSocketResponse[bool]:
        ws: ClientWebSocketResponse[bool] = await self.client.ws_connect(
            f"http://127.0.0.1:{self.port}/", **options
        )
        assert (await ws.receive_json())["type"] == "session.created"
        return ws

    @asynccontextmanager
    async def raw_client(self, *, receive_buffer: int = 4096) -> AsyncIterator[socket.socket]:
        """A client that reads only when it is told to, and answers no ping."""
        loop = asyncio.get_running_loop()
        count = len(self.sessions)
        with socket.socket() as raw:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            raw.setblocking(False)
            await loop.sock_connect(raw, ("127.0.0.1", self.port))
            await loop.sock_sendall(
                raw,
                b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
                b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            )
            head = b""
            while b"\r\n\r\n" not in head:
                head += await loop.sock_recv(raw, 1)
            while len(self.sessions) == count:  # noqa: ASYNC110
                await asyncio.sleep(0)
            yield raw


@asynccontextmanager
async def world(
    session_type: type[EchoSession] = EchoSession, **limits: Any
) -> AsyncIterator[World]:
    async with World(WebSocketLimits(**limits), session_type).open() as it:
        yield it


async def read_to_end(raw: socket.socket) -> bytes:
    loop = asyncio.get_running_loop()
    data = b""
    try:
        while piece := await loop.sock_recv(raw, MIB):
            data += piece
    except ConnectionResetError:
        pass
    return data


def frames_in(data: bytes) -> list[tuple[int, bytes]]:
    """(opcode, payload) of whole, unmasked frames."""
    frames = []
    while len(data) >= 2:
        opcode, size, at = data[0] & 15, data[1], 2
        if size == 126:
            size, at = struct.unpack("!H", data[2:4])[0], 4
        elif size == 127:
            size, at = struct.unpack("!Q", data[2:10])[0], 10
        frames.append((opcode, data[at : at + size]))
        data = data[at + size :]
    return frames


def append(audio: bytes) -> str:
    return json.dumps(
        {"type": "input_audio_buffer.append", "audio": base64.b64encode(audio).decode()}
    )


@pytest.mark.parametrize("size", [0, 1, 90, 960, 9_600, 60_000])
async def test_a_message_goes_in_and_an_event_comes_out(size: int) -> None:
    async with world() as it:
        ws = await it.connect()
        audio = bytes(range(256)) * (size // 256) + bytes(size % 256)
        await ws.send_str(append(audio))
        assert base64.b64decode((await ws.receive_json())["delta"]) == audio


async def test_a_binary_frame_may_hold_the_json() -> None:
    async with world() as it:
        ws = await it.connect()
        await ws.send_bytes(CLEAR.encode())
        assert (await ws.receive_json())["type"] == "input_audio_buffer.cleared"


async def test_compression_is_not_negotiated() -> None:
    async with world() as it:
        ws = await it.connect(compress=15)
        assert ws.compress == 0


async def test_many_events_in_one_turn_arrive_in_order() -> None:
    async with world() as it:
        ws = await it.connect()
        for k in range(2_000):
            it.connections[0].send(audio_delta(bytes(200), item_id=f"item_{k}"))
        for k in range(2_000):
            assert (await ws.receive_json())["item_id"] == f"item_{k}"


async def test_another_implementation_reads_our_frames() -> None:
    async with world() as it, connect(f"ws://127.0.0.1:{it.port}/") as ws:
        assert ws.protocol.extensions == []
        await ws.recv()
        for size in (0, 60, 90_000):
            await ws.send(append(bytes(size)))
            assert json.loads(await ws.recv())["delta"] == base64.b64encode(bytes(size)).decode()
    assert ws.close_code == 1000


# --- Bad messages ------------------------------------------------------------

NOT_EVENTS = {
    "nothing": b"",
    "no JSON": b"hello",
    "half an object": b'{"type":',
    "an array": b"[]",
    "a number": b"17",
    "null": b"null",
    "no type": b"{}",
    "a type that is no string": b'{"type":7}',
    "an unknown type": b'{"type":"session.explode"}',
    "a missing field": b'{"type":"session.update"}',
    "bad base64": b'{"type":"input_audio_buffer.append","audio":"!"}',
    "NaN": b'{"type":"conversation.item.truncate","item_id":"x","audio_end_ms":NaN}',
    "a large number": b'{"type":"conversation.item.truncate","item_id":"","audio_end_ms":1e999}',
    "a lone surrogate": b'{"type":"\\ud800"}',
    "deep arrays": b"[" * 500_000,
    "deep objects": b'{"a":' * 200_000,
    "deep in a known event": b'{"type":"session.update","session":{"tracing":'
    + b'{"a":' * 200_000
    + b"1"
    + b"}" * 200_002,
}


@pytest.mark.parametrize("kind", [WSMsgType.TEXT, WSMsgType.BINARY])
async def test_what_is_no_event_is_answered_with_one_error(kind: WSMsgType) -> None:
    async with world() as it:
        ws = await it.connect()
        for what, message in NOT_EVENTS.items():
            await ws.send_frame(message, kind)
            answer = await ws.receive_json()
            assert answer["type"] == "error", what
            assert answer["error"]["code"], what
        await ws.send_str('{"type":"input_audio_buffer.clear","type":"input_audio_buffer.clear"}')
        await ws.receive_json()
        await ws.send_str(CLEAR)
        assert (await ws.receive_json())["type"] == "input_audio_buffer.cleared"


@pytest.fixture
def loop_runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["type", "audio", "session", "item", "event_id"]) | st.text(max_size=8),
            inner | st.sampled_from(["session.update", "response.create", "message"]),
            max_size=4,
        )
    ),
    max_leaves=12,
)
texts = st.text(max_size=100).map(lambda text: text.encode(errors="ignore"))
jsons = json_values.map(lambda value: json.dumps(value).encode())
text_messages = st.tuples(st.just(WSMsgType.TEXT), texts | jsons)
binary_messages = st.tuples(st.just(WSMsgType.BINARY), st.binary(max_size=200) | texts | jsons)


def test_no_message_ends_a_session(loop_runner: asyncio.Runner) -> None:
    it_context = world()
    it = loop_runner.run(it_context.__aenter__())
    ws = loop_runner.run(it.connect())

    async def exchange(batch: list[tuple[WSMsgType, bytes]]) -> None:
        for kind, message in batch:
            await ws.send_frame(message, kind)
        for _ in batch:
            assert (await ws.receive()).type is WSMsgType.TEXT

    @settings(max_examples=150, deadline=None, database=None)
    @given(st.lists(text_messages | binary_messages, max_size=8))
    def each_message_has_one_answer(batch: list[tuple[WSMsgType, bytes]]) -> None:
        loop_runner.run(exchange(batch))

    each_message_has_one_answer()
    loop_runner.run(it_context.__aexit__(None, None, None))


# --- Sizes -------------------------------------------------------------------


async def test_a_message_of_16_mib_is_taken() -> None:
    async with world() as it:
        ws = await it.connect()
        await ws.send_str(append(bytes(12 * MIB)))
        assert (await ws.receive_json())["item_id"] == str(12 * MIB)


@pytest.mark.parametrize("limit", [64 * 1024, 22 * MIB])
async def test_a_message_above_the_limit_closes_with_1009(limit: int) -> None:
    async with world(max_message_bytes=limit) as it:
        ws = await it.connect()
        await ws.send_bytes(b" " * (limit - 1))
        assert (await ws.receive_json())["type"] == "error"
        await ws.send_bytes(b" " * limit)
        message = await ws.receive()
        assert (message.type, message.data) == (WSMsgType.CLOSE, 1009)
        await it.sessions[0].detached.wait()
        assert it.counters.oversized_closed == 1


async def test_an_event_that_some_clients_refuse_comes_in_pieces_or_in_short() -> None:
    """Pipecat and other users of `websockets` close on more than 1 MiB."""
    async with world() as it, connect(f"ws://127.0.0.1:{it.port}/", max_size=MIB) as ws:
        await ws.recv()
        it.connections[0].send(audio_delta(bytes(range(256)) * 4_096))
        deltas = [json.loads(await ws.recv())["delta"] for _ in range(2)]
        assert b"".join(map(base64.b64decode, deltas)) == bytes(range(256)) * 4_096
        output = FunctionCallOutput(id="item_1", call_id="call_1", output="é" * MIB)
        it.connections[0].send(
            ConversationItemDone(event_id="event_9", previous_item_id=None, item=output)
        )
        told = json.loads(await ws.recv())
        assert told["item"]["output"].endswith("é…")
        assert it.counters.events_shortened == 2


# --- Slow, silent and greedy clients -----------------------------------------


async def test_a_slow_reader_is_closed_and_nobody_else_notices() -> None:
    async with world(max_queued_bytes=MIB) as it, it.raw_client() as slow:
        neighbour = await it.connect()
        slow_connection = it.connections[0]

        while it.counters.slow_readers_closed == 0:
            slow_connection.send(audio_delta(bytes(30_000)))
            await neighbour.send_str(CLEAR)
            assert (await neighbour.receive_json())["type"] == "input_audio_buffer.cleared"
        slow_connection.send(audio_delta(b""))  # Nothing after the end.

        opcode, payload = frames_in(await read_to_end(slow))[-1]
        assert opcode == 8
        assert payload == struct.pack("!H", 1013) + SLOW_READER.encode()
        await it.sessions[0].detached.wait()
        await neighbour.send_str(CLEAR)
        assert (await neighbour.receive_json())["type"] == "input_audio_buffer.cleared"


async def test_a_session_does_not_wait_for_a_slow_reader_to_go() -> None:
    async with world(max_queued_bytes=MIB, close_timeout_s=60) as it, it.raw_client():
        while it.counters.slow_readers_closed == 0:
            it.connections[0].send(audio_delta(bytes(30_000)))
        await asyncio.wait_for(it.sessions[0].detached.wait(), 10)


async def test_a_reader_that_stops_for_a_while_loses_nothing() -> None:
    async with world() as it, it.raw_client() as raw:
        loop = asyncio.get_running_loop()
        sent = 0
        while it.connections[0].queued_bytes < MIB:
            it.connections[0].send(audio_delta(bytes(30_000), item_id=f"item_{sent}"))
            sent += 1
        it.connections[0].close(1000, "done")
        data = b""
        while not data.endswith(b"done"):
            data += await loop.sock_recv(raw, MIB)
        frames = frames_in(data)
        texts = [json.loads(payload) for opcode, payload in frames if opcode == 1]
        assert [t["item_id"] for t in texts[1:]] == [f"item_{k}" for k in range(sent)]
        assert frames[-1] == (8, struct.pack("!H", 1000) + b"done")


async def test_a_client_that_has_vanished_is_reaped() -> None:
    async with world(heartbeat_s=0.02) as it, it.raw_client():
        await it.sessions[0].detached.wait()
        assert it.counters.half_open_reaped == 1


async def test_a_client_that_only_sends_is_pinged() -> None:
    """Or proxies take the connection for dead: nothing comes from the server."""
    pong = b"\x8a\x80" + bytes(4)  # Unasked for: it puts our heartbeat off, and has no answer.
    async with world(heartbeat_s=0.2) as it, it.raw_client() as raw:
        loop = asyncio.get_running_loop()
        data = b""
        while (9, b"") not in frames_in(data):
            await loop.sock_sendall(raw, pong)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.02):
                    data += await loop.sock_recv(raw, MIB)


async def test_a_flood_does_not_keep_others_from_their_turn() -> None:
    flood_size = 20_000
    async with world() as it:
        greedy = await it.connect()
        other = await it.connect()

        async def flood() -> None:
            for _ in range(flood_size):
                await greedy.send_str(CLEAR)

        flooding = asyncio.create_task(flood())
        while not it.sessions[0].received:  # noqa: ASYNC110
            await asyncio.sleep(0)
        for _ in range(20):
            await other.send_str(CLEAR)
            await other.receive_json()
        assert len(it.sessions[0].received) < flood_size // 4
        flooding.cancel()
        await asyncio.wait((flooding,))


# --- The end -----------------------------------------------------------------


async def test_close_sends_what_is_queued_and_then_says_why() -> None:
    async with world() as it:
        ws = await it.connect()
        connection = it.connections[0]
        connection.send(audio_delta(b"last"))
        connection.close(4000, "é" * 100)
        connection.close(1000, "a second close says nothing")
        connection.send(audio_delta(b"too late"))
        assert base64.b64decode((await ws.receive_json())["delta"]) == b"last"
        message = await ws.receive()
        assert message.type is WSMsgType.CLOSE
        assert (message.data, message.extra) == (4000, "é" * 61)
        await it.sessions[0].detached.wait()


async def test_a_session_is_left_exactly_once_however_the_client_goes() -> None:
    async with world() as it:
        ws = await it.connect()
        await ws.close()
        async with it.raw_client() as raw:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        for session in it.sessions:
            await session.detached.wait()
            assert session.detachments == 1


async def test_a_client_that_does_not_say_goodbye_is_cut_off() -> None:
    async with world(close_timeout_s=0.02) as it, it.raw_client() as raw:
        it.connections[0].close(1000, "bye")
        assert frames_in(await read_to_end(raw))[-1] == (8, struct.pack("!H", 1000) + b"bye")


class FailingSession(EchoSession):
    def receive(self, connection: Connection, event: ClientEvent) -> None:
        raise AssertionError("a bug of ours")


async def test_our_own_bug_closes_with_1011_and_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with world(FailingSession) as it:
        ws = await it.connect()
        with caplog.at_level(logging.ERROR):
            await ws.send_str(CLEAR)
            assert (await ws.receive()).type is WSMsgType.CLOSE
        assert ws.close_code == 1011
        assert "sess_echo" in caplog.text


@pytest.mark.parametrize(
    "data", [b'{"type":"\xff\xfe"}', b'{"type":"input_audio_buffer.clear","\xc3":1}']
)
async def test_text_that_is_not_utf8_is_no_text_message(data: bytes) -> None:
    """RFC 6455, 8.1: fail the connection; 1007 says why."""
    async with world() as it:
        ws = await it.connect()
        await ws.send_frame(data, WSMsgType.TEXT)
        assert (await ws.receive()).type is WSMsgType.CLOSE
        assert ws.close_code == CloseCode.NOT_UTF8
