"""Many talking clients in one thread, cheap enough to load a server from one core.

Plain sockets and one epoll; frames are made before.  Each client sends at its own moments
and keeps to them, however the server does.  What comes back is measured here:

* lateness of each piece of speech against the timeline of its reply (`zero_engine`);
* from sending the append that completes the silence after a turn to the first piece of
  the answer: what the server adds to an engine that takes no time.
"""

from __future__ import annotations

import bisect
import json
import random
import select
import socket
import time
from array import array
from collections.abc import Mapping
from math import ceil

import speech_loop

UPGRADE = (
    b"GET /v1/realtime?model=zero HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
DELTA = b'{"type":"response.output_audio.delta"'
SAID = b'{"type":"response.output_audio_transcript.delta"'
STOPPED = b'{"type":"input_audio_buffer.speech_stopped"'
ERROR = b'{"type":"error"'
WINDOW_MS = 32
"""Voice is scored in windows; a decision falls at the end of one."""


class Overloaded(Exception):
    """The server does not take what is sent to it any more."""


class Refused(Exception):
    """No session was opened."""

    def __init__(self, reply: bytes) -> None:
        super().__init__(reply)
        head = reply.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
        self.status = int(head[0].split()[1])
        fields = (line.partition(":") for line in head[1:])
        self.headers = {name.lower(): value.strip() for name, _, value in fields}


class Client:
    """One session, from the outside."""

    def __init__(self, port: int, *, delta_ms: int, chunk_ms: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(UPGRADE)
        reply = self.socket.recv(4096)
        if not reply.startswith(b"HTTP/1.1 101"):
            self.socket.close()
            raise Refused(reply)
        self.rest = reply.partition(b"\r\n\r\n")[2]
        self.sent_at = array("d")
        self.next_frame = 0
        self.lateness_ms: list[float] = []
        self.latency_ms: list[float] = []
        self.pieces = 0
        self.turns = 0
        self._delta_ms = delta_ms
        self._chunk_ms = chunk_ms
        self._due_ms = 0.0
        self._is_first = False
        self._turn_ended_at: float | None = None

    def tell(self, event: Mapping[str, object]) -> None:
        self.socket.sendall(speech_loop.masked_frame(json.dumps(event).encode()))

    def take(self, data: bytes, now: float) -> None:
        """Read whole frames; what is left of the last waits for more."""
        if self.rest:
            data = self.rest + data
        at, size = 0, len(data)
        while size - at >= 2:
            length, start = data[at + 1], at + 2
            if length == 126:
                start += 2
                length = int.from_bytes(data[at + 2 : at + 4])
            elif length == 127:
                start += 8
                length = int.from_bytes(data[at + 2 : at + 10])
            if size < start + length:
                break
            assert data[at] == 0x81, f"not a text frame: {data[at : start + length]!r}"
            if data.startswith(DELTA, start):
                self._heard(now)
            elif data.startswith((SAID, STOPPED, ERROR), start):
                self._told(json.loads(data[start : start + length]))
            at = start + length
        self.rest = data[at:]

    def _heard(self, now: float) -> None:
        self.pieces += 1
        if not self._is_first:
            self._due_ms += self._delta_ms
            self.lateness_ms.append(now * 1000 - self._due_ms)
        elif self._turn_ended_at is not None:
            # The first piece is due at once, not on the clock: it is latency, not lateness.
            self.latency_ms.append((now - self._turn_ended_at) * 1000)
        self._is_first = False

    def _told(self, event: dict[str, str]) -> None:
        match event["type"]:
            case "response.output_audio_transcript.delta":
                self._due_ms = float(event["delta"].split()[0])
                self._is_first = True
            case "input_audio_buffer.speech_stopped":
                self.turns += 1
                decided_ms = ceil(int(event["audio_end_ms"]) / WINDOW_MS) * WINDOW_MS
                self._turn_ended_at = self.sent_at[ceil(decided_ms / self._chunk_ms) - 1]
            case _:
                raise AssertionError(event)


class Crowd:
    """All clients of one server.

    Args:
        chunk_ms: how much a client sends at once; the server's deltas are as long.
        always: both sides speak all the time, turns are found but change nothing;
            otherwise each turn is answered.
        quiet: nobody speaks; there is only the noise of rooms.
    """

    def __init__(
        self, port: int, *, chunk_ms: int, always: bool, quiet: bool = False, seed: int = 1
    ) -> None:
        self.clients: list[Client] = []
        self.lag_ms: list[float] = []
        """How late we are ourselves, at each append."""
        self._port = port
        self._chunk_ms = chunk_ms
        self._always = always
        self._frames = speech_loop.frames(chunk_ms, quiet=quiet)
        self._random = random.Random(seed)
        self._epoll = select.epoll()
        self._by_fileno: dict[int, Client] = {}
        self._queue: list[tuple[float, Client]] = []
        """In the order of their moments within a chunk."""
        self._at = 0
        self._began = 0.0

    def grow(self, clients: int) -> None:
        """Connect until there are so many; those there go on talking meanwhile."""
        detection = {
            "type": "server_vad",
            "create_response": not self._always,
            "interrupt_response": not self._always,
        }
        session = {"type": "realtime", "audio": {"input": {"turn_detection": detection}}}
        while len(self.clients) < clients:
            self._join(session)
            if len(self.clients) % 5 == 0:
                self.run(0.02)
        self._shuffle()

    def join(self) -> None:
        """One more, who talks at once; the others keep their moments.

        Raises:
            Refused: the server takes no more.
        """
        client = self._join({"type": "realtime"})
        moment_s = self._random.random() * self._chunk_ms / 1000
        place = bisect.bisect([at_s for at_s, _ in self._queue], moment_s)
        self._queue.insert(place, (moment_s, client))
        if len(self._queue) == 1:
            self._began = time.monotonic()
        elif place <= self._at:
            self._at += 1  # Its moment in this round has passed, or is that of another.

    def _join(self, session: Mapping[str, object]) -> Client:
        client = Client(self._port, delta_ms=self._chunk_ms, chunk_ms=self._chunk_ms)
        client.tell({"type": "session.update", "session": session})
        if self._always:
            client.tell({"type": "response.create"})
        client.socket.setblocking(False)
        client.next_frame = self._random.randrange(len(self._frames))
        self.clients.append(client)
        self._by_fileno[client.socket.fileno()] = client
        self._epoll.register(client.socket.fileno(), select.EPOLLIN)
        return client

    def _shuffle(self) -> None:
        step = self._chunk_ms / 1000
        self._queue = sorted(
            ((self._random.random() * step, client) for client in self.clients),
            key=lambda entry: entry[0],
        )
        self._at, self._began = 0, time.monotonic()

    def run(self, seconds: float) -> None:
        """Talk and listen.

        Raises:
            Overloaded: the server lets messages lie.
        """
        if not self._queue:
            return
        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end:
            self._send_due(now)
            wait = max(0.0, self._next_at - time.monotonic())
            for fileno, _ in self._epoll.poll(min(wait, 0.01)):
                client = self._by_fileno[fileno]
                data = client.socket.recv(1 << 18)
                assert data, "the server closed a session"
                client.take(data, time.monotonic())

    @property
    def _next_at(self) -> float:
        return self._began + self._queue[self._at][0]

    def _send_due(self, now: float) -> None:
        frames, queue = self._frames, self._queue
        sent = 0
        # Not all at once where we are late ourselves: what came back must be read in time.
        while sent < 16 and self._began + queue[self._at][0] <= now:
            client = queue[self._at][1]
            self.lag_ms.append((now - self._next_at) * 1000)
            frame = frames[client.next_frame]
            client.sent_at.append(time.monotonic())
            try:
                if client.socket.send(frame) < len(frame):
                    raise Overloaded
            except BlockingIOError:
                raise Overloaded from None
            client.next_frame = (client.next_frame + 1) % len(frames)
            sent += 1
            self._at += 1
            if self._at == len(queue):
                self._at = 0
                self._began += self._chunk_ms / 1000

    def forget(self) -> None:
        """What was measured so far."""
        self.lag_ms.clear()
        for client in self.clients:
            client.lateness_ms.clear()
            client.latency_ms.clear()
            client.pieces = client.turns = 0

    def close(self) -> None:
        self._epoll.close()
        for client in self.clients:
            client.socket.close()
