"""Bytes of a chat-completions stream, as thoughts.  No I/O.

Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Any

import msgspec
from msgspec import Struct

from antiphon.engines.cascade.parts import CallTool, SayText, Thinking, Thought

_MAX_EVENT_BYTES = 1 << 20
_CALL_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")


class MalformedStream(Exception):
    """The server sent what is no chat-completions stream."""


class UpstreamError(Exception):
    """The server reported an error within the stream; its text may hold the prompt."""


class SseReader:
    """Cuts bytes, however they arrive, into the data of events."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of each event that is now complete.

        Raises:
            MalformedStream: an event is longer than 1 MiB.
        """
        # "a line is ended by CRLF, LF or CR": a CR at the very end may be half of a CRLF.
        text = self._rest + chunk
        held = b"\r" if text.endswith(b"\r") else b""
        lines = re.split(rb"\r\n|\n|\r", text[: len(text) - len(held)])
        self._rest = lines.pop() + held
        events = []
        for line in lines:
            if line.startswith(b"data:"):
                self._data.append(line[5:].removeprefix(b" "))
            elif not line and self._data:
                events.append(b"\n".join(self._data))
                self._data = []
        if len(self._rest) + sum(map(len, self._data)) > _MAX_EVENT_BYTES:
            raise MalformedStream("an event of more than 1 MiB")
        return events

    def end(self) -> list[bytes]:
        """The last event, where the server left out the empty line after it."""
        found = self.feed(b"\n\n") if self._rest or self._data else []
        self._rest, self._data = b"", []
        return found


class _Call(Struct):
    index: int
    call_id: str
    upstream_id: str = ""
    name: str = ""
    pending: str = ""
    """Arguments not passed on yet."""
    whole: str = ""
    """All arguments so far."""

    def is_whole(self) -> bool:
        try:
            msgspec.json.decode(self.whole)
        except (msgspec.DecodeError, RecursionError):
            return False
        return True


class ChatStream:
    """Turns the events of one stream into thoughts.

    Calls are passed on one after another, in the order in which they began: pieces of a
    later one wait until the earlier one has ended.
    """

    def __init__(self, *, new_call_id: Callable[[], str], taken: Collection[str] = ()) -> None:
        self._new_call_id = new_call_id
        self._taken = set(taken)
        self._calls: list[_Call] = []
        self._open: dict[int, _Call] = {}
        self._usage: dict[str, Any] = {}
        self.finish_reason: str | None = None
        self.done = False
        """``[DONE]`` has come."""
        self.began = False
        """Something was said or called."""

    def take(self, data: bytes) -> list[Thinking]:
        """What one event adds.

        Raises:
            MalformedStream: it is no chat-completions chunk.
            UpstreamError: it is an error.
        """
        if data.strip() == b"[DONE]":
            self.done = True
            return []
        try:
            chunk = msgspec.json.decode(data)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise MalformedStream("an event is no JSON") from error
        if not isinstance(chunk, dict):
            raise MalformedStream("an event is no object")
        if chunk.get("error"):
            raise UpstreamError
        if isinstance(chunk.get("usage"), dict):
            self._usage = chunk["usage"]
        thoughts: list[Thinking] = []
        choices = chunk.get("choices")
        for choice in choices[:1] if isinstance(choices, list) else ():
            if not isinstance(choice, dict):
                raise MalformedStream("a choice is no object")
            thoughts += self._choice(choice)
        self.began = self.began or bool(thoughts)
        return thoughts

    def _choice(self, choice: dict[str, Any]) -> list[Thinking]:
        # A server that does not stream sends a whole message in the delta's place.
        delta = choice.get("delta") or choice.get("message") or {}
        if not isinstance(delta, dict):
            raise MalformedStream("a delta is no object")
        texts = [delta.get(key) for key in ("content", "refusal")]
        thoughts: list[Thinking] = [SayText(t) for t in texts if isinstance(t, str) and t]
        tool_calls = delta.get("tool_calls")
        for piece in tool_calls if isinstance(tool_calls, list) else ():
            if not isinstance(piece, dict):
                raise MalformedStream("a tool call is no object")
            self._piece(piece)
        if isinstance(choice.get("finish_reason"), str):
            self.finish_reason = choice["finish_reason"]
        return thoughts + self._passed_on()

    def _piece(self, piece: dict[str, Any]) -> None:
        written, upstream_id = piece.get("index"), piece.get("id") or ""
        index = written if isinstance(written, int) else self._index_without(upstream_id)
        call = self._open.get(index)
        # Some servers number every call 0 and tell them apart by id alone.
        if call is None or (upstream_id and call.upstream_id and upstream_id != call.upstream_id):
            call = _Call(index, self._call_id(upstream_id), upstream_id)
            self._open[index] = call
            self._calls.append(call)
        function = piece.get("function")
        if not isinstance(function, dict):
            return
        if isinstance(function.get("name"), str) and function["name"] != call.name:
            call.name += function["name"]
        arguments = function.get("arguments")
        if isinstance(arguments, dict):
            arguments = msgspec.json.encode(arguments).decode()
        if isinstance(arguments, str):
            call.pending += arguments
            call.whole += arguments

    def _index_without(self, upstream_id: str) -> int:
        """The index of a piece that has none: a new call if it has an id of its own."""
        known = next((c.index for c in self._calls if c.upstream_id == upstream_id), None)
        if upstream_id and known is None:
            return max(self._open, default=-1) + 1
        return known if known is not None and upstream_id else max(self._open, default=0)

    def _call_id(self, upstream_id: Any) -> str:
        """The server's own id, where the Realtime API allows it and it is new here."""
        fit = isinstance(upstream_id, str) and _CALL_ID.fullmatch(upstream_id)
        chosen = upstream_id if fit and upstream_id not in self._taken else self._new_call_id()
        self._taken.add(chosen)
        return str(chosen)

    def _passed_on(self) -> list[Thinking]:
        thoughts: list[Thinking] = []
        while self._calls:
            call = self._calls[0]
            # A later call has begun, but more of this one may still come.
            passed = len(self._calls) > 1 and call.is_whole()
            ended = passed or self.finish_reason is not None
            if not call.name:
                if not ended:
                    break
                self._calls.pop(0)  # A call of nothing.
                continue
            if ended:
                if not call.whole.strip():
                    call.pending = "{}"
                thoughts.append(CallTool(call.call_id, call.name, call.pending, ended=True))
                self._calls.pop(0)
                continue
            if call.pending:
                thoughts.append(CallTool(call.call_id, call.name, call.pending, ended=False))
                call.pending = ""
            break
        return thoughts

    def end(self) -> list[Thinking]:
        """What is still open, and the end; call it once."""
        self.finish_reason = self.finish_reason or "stop"
        reason = {"length": "max_output_tokens", "content_filter": "content_filter"}
        details = self._usage.get("prompt_tokens_details")
        return [
            *self._passed_on(),
            Thought(
                reason=reason.get(self.finish_reason),  # type: ignore[arg-type]
                input_tokens=_count(self._usage.get("prompt_tokens")),
                output_tokens=_count(self._usage.get("completion_tokens")),
                cached_tokens=_count(
                    details.get("cached_tokens") if isinstance(details, dict) else None
                ),
            ),
        ]


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
