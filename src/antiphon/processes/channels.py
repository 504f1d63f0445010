"""The sockets between a supervisor and its processes.

Three pairs lead to each: the bus, in frames; the door, through which open sockets are handed; the
counter, where budgets are asked for and the answer is waited for.  None has a name or an address,
so nobody else can come.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import struct
from collections.abc import Callable
from typing import Final, Generic, NamedTuple, TypeVar, cast

from antiphon.processes.bus import BusLost
from antiphon.processes.messages import (
    Call,
    Frames,
    FromProcess,
    Returned,
    ToProcess,
    framed,
    to_process,
)

log = logging.getLogger(__name__)

M = TypeVar("M")
MAX_UNREAD_BYTES: Final = 64 * 1024 * 1024
"""Overflow policy of a bus: who leaves more unread is frozen, and its connection is cut."""
COUNTER_TIMEOUT_S: Final = 1.0
READ_BYTES: Final = 64 * 1024
_PARCEL = struct.Struct("!cQ")
CLIENT, SIBLING, LINK = b"c", b"s", b"l"
"""What is handed through a door: a client's connection; one of another process that comes; the one
to another process that was asked for, with the number of the asking."""


class Pairs(NamedTuple):
    """One side of all three."""

    bus: socket.socket
    door: socket.socket
    counter: socket.socket

    def close(self) -> None:
        for each in self:
            each.close()


def new_pairs() -> tuple[Pairs, Pairs]:
    """The supervisor's side, and the process's."""
    bus = socket.socketpair()
    door = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    counter = socket.socketpair()
    return Pairs(bus[0], door[0], counter[0]), Pairs(bus[1], door[1], counter[1])


class FrameStream(asyncio.Protocol, Generic[M]):
    """Messages over a stream.

    Args:
        decode: Of what comes.
        received: Is given it.
        lost: Called when the other end is no more.
    """

    def __init__(
        self,
        decode: Callable[[bytes], M],
        received: Callable[[M], None],
        lost: Callable[[], None] = lambda: None,
    ) -> None:
        self._decode = decode
        self._received = received
        self._lost = lost
        self._frames = Frames()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop has a class of its own.

    def data_received(self, data: bytes) -> None:
        for frame in self._frames.feed(data):
            self._received(self._decode(frame))

    def connection_lost(self, error: Exception | None) -> None:
        del error
        self._lost()

    def send(self, message: FromProcess | ToProcess) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        transport.write(framed(message))
        if transport.get_write_buffer_size() > MAX_UNREAD_BYTES:
            log.error("a process does not read what it is told: its bus is cut")
            transport.abort()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class DoorOut:
    """The supervisor's end of a door."""

    def __init__(self, door: socket.socket) -> None:
        door.setblocking(False)
        self._door = door

    def close(self) -> None:
        self._door.close()

    def hand(self, given: socket.socket, kind: bytes = CLIENT, number: int = 0) -> bool:
        """False: the process has too many to fetch already, or is gone; ``given`` is still ours."""
        try:
            socket.send_fds(self._door, [_PARCEL.pack(kind, number)], [given.fileno()])
        except OSError:
            return False
        return True


class DoorIn:
    """A process's end: answers all who come through it.

    Args:
        answer: Makes a protocol for one that comes, as `web.Server` does.
        tls: For clients; None: they speak plainly.
    """

    def __init__(
        self,
        door: socket.socket,
        answer: Callable[[], asyncio.Protocol],
        *,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        door.setblocking(False)
        self._door = door
        self._answer = answer
        self._tls = tls
        self._links: dict[int, asyncio.Future[socket.socket]] = {}
        self._welcoming: set[asyncio.Task[None]] = set()

    def open(self) -> None:
        asyncio.get_running_loop().add_reader(self._door.fileno(), self._fetch)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._door.fileno())

    async def link(self, number: int) -> socket.socket:
        """The connection to another process that was asked for by that number."""
        link = self._link(number)
        try:
            async with asyncio.timeout(COUNTER_TIMEOUT_S):
                return await link
        except TimeoutError:
            raise BusLost("a connection to another process did not come") from None
        finally:
            del self._links[number]

    def _link(self, number: int) -> asyncio.Future[socket.socket]:
        if number not in self._links:
            self._links[number] = asyncio.get_running_loop().create_future()
        return self._links[number]

    def _fetch(self) -> None:
        try:
            parcel, files, _, _ = socket.recv_fds(self._door, _PARCEL.size, 1)
        except BlockingIOError:
            return
        except OSError:
            parcel, files = b"", []
        if not parcel:  # The supervisor is gone; the bus tells more of it.
            self.close()
            return
        kind, number = _PARCEL.unpack(parcel)
        for file in files:
            given = socket.socket(fileno=file)
            given.setblocking(False)
            given.set_inheritable(False)
            if kind == LINK:
                self._arrived(number, given)
            else:
                task = asyncio.get_running_loop().create_task(self._welcome(given, kind))
                self._welcoming.add(task)
                task.add_done_callback(self._welcoming.discard)

    def _arrived(self, number: int, given: socket.socket) -> None:
        link = self._link(number)
        if link.done():
            given.close()
        else:
            link.set_result(given)

    async def _welcome(self, given: socket.socket, kind: bytes) -> None:
        tls = self._tls if kind == CLIENT else None
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(self._answer, given, ssl=tls)
        except (OSError, TimeoutError) as error:
            # One that hung up, or whose handshake failed.
            log.debug("a connection came to nothing (%s)", type(error).__name__)
            given.close()


class Counter:
    """A process's end of its counter: one question at a time, each waited for."""

    def __init__(self, counter: socket.socket) -> None:
        counter.settimeout(COUNTER_TIMEOUT_S)
        self._socket = counter
        self._frames = Frames()

    def ask(self, call: Call) -> Returned:
        """Raises:
        BusLost: there is no answer.
        """
        self.tell(call)
        try:
            while data := self._socket.recv(READ_BYTES):
                for frame in self._frames.feed(data):
                    returned = to_process(frame)
                    assert isinstance(returned, Returned), "nothing else comes here"
                    if returned.id == call.id:
                        return returned
        except (OSError, ValueError) as error:
            raise BusLost(f"no answer about budgets ({type(error).__name__})") from None
        raise BusLost("the supervisor has ended")

    def tell(self, call: Call) -> None:
        """Raises:
        BusLost: nobody takes it.
        """
        try:
            self._socket.sendall(framed(call))
        except OSError as error:
            raise BusLost(f"nobody hears of budgets ({type(error).__name__})") from None


def first_message(bus: socket.socket) -> ToProcess:
    """What a process is told before it has a loop.

    Raises:
        BusLost: nothing comes.
    """
    bus.settimeout(10)
    frames = Frames()
    data = bytearray()
    while True:
        byte = bus.recv(1)  # No more than this message: what follows is the loop's.
        if not byte:
            raise BusLost("the supervisor has ended")
        data += byte
        for frame in frames.feed(byte):
            bus.setblocking(False)
            return to_process(frame)
