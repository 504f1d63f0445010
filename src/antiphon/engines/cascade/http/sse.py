"""Server-sent events: bytes, however they arrive, into the data of events.  No I/O.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import re

MAX_EVENT_BYTES = 1 << 20
MAX_STREAM_BYTES = 64 << 20
"""Some 200,000 tokens, each in an event of its own."""
_FIELDS = re.compile(rb"(?:event|id|retry)(?::|$)")


class MalformedStream(Exception):
    """The server sent what is no stream of this kind."""


class SseReader:
    """Cuts bytes into the data of events, and keeps what is no event at all."""

    def __init__(self) -> None:
        self.stray = b""
        """Lines that belong to no event: a body of another kind, as a page or plain JSON."""
        self._rest = b""
        self._data: list[bytes] = []
        self._began = False
        self._size = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of each event that is now complete.

        Raises:
            MalformedStream: an event is longer than 1 MiB, or all of them than 64 MiB.
        """
        self._size += len(chunk)
        if self._size > MAX_STREAM_BYTES:
            raise MalformedStream("an answer of more than 64 MiB")
        # "a line is ended by CRLF, LF or CR": a CR at the very end may be half of a CRLF.
        text = self._rest + chunk
        held = b"\r" if text.endswith(b"\r") else b""
        lines = re.split(rb"\r\n|\n|\r", text[: len(text) - len(held)])
        self._rest = lines.pop() + held
        events: list[bytes] = []
        for line in lines:
            self._line(line, events)
        if len(self._rest) + len(self.stray) + sum(map(len, self._data)) > MAX_EVENT_BYTES:
            raise MalformedStream("an event of more than 1 MiB")
        return events

    def _line(self, line: bytes, events: list[bytes]) -> None:
        if not self._began:
            line, self._began = line.removeprefix(b"\xef\xbb\xbf"), True
        if line.startswith(b"data:"):
            self._data.append(line[5:].removeprefix(b" "))
        elif not line:
            if self._data:
                events.append(b"\n".join(self._data))
                self._data = []
        elif line.startswith(b"error:"):  # llama.cpp reports its errors so.
            events.append(line[6:].strip())
        elif not line.startswith(b":") and not _FIELDS.match(line):
            self.stray += line + b"\n"

    def end(self) -> list[bytes]:
        """The last event, where the server left out the empty line after it."""
        found = self.feed(b"\n\n") if self._rest or self._data else []
        self._rest, self._data = b"", []
        return found
