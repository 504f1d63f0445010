"""Events of a chat-completions stream, as thoughts.  No I/O."""

from __future__ import annotations

import json
import logging
from collections import deque
from collections.abc import Callable, Collection, Iterator
from re import compile as pattern
from typing import Any, Literal

import msgspec
from msgspec import Struct

from antiphon.engines.cascade.http.sse import MalformedStream
from antiphon.engines.cascade.llm.characters import Characters
from antiphon.engines.cascade.llm.tool_calls import StreamedCall, ToolCalls
from antiphon.engines.cascade.parts import CallTool, SayText, Thinking, Thought

log = logging.getLogger(__name__)

_CALL_ID = pattern(r"[A-Za-z0-9_-]{1,32}")
_REASONING = ("reasoning_content", "reasoning", "reasoning_details", "thinking", "reasoning_text")

Reason = Literal["max_output_tokens", "content_filter"]
_CUT_SHORT: dict[str, Reason] = {
    "length": "max_output_tokens",
    "max_tokens": "max_output_tokens",
    "model_length": "max_output_tokens",
    "content_filter": "content_filter",
    "safety": "content_filter",
    "sensitive": "content_filter",
}
_NO_REASON = ("", "null", "none")
"""What some servers write in every chunk, where others write null."""
_BROKEN = ("error", "abort", "network_error", "insufficient_system_resource")
"""The server gave up; as OpenRouter, vLLM, Zhipu and DeepSeek write it."""


class UpstreamError(Exception):
    """The server reported an error within the stream; ``body`` may hold the prompt."""

    def __init__(self, body: bytes) -> None:
        super().__init__("the server reported an error within the stream")
        self.body = body


class _Said(Struct):
    text: str


class _CallIds:
    """Gives each call an id that the Realtime API allows and the conversation does not know."""

    def __init__(self, new: Callable[[], str], taken: Collection[str]) -> None:
        self._new = new
        self._taken = set(taken)

    def choose(self, upstream_ids: list[str]) -> str:
        """The server's own one, where it fits."""
        fit = (i for i in upstream_ids if _CALL_ID.fullmatch(i) and i not in self._taken)
        chosen = next(fit, "") or self._new()
        self._taken.add(chosen)
        return chosen


class ChatStream:
    """Turns the events of one stream into thoughts.

    Text and calls are passed on in the order in which they began, each call in one go: what
    comes in between waits until the call is whole.
    """

    def __init__(
        self,
        *,
        new_call_id: Callable[[], str],
        taken: Collection[str] = (),
        tool_names: Collection[str] = (),
    ) -> None:
        """``taken``: call ids of the conversation; ``tool_names``: what may be called."""
        self._call_ids = _CallIds(new_call_id, taken)
        self._calls = ToolCalls(tool_names)
        self._characters = Characters()
        self._queue: deque[_Said | StreamedCall] = deque()
        self._message_is_open = False
        self._usage: dict[str, Any] = {}
        self.finish_reason: str | None = None
        self.is_settled = False
        """The answer is over: at most its usage is still to come."""
        self.done = False
        """``[DONE]`` has come."""
        self.thinks = False
        """The model has begun, be it only to reason."""
        self.began = False
        """Something was said or called."""
        self.said = False
        """Some of the text has come, though it may wait for a call to end."""
        self.broke_a_call = False
        """Arguments of a call ended and are no whole JSON, and no limit says why."""

    def take(self, data: bytes) -> list[Thinking]:
        """What one event adds.

        Raises:
            MalformedStream: it is no chat-completions chunk.
            UpstreamError: it is an error.
        """
        if data.strip() == b"[DONE]":
            self.done = True
            return []
        chunk = decoded(data)
        if not isinstance(chunk, dict):
            raise MalformedStream("an event is no object")
        choices = chunk.get("choices")
        if chunk.get("error") or (chunk.get("object") == "error" and not choices):
            raise UpstreamError(data)
        return self.take_chunk(chunk)

    def take_chunk(self, chunk: dict[str, Any]) -> list[Thinking]:
        """What one chunk adds.

        Raises:
            MalformedStream: it is none.
        """
        choices = chunk.get("choices")
        if isinstance(chunk.get("usage"), dict):
            self._usage = chunk["usage"]
        for choice in choices[:1] if isinstance(choices, list) else ():
            if not isinstance(choice, dict):
                raise MalformedStream("a choice is no object")
            self._choice(choice)
        thoughts = list(self._ready())
        self.began = self.began or bool(thoughts)
        return thoughts

    def _choice(self, choice: dict[str, Any]) -> None:
        # A server that does not stream sends a whole message in the delta's place.
        delta = choice.get("delta") or (None if self.thinks else choice.get("message")) or {}
        if not isinstance(delta, dict):
            raise MalformedStream("a delta is no object")
        texts = [text for key in ("content", "refusal") for text in _texts(delta.get(key))]
        for text in texts:
            self._content(text)
            self.said = True
        pieces = list(_pieces(delta))
        for piece in pieces:
            begun = self._calls.take(piece)
            if begun is not None:
                self._queue.append(begun)
        self.thinks = self.thinks or bool(texts or pieces) or any(map(delta.get, _REASONING))
        reason = choice.get("finish_reason")
        if isinstance(reason, str) and reason.lower() not in _NO_REASON:
            if reason.lower() in _BROKEN:
                raise UpstreamError(b"{}")
            self.finish_reason = reason.lower()
            # Some servers write "stop" in every chunk: one that brings more is not the last.
            self.is_settled = not texts and not pieces

    def _content(self, text: str) -> None:
        """All text of the answer passes through here, as it was written."""
        text = self._characters.whole(text)
        if self._queue and isinstance(self._queue[-1], _Said):
            self._queue[-1].text += text
        elif text:
            self._queue.append(_Said(text))

    # --- Passing on ----------------------------------------------------------

    def _ready(self) -> Iterator[Thinking]:
        """What need not wait for more."""
        while self._queue:
            head = self._queue[0]
            if isinstance(head, _Said):
                # Blank text before a message, or around calls, is no message.
                text = head.text if self._message_is_open else head.text.lstrip()
                self._message_is_open = self._message_is_open or text != ""
                if text:
                    yield SayText(text)
            elif not self._is_over(head):
                if head.name and (grown := head.grown()):
                    yield self._called(head, grown, ended=False)
                return
            else:
                yield from self._end_of(head)
            self._queue.popleft()

    def _is_over(self, call: StreamedCall) -> bool:
        """Nothing more of the call can come."""
        if call.is_whole:
            return len(self._queue) > 1 or self.finish_reason is not None
        # One without arguments may still get some.
        return self.is_settled and self.finish_reason not in _CUT_SHORT

    def _end_of(self, call: StreamedCall) -> Iterator[Thinking]:
        cut = self.finish_reason in _CUT_SHORT and not call.is_closed
        rest = None if cut else call.rest()
        if call.is_nothing:
            log.info("llm: a piece of a function call without a name was left out")
        elif rest is not None:
            yield self._called(call, rest, ended=True)
        else:
            # Half a call is never announced as a whole one.
            self.broke_a_call |= self.finish_reason not in _CUT_SHORT
            if grown := call.grown():
                yield self._called(call, grown, ended=False)

    def _called(self, call: StreamedCall, arguments: str, *, ended: bool) -> CallTool:
        self._message_is_open = False
        call.call_id = call.call_id or self._call_ids.choose(call.ids)
        return CallTool(call.call_id, call.name, arguments, ended=ended)

    def end(self) -> list[Thinking]:
        """What is still open, and the end; call it once.

        There is no `Thought` where the stream `broke_a_call`.
        """
        self.finish_reason = self.finish_reason or "stop"
        self.is_settled = True
        thoughts = list(self._ready())
        for left in self._queue:  # The first one is half a call, the others waited for it.
            if isinstance(left, StreamedCall):
                thoughts += self._end_of(left)
            elif text := left.text.strip():
                thoughts.append(SayText(text))
        self._queue.clear()
        if self.broke_a_call:
            return thoughts
        details = self._usage.get("prompt_tokens_details")
        cached = details.get("cached_tokens") if isinstance(details, dict) else None
        return [
            *thoughts,
            Thought(
                reason=_CUT_SHORT.get(self.finish_reason),
                input_tokens=_count(self._usage.get("prompt_tokens")),
                output_tokens=_count(self._usage.get("completion_tokens")),
                cached_tokens=_count(cached),
            ),
        ]


def decoded(data: bytes) -> Any:
    """An event's JSON.

    Raises:
        MalformedStream: it is none.
    """
    text = data.decode(errors="replace")
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        pass
    try:
        return json.loads(text)  # It takes half a character, which msgspec does not.
    except (ValueError, RecursionError) as error:
        raise MalformedStream("an event is no JSON") from error


def _texts(content: Any) -> Iterator[str]:
    """The text of a ``content``, which some servers send as a list of parts."""
    if isinstance(content, str):
        if content:
            yield content
    elif isinstance(content, list):
        for part in content:
            if isinstance(part, str):
                yield from _texts(part)
            elif isinstance(part, dict) and part.get("type") in ("text", "output_text", None):
                yield from _texts(part.get("text"))


def _pieces(delta: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The pieces of calls; also of the single ``function_call`` of before 2023-11."""
    tool_calls = delta.get("tool_calls")
    for piece in tool_calls if isinstance(tool_calls, list) else ():
        if not isinstance(piece, dict):
            raise MalformedStream("a tool call is no object")
        yield piece
    if isinstance(delta.get("function_call"), dict) and not tool_calls:
        yield {"function": delta["function_call"]}


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
