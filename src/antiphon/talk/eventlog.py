"""A log of all messages, without their sound."""

from __future__ import annotations

from typing import TextIO

from antiphon.upstream.wire import without_audio


class EventLog:
    """One line a message: ms, direction, JSON.

    It holds what was said (transcripts, instructions): the user asked for it.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def sent(self, message: str, now_ms: float) -> None:
        self._write(">", message, now_ms)

    def received(self, message: str, now_ms: float) -> None:
        self._write("<", message, now_ms)

    def _write(self, direction: str, message: str, now_ms: float) -> None:
        self._out.write(f"{now_ms:10.0f} {direction} {without_audio(message)}\n")
        self._out.flush()
