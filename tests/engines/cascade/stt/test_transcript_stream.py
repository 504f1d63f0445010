from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.engines.cascade.http.refusals import Refused, Why
from antiphon.engines.cascade.stt.transcript_stream import TranscriptStream

SSE, JSON = "text/event-stream", "application/json"


def sse(*events: Any, end: bytes = b"") -> bytes:
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events) + end


def delta(text: str) -> dict[str, Any]:
    return {"type": "transcript.text.delta", "delta": text}


def chunk(text: str | None) -> dict[str, Any]:
    return {"object": "transcription.chunk", "choices": [{"index": 0, "delta": {"content": text}}]}


def read(body: bytes, content_type: str, *, step: int = 0) -> str:
    stream = TranscriptStream(content_type)
    step = step or max(1, len(body))
    for at in range(0, len(body), step):
        stream.feed(body[at : at + step])
    if not stream.done:
        stream.end()
    assert stream.done
    return stream.text


DONE = {"type": "transcript.text.done", "text": "Book a room."}
FORMS = {
    "OpenAI": (sse(delta("Book "), delta("a room"), DONE), SSE),
    "vLLM": (
        sse(chunk(None), chunk("Book "), chunk("a room."), end=b"data: [DONE]\n\n"),
        SSE,
    ),
    "Speaches": (sse({"text": "Book "}, {"text": "a room."}), SSE),
    "without the last line": (sse(delta("Book "), DONE).rstrip(), SSE),
    "another event between": (sse(delta("Book"), {"type": "x", "y": 1}, DONE), SSE),
    "in one piece": (b'{"text": "Book a room.", "usage": {}}', JSON),
    "in one piece, as a stream": (b'{"text": "Book a room."}', SSE),
    "text": (b"Book a room.\n", "text/plain"),
    "JSON that says text": (b'{"text": "Book a room."}', "text/plain"),
}


@pytest.mark.parametrize("step", [0, 1, 13])
@pytest.mark.parametrize("form", FORMS)
def test_a_transcript_is_read_in_whatever_form_it_comes(form: str, step: int) -> None:
    body, content_type = FORMS[form]
    assert read(body, content_type, step=step) == "Book a room."


def test_words_grow() -> None:
    stream = TranscriptStream(SSE)
    grown = []
    for event in (delta("Book "), delta("a room"), DONE):
        assert stream.feed(sse(event))
        grown.append(stream.text)
    assert grown == ["Book ", "Book a room", "Book a room."]


@pytest.mark.parametrize(
    ("body", "content_type", "why"),
    [
        (sse(delta("Book ")), SSE, Why.BROKEN_OFF),
        (sse({"error": {"message": "CUDA is out of memory"}}), SSE, Why.FAILED),
        (sse({"type": "transcript.text.delta"}), SSE, Why.MALFORMED),
        (sse([1]), SSE, Why.MALFORMED),
        (b"data: {\n\n", SSE, Why.MALFORMED),
        (b"x" * (2 << 20), JSON, Why.MALFORMED),
        (b"data: " + b"x" * (2 << 20), SSE, Why.MALFORMED),
        (b'{"task": "transcribe"}', JSON, Why.MALFORMED),
        (b'{"error": "no such model"}', JSON, Why.NO_MODEL),
        (b"<html><p>Welcome", "text/html", Why.NOT_AN_API),
        (b"", "text/plain", Why.NOT_AN_API),
    ],
)
def test_what_is_no_transcript_is_named(body: bytes, content_type: str, why: Why) -> None:
    with pytest.raises(Refused) as refused:
        read(body, content_type)
    assert refused.value.refusal.why is why


@given(body=st.binary(max_size=200), content_type=st.sampled_from([SSE, JSON, "text/plain", ""]))
def test_any_bytes_are_a_text_or_named(body: bytes, content_type: str) -> None:
    try:
        assert isinstance(read(body, content_type, step=7), str)
    except Refused as refused:
        assert refused.refusal.why in Why
