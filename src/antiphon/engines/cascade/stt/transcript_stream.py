"""A transcript as servers send it, in one piece or in many, into its text.  No I/O.

In many pieces: OpenAI's ``transcript.text.delta`` and ``.done``; vLLM's chunks, shaped as those of
chat completions; Speaches' segments, each an object with its text.  In one: an object with the
text, or, though JSON was asked for, the text itself.
"""

from __future__ import annotations

from typing import Any

import msgspec

from antiphon.engines.cascade.http.refusals import Refused, Why, read_refusal, refused
from antiphon.engines.cascade.http.sse import MAX_EVENT_BYTES, MalformedStream, SseReader


class TranscriptStream:
    """Takes bytes as they come.

    Attributes:
        text: So far.
        done: It is whole.
    """

    def __init__(self, content_type: str) -> None:
        self.text = ""
        self.done = False
        self._content_type = content_type
        self._reader = SseReader() if content_type == "text/event-stream" else None
        self._whole = b""
        self._has_an_end = False
        """The pieces are of a kind whose last one says so."""

    def feed(self, chunk: bytes) -> bool:
        """Whether the text has grown.

        Raises:
            Refused: it is no transcript.
        """
        before = self.text
        if self._reader is None:
            self._whole += chunk
            if len(self._whole) > MAX_EVENT_BYTES:
                raise refused(Why.MALFORMED, "more than 1 MiB")
            return False
        try:
            for data in self._reader.feed(chunk):
                self._take(data)
        except MalformedStream as error:
            raise refused(Why.MALFORMED, str(error)) from None
        return self.done or self.text != before

    def end(self) -> None:
        """Nothing more comes.

        Raises:
            Refused: it was no transcript, or not all of it.
        """
        if self._reader is not None:
            for data in self._reader.end():
                self._take(data)
            self._whole = self._reader.stray
        if self._reader is None or (self._whole.strip() and not self.text):
            self.text = _whole_text(self._whole, self._content_type)
        elif self._has_an_end and not self.done:
            raise refused(Why.BROKEN_OFF)
        self.done = True

    def _take(self, data: bytes) -> None:
        if data.strip() == b"[DONE]":
            self.done = True
            return
        event = _decoded(data)
        if not isinstance(event, dict):
            raise refused(Why.MALFORMED, "an event is no object")
        kind = event.get("type")
        if event.get("error") or kind == "error":
            raise Refused(read_refusal(200, data))
        if kind == "transcript.text.delta":
            self._has_an_end = True
            self.text += _text(event.get("delta"))
        elif kind == "transcript.text.done":
            self.text = _text(event.get("text"))
            self.done = True
        elif kind is None and isinstance(event.get("choices"), list):
            self.text += _chat_delta(event["choices"])
        elif kind is None:
            self.text += _text(event.get("text"))


def _decoded(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError):
        raise refused(Why.MALFORMED, "an event is no JSON") from None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise refused(Why.MALFORMED, "an event has no text")
    return value


def _chat_delta(choices: list[Any]) -> str:
    choice = choices[0] if choices and isinstance(choices[0], dict) else {}
    delta = choice.get("delta")
    content = delta.get("content") if isinstance(delta, dict) else None
    return content if isinstance(content, str) else ""


def _whole_text(body: bytes, content_type: str) -> str:
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        if content_type == "text/plain" and body.strip():
            return body.decode(errors="replace").strip()
        raise Refused(read_refusal(200, body, content_type=content_type)) from None
    if isinstance(answer, dict) and isinstance(answer.get("text"), str):
        text: str = answer["text"]
        return text
    if isinstance(answer, dict) and answer.get("error"):
        raise Refused(read_refusal(200, body, content_type=content_type))
    raise refused(Why.MALFORMED, "it has no text")
