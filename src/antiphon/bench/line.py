"""The seam between a caller and whatever it calls."""

from __future__ import annotations

from typing import Protocol

from antiphon.errors import AntiphonError


class Listener(Protocol):
    """Who is told what comes on a line, as it comes."""

    def sound(self, pcm: bytes, reply: str = "") -> None: ...
    def stop(self) -> None:
        """The caller was heard: what is still to be played is dropped."""

    def answering(self, *, is_answering: bool) -> None: ...
    def failed(self, kind: str, detail: str = "") -> None: ...
    def closed(self, kind: str, detail: str = "") -> None:
        """The line is dead."""


class LineFailed(AntiphonError):
    """A line could not be opened.

    Attributes:
        kind: As errors are counted.
    """

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind


class Line(Protocol):
    """One way to one server.

    Attributes:
        is_live: Sound comes in real time, and the server stops it (WebRTC).
        expects_answers: False for one that only echoes.
    """

    is_live: bool
    expects_answers: bool

    async def open(self, listener: Listener) -> None:
        """Connect until sound can be sent.

        Raises:
            LineFailed: there is no connection.
        """

    async def begin(self) -> None:
        """Ask for what the measurement needs.

        Raises:
            LineFailed: the server would not have it.
        """

    async def send(self, pcm: bytes) -> None: ...
    async def close(self) -> None: ...
