"""Events of the Responses API, as thoughts.  No I/O.

Each event is told to `ChatStream` as the chunk that chat completions would have sent: what it
does for text, calls and limits holds here too.

https://platform.openai.com/docs/api-reference/responses-streaming
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from antiphon.engines.cascade.http.sse import MalformedStream
from antiphon.engines.cascade.llm.chat_stream import ChatStream, UpstreamError, decoded
from antiphon.engines.cascade.parts import Thinking

Chunk = dict[str, Any]

_TEXT = {"response.output_text.delta": "content", "response.refusal.delta": "refusal"}
_ENDS = ("response.completed", "response.incomplete", "response.failed")
_REASONS = {"max_output_tokens": "length", "content_filter": "content_filter"}


class ResponsesStream(ChatStream):
    """Turns the events of one stream into thoughts."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._arguments: dict[int | None, str] = {}
        """Of each call, by its place in the output: as far as they came in pieces."""

    def take(self, data: bytes) -> list[Thinking]:
        """As `ChatStream.take`."""
        if data.strip() == b"[DONE]":
            self.done = True
            return []
        event = decoded(data)
        if not isinstance(event, dict):
            raise MalformedStream("an event is no object")
        kind = event.get("type")
        if event.get("object") == "response":  # Whole, from a server that does not stream.
            kind, event = "response.whole", {"response": event}
        if kind in ("error", "response.failed") or (event.get("error") and kind is None):
            raise UpstreamError(_error(event))
        thoughts = [
            thought
            for chunk in self._chunks(str(kind), event)
            for thought in self.take_chunk(chunk)
        ]
        self.done = self.done or kind in _ENDS
        return thoughts

    def _chunks(self, kind: str, event: dict[str, Any]) -> Iterator[Chunk]:
        at = event.get("output_index")
        index = at if isinstance(at, int) else None
        if kind in _TEXT:
            yield _delta({_TEXT[kind]: event.get("delta")})
        elif kind == "response.output_item.added":
            yield from self._begun(event.get("item"), index)
        elif kind == "response.function_call_arguments.delta":
            yield from self._grown(index, event.get("delta"))
        elif kind in ("response.function_call_arguments.done", "response.output_item.done"):
            yield from self._ended(event.get("item", event), index)
        elif "reasoning" in kind:
            yield _delta({"reasoning": "…"})
        elif kind in _ENDS or kind == "response.whole":
            yield from self._over(event.get("response"))

    # --- Calls --------------------------------------------------------------------

    def _begun(self, item: Any, index: int | None) -> Iterator[Chunk]:
        if not isinstance(item, dict) or item.get("type") != "function_call":
            return
        self._arguments[index] = ""
        ids = {"id": item["call_id"]} if isinstance(item.get("call_id"), str) else {}
        yield _delta(
            {"tool_calls": [{"index": index, **ids, "function": {"name": item.get("name")}}]}
        )
        yield from self._grown(index, item.get("arguments"))

    def _grown(self, index: int | None, more: Any) -> Iterator[Chunk]:
        if isinstance(more, str) and more:
            self._arguments[index] = self._arguments.get(index, "") + more
            yield _delta({"tool_calls": [{"index": index, "function": {"arguments": more}}]})

    def _ended(self, item: Any, index: int | None) -> Iterator[Chunk]:
        """What did not come in pieces."""
        if not isinstance(item, dict):
            return
        if item.get("type") == "function_call" and index not in self._arguments:
            yield from self._begun(item, index)
        elif isinstance(whole := item.get("arguments"), str) and index in self._arguments:
            yield from self._grown(index, whole.removeprefix(self._arguments[index]))
        elif item.get("type") == "message" and not self.said:
            for text in _texts(item.get("content")):
                yield _delta({"content": text})

    # --- The end ------------------------------------------------------------------

    def _over(self, response: Any) -> Iterator[Chunk]:
        response = response if isinstance(response, dict) else {}
        if response.get("status") == "failed" or response.get("error"):
            raise UpstreamError(_error({"response": response}))
        output = response.get("output")
        for index, item in enumerate(output if isinstance(output, list) else ()):
            yield from self._ended(item, index)
        details = response.get("incomplete_details")
        reason = details.get("reason") if isinstance(details, dict) else None
        if response.get("status") != "incomplete":
            reason = None
        chunk = _delta({}, _REASONS.get(str(reason), "stop" if reason is None else "length"))
        if isinstance(usage := response.get("usage"), dict):
            chunk["usage"] = {
                "prompt_tokens": usage.get("input_tokens"),
                "completion_tokens": usage.get("output_tokens"),
                "prompt_tokens_details": usage.get("input_tokens_details"),
            }
        yield chunk


def _delta(delta: dict[str, Any], finish_reason: str | None = None) -> Chunk:
    return {"choices": [{"delta": delta, "finish_reason": finish_reason}]}


def _texts(content: Any) -> Iterator[str]:
    for part in content if isinstance(content, list) else ():
        if isinstance(part, dict):
            text = part.get("text", part.get("refusal"))
            if isinstance(text, str):
                yield text


def _error(event: dict[str, Any]) -> bytes:
    """The error that an event tells, in the form of all others."""
    response = event.get("response")
    error = response.get("error") if isinstance(response, dict) else event.get("error")
    if not error:
        error = {key: event[key] for key in ("message", "code") if event.get(key)}
    return msgspec.json.encode({"error": error})
