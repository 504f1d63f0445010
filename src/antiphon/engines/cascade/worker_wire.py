"""The wire between us and a worker process, and the worker's end of it.

A frame is ``<u32 length of body> <u32 job> <body>``, little-endian; the body is one
msgpack message, or empty in the frame that says "I am ready" (job 0).  The same frame to a
worker asks for a sign of life, and is answered with itself.  Frames come in on the worker's
stdin and go out on what was its stdout.
"""

from __future__ import annotations

import os
import queue
import signal
import struct
import threading
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

import msgspec

HEADER = struct.Struct("<II")
READY = SIGN = HEADER.pack(0, 0)
MAX_BODY_BYTES = 16 * 2**20
"""More is no message of ours but a broken stream."""

_encode = msgspec.msgpack.Encoder().encode
Message = TypeVar("Message")


class BrokenWire(Exception):
    """What came in cannot be cut into frames."""


def frame(job: int, message: msgspec.Struct) -> bytes:
    body = _encode(message)
    return HEADER.pack(len(body), job) + body


class Frames:
    """Cuts a stream of bytes into (job, body)."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """The frames that ``data`` completes.

        Raises:
            BrokenWire: a length that no frame of ours has.
        """
        buffer = self._buffer
        buffer += data
        at = 0
        try:
            while len(buffer) - at >= HEADER.size:
                length, job = HEADER.unpack_from(buffer, at)
                if length > MAX_BODY_BYTES:
                    raise BrokenWire(f"a frame of {length} bytes")
                end = at + HEADER.size + length
                if len(buffer) < end:
                    break
                body = bytes(buffer[at + HEADER.size : end])
                at = end
                yield job, body
        finally:
            del buffer[:at]


class WorkerEnd(Generic[Message]):
    """A worker's connection to the process that started it.

    A thread reads, so that a worker deep in a C library still learns what is new, and
    ends with its parent: at end of file the whole process exits at once.
    """

    def __init__(self, commands: Any) -> None:
        """Take over stdin and stdout.  ``commands``: the union of messages to expect."""
        # The terminal's Ctrl-C is for our parent, which then closes our stdin.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self._decode = msgspec.msgpack.Decoder(commands).decode
        self._out = os.dup(1)
        os.dup2(2, 1)  # What a C library prints must not get between the frames.
        self._writing = threading.Lock()
        self._inbox: queue.SimpleQueue[tuple[int, Message]] = queue.SimpleQueue()
        threading.Thread(target=self._read, name="wire", daemon=True).start()

    def ready(self) -> None:
        self._write(READY)

    def send(self, job: int, message: msgspec.Struct) -> None:
        """Blocks while the pipe is full.  Our parent always reads."""
        self._write(frame(job, message))

    def post(self, job: int, message: Message) -> None:
        """From any thread of the worker: as if ``message`` had come in."""
        self._inbox.put((job, message))

    def receive(self, timeout_s: float | None = None) -> tuple[int, Message] | None:
        """Wait for the next command; None when none came in ``timeout_s``."""
        try:
            return self._inbox.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def arrived(self) -> Iterator[tuple[int, Message]]:
        """The commands that are here already."""
        while not self._inbox.empty():
            yield self._inbox.get()

    def _read(self) -> None:
        frames = Frames()
        while data := os.read(0, 2**16):
            for job, body in frames.feed(data):
                if body:
                    self._inbox.put((job, self._decode(body)))
                else:
                    self._write(SIGN)
        os._exit(0)

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            with self._writing:
                while view:
                    view = view[os.write(self._out, view) :]
        except BrokenPipeError:
            os._exit(0)
