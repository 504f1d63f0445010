"""One WebSocket as a `Connection`.

Receiving is a loop of its own task; sending is plain function calls.  ``send`` encodes
the event and puts the frame in a list; one flush per turn of the event loop writes all
of them at once, straight to the socket's transport.  What the transport does not take
stays here, counted, so that a slow reader costs itself a bounded amount of memory and
its neighbours nothing.

aiohttp does the handshake, the pings, the closing handshake and the parsing of frames;
`FrameWriter` and `Socket` are all that this module needs from a WebSocket library.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import socket
import struct
from collections.abc import Collection
from typing import Final, TypedDict, Unpack

from aiohttp import WebSocketError, WSMsgType, web
from aiohttp.abc import AbstractStreamWriter
from msgspec import Struct

from antiphon.errors import ProtocolError
from antiphon.protocol.closes import CloseCode
from antiphon.protocol.dialect import GA, Dialect
from antiphon.protocol.fitting import fitting
from antiphon.protocol.server import ServerEvent
from antiphon.runtime.door import SessionDoor
from antiphon.runtime.throttle import TOO_FAST, Throttle, too_fast
from antiphon.transports.frame_writer import WRITE_CHUNK_BYTES, FrameWriter, Socket

log = logging.getLogger(__name__)

MIB: Final = 1 << 20
MAX_EVENT_BYTES: Final = MIB
"""Pipecat closes on a larger message (docs/reference/protocol.md, "Message sizes")."""
TEAR_S: Final = 0.02
MAX_REASON_BYTES: Final = 123
"""RFC 6455, 5.5: control frames carry at most 125 bytes, two of which are the code."""

NO_CODE: Final = 0
"""What aiohttp calls the code of a close frame that has none."""
GOODBYES: Final = frozenset({CloseCode.NORMAL, NO_CODE})
"""Closes of a client that does not mean to come back."""

SLOW_READER: Final = "The connection reads too slowly: its queue of events is full."


class Joining(TypedDict, total=False):
    """How a connection comes to its session (`WebSocketConnection.converse`)."""

    owns: bool
    may_send: Collection[str] | None
    after: str | None
    token: str
    shows_items: bool


class WebSocketLimits(Struct, frozen=True, kw_only=True):
    """What one connection may cost."""

    max_message_bytes: int = 22 * MIB
    """Above: close 1009.  15 MiB of audio are 20 MiB as base64."""
    max_queued_bytes: int = 8 * MIB
    """Not yet taken by the socket.  Above, the slow reader is closed with 1013."""
    heartbeat_s: float | None = 20.0
    """A ping after this long without a byte, either way; dead if the client then stays silent for
    half as long again."""
    close_timeout_s: float = 5.0
    """How long a closing connection may take to read the rest and to say goodbye."""
    messages_per_turn: int = 16
    bytes_per_turn: int = 256 * 1024
    """After either, other connections have their turn."""


class WebSocketCounters:
    """What became of all connections of a process."""

    def __init__(self) -> None:
        self.opened = 0
        self.slow_readers_closed = 0
        self.half_open_reaped = 0
        self.oversized_closed = 0
        self.events_shortened = 0
        self.refused_fast = 0


async def _drained(writer: AbstractStreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        await writer.drain()


async def _discard_input(fileno: int, timeout_s: float) -> None:
    """Read what a client still sends, so that it comes to read what we said last.

    Closing a socket with unread input resets the connection, and the client may then
    never see the close frame (RFC 9112, 9.6 tells the same of HTTP).
    """
    loop = asyncio.get_running_loop()
    with socket.socket(fileno=fileno) as lingering:
        lingering.setblocking(False)
        with contextlib.suppress(OSError, TimeoutError):
            lingering.shutdown(socket.SHUT_WR)
            async with asyncio.timeout(timeout_s):
                while await loop.sock_recv(lingering, WRITE_CHUNK_BYTES):
                    pass


def _is_utf8(data: bytes) -> bool:
    if data.isascii():  # Nearly all messages, and fast.
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


_connection_numbers = itertools.count(1)


class WebSocketConnection:
    """A `Connection` over aiohttp.

    Use: ``accept`` in a request handler, then ``converse`` until it returns.
    """

    def __init__(
        self,
        request: web.Request,
        *,
        limits: WebSocketLimits | None = None,
        counters: WebSocketCounters | None = None,
        protocols: tuple[str, ...] = (),
        dialect: Dialect = GA,
        throttle: Throttle | None = None,
    ) -> None:
        """``throttle``: how fast its messages are taken; while one waits, nothing is read, so that
        the client is slowed down and nothing is lost.
        """
        self._throttle = throttle
        self.limits = limits or WebSocketLimits()
        self._counters = counters or WebSocketCounters()
        self._dialect = dialect
        self._id = f"ws_{next(_connection_numbers)}"
        self._request = request
        self._close_code: int | None = None
        self._closing: asyncio.Task[None] | None = None
        self._said_goodbye = False
        self._writer: FrameWriter
        self.received = 0
        self.sent = 0
        self.response: web.WebSocketResponse[bool] = web.WebSocketResponse(
            # Deflate doubles the cost of a session and gains little on base64.
            compress=False,
            heartbeat=self.limits.heartbeat_s,
            max_msg_size=self.limits.max_message_bytes,
            timeout=self.limits.close_timeout_s,
            protocols=protocols,
            # Bytes: the JSON decoder takes them.
            decode_text=False,
        )

    @property
    def id(self) -> str:
        return self._id

    @property
    def queued_bytes(self) -> int:
        """Sent, but not yet taken by the socket."""
        return self._writer.queued_bytes

    @property
    def dialect(self) -> Dialect:
        return self._dialect

    @property
    def close_code(self) -> int | None:
        """Ours, if we closed: aiohttp then calls it 1000 whatever it was."""
        return self._close_code or self.response.close_code

    async def accept(self) -> None:
        """Answer the upgrade.

        Raises:
            web.HTTPBadRequest: the request is no WebSocket handshake.
            ConnectionResetError: the client has gone.
        """
        http_writer = await self.response.prepare(self._request)
        transport = self._request.transport
        if transport is None:
            raise ConnectionResetError("the client went away during the handshake")
        protocol = self._request.protocol
        self._transport = transport
        loop = asyncio.get_running_loop()
        self._writer = FrameWriter(
            Socket(
                transport,
                is_paused=lambda: protocol.writing_paused,
                resumed=lambda: loop.create_task(_drained(http_writer)),
            ),
            max_queued_bytes=self.limits.max_queued_bytes,
            overflow=self._on_slow_reader,
        )
        self._counters.opened += 1

    # --- Sending -------------------------------------------------------------

    def send(self, event: ServerEvent) -> None:
        if self._closing is not None:
            return
        for payload in self._dialect.encode(event):
            messages = [payload]
            if len(payload) > MAX_EVENT_BYTES:
                messages = self._shortened(payload, event)
            for message in messages:
                self.sent += 1
                self._writer.write(message)

    def _shortened(self, payload: bytes, event: ServerEvent) -> list[bytes]:
        self._counters.events_shortened += 1
        log.info(
            "%s: a %s of %d bytes is told in short", self._id, type(event).__name__, len(payload)
        )
        return fitting(payload, MAX_EVENT_BYTES)

    def write(self, message: bytes) -> None:
        """One text message as it stands, whatever is in it: for a server that is to misbehave."""
        if self._closing is None:
            self.sent += 1
            self._writer.write(message)

    def tear(self, *, reset: bool) -> None:
        """Be gone without a close frame; ``reset``: without the end of the stream either."""
        connected = self._transport.get_extra_info("socket")
        if reset and connected is not None:
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.flush()
        if reset:  # Once the network has had the time to take what was said before.
            asyncio.get_running_loop().call_later(TEAR_S, self._transport.abort)
        else:
            self._transport.close()

    def hold_reading(self, duration_s: float) -> None:
        """Take nothing of what the client sends for a while."""
        if self._transport.is_closing():
            return
        self._transport.pause_reading()
        asyncio.get_running_loop().call_later(duration_s, self._read_on)

    def _read_on(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def close(self, code: int, reason: str) -> None:
        if self._closing is None:
            self._close_code = code
            self._closing = asyncio.get_running_loop().create_task(self._finish(code, reason))

    async def refuse(self, event: ServerEvent, code: int, reason: str) -> None:
        """Instead of `converse`: say why there will be no session, and close."""
        self.send(event)
        self.close(code, reason)
        if self._closing is not None:
            await self._closing

    async def flushed(self) -> None:
        await self._writer.flushed()

    def _on_slow_reader(self) -> None:
        if self._closing is not None:
            return
        log.warning("%s: closed, %d bytes unread", self._id, self._writer.queued_bytes)
        self._counters.slow_readers_closed += 1
        self._writer.discard()
        self.close(CloseCode.TRY_AGAIN_LATER, SLOW_READER)

    async def _finish(self, code: int, reason: str) -> None:
        message = reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore").encode()
        try:
            async with asyncio.timeout(self.limits.close_timeout_s):
                await self._writer.flushed()
                # Not drained: a reader that has stopped shall not hold up the session's end.
                await self.response.close(code=code, message=message, drain=False)
        except (TimeoutError, ConnectionError):
            self._transport.abort()
        else:
            self._abort_in_time()

    # --- Receiving -----------------------------------------------------------

    async def converse(self, session: SessionDoor, **how: Unpack[Joining]) -> None:
        """Carry messages to ``session`` until the connection is gone.

        Arguments as of `SessionDoor.resume`, with a token, or else of `SessionDoor.attach`.
        """
        may_send, after = how.get("may_send"), how.get("after")
        if (token := how.get("token")) is not None:
            shows_items = how.get("shows_items", False)
            session.resume(
                self, token=token, may_send=may_send, after=after, shows_items=shows_items
            )
        else:
            session.attach(self, owns=how.get("owns", True), may_send=may_send, after=after)
        talking = asyncio.get_running_loop().create_task(self._keep_talking())
        try:
            await self._read(session)
        finally:
            talking.cancel()
            session.detach(self, for_good=self._said_goodbye)
            if self._closing is None:
                self._closing = asyncio.get_running_loop().create_task(self._part())
            await self._closing

    async def _keep_talking(self) -> None:
        """Proxies close a connection on which only one side speaks; aiohttp's heartbeat is for
        clients that are silent.
        """
        while self.limits.heartbeat_s is not None:
            sent = self.sent
            await asyncio.sleep(self.limits.heartbeat_s)
            if self.sent == sent and self._closing is None:
                with contextlib.suppress(ConnectionError):
                    await self.response.ping()

    async def _read(self, session: SessionDoor) -> None:
        receive = self.response.receive
        max_messages, max_bytes = self.limits.messages_per_turn, self.limits.bytes_per_turn
        messages = size = 0
        while True:
            message = await receive()
            if message.type is WSMsgType.TEXT or message.type is WSMsgType.BINARY:
                if message.type is WSMsgType.TEXT and not _is_utf8(message.data):
                    self.close(CloseCode.NOT_UTF8, "A text message must be UTF-8.")
                    return
                await self._take(session, message.data)
                # ``receive`` does not let go of the loop while messages lie ready.
                messages += 1
                size += len(message.data)
                if messages >= max_messages or size >= max_bytes:
                    messages = size = 0
                    await asyncio.sleep(0)
            elif message.type is WSMsgType.ERROR:
                self._on_broken(message.data)
                return
            elif message.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED):
                # A page that is left or loaded anew says 1001, and may be back in a moment.
                self._said_goodbye |= message.type is WSMsgType.CLOSE and message.data in GOODBYES
                return

    async def _take(self, session: SessionDoor, data: bytes) -> None:
        if self._throttle is None:
            self._handle(session, data)
            return
        wait_s = self._throttle.wait_s(len(data))
        if wait_s is None:
            self._refuse_fast(session, data)
            return
        if wait_s:
            await asyncio.sleep(wait_s)
        self._handle(session, data)

    def _refuse_fast(self, session: SessionDoor, data: bytes) -> None:
        if self._closing is not None:
            return
        assert self._throttle is not None, "it refused"
        self._counters.refused_fast += 1
        if self._throttle.is_over:
            log.warning("%s: closed, its messages come too fast", self._id)
            self.close(CloseCode.NOT_SERVED, TOO_FAST)
            return
        session.refuse(self, too_fast(self._event_id(data)))

    def _event_id(self, data: bytes) -> str | None:
        try:
            return self._dialect.decode(data).event_id
        except ProtocolError as error:
            return error.event_id

    def _handle(self, session: SessionDoor, data: bytes) -> None:
        if self._closing is not None:
            return
        self.received += 1
        try:
            try:
                event = self._dialect.decode(data)
            except ProtocolError as error:
                session.refuse(self, error)
            else:
                session.receive(self, event)
        except Exception:
            # Ours, not the client's: the session cannot be trusted any more.
            log.exception("%s: session %s failed", self._id, session.id)
            self._said_goodbye = True
            self.close(CloseCode.INTERNAL_ERROR, "The server had an error.")

    def _on_broken(self, error: object) -> None:
        if isinstance(error, WebSocketError) and error.code == CloseCode.TOO_BIG:
            self._counters.oversized_closed += 1
            # aiohttp has sent the close frame and closes the socket next.
            if self._closing is None and self._transport.get_write_buffer_size() == 0:
                fileno = os.dup(self._transport.get_extra_info("socket").fileno())
                self._closing = asyncio.get_running_loop().create_task(
                    _discard_input(fileno, self.limits.close_timeout_s)
                )
        elif isinstance(error, TimeoutError):
            self._counters.half_open_reaped += 1
            # What is still queued will never be read.
            self._transport.abort()
        log.info("%s: broken (%s)", self._id, type(error).__name__)

    async def _part(self) -> None:
        """The client closed, or vanished."""
        self._writer.discard()
        self._abort_in_time()

    def _abort_in_time(self) -> None:
        # A closed transport keeps what was never read until the kernel gives up.
        if self._transport.get_write_buffer_size():
            asyncio.get_running_loop().call_later(
                self.limits.close_timeout_s, self._transport.abort
            )
