"""What speech servers answer, for `OpenAIServer`: right, and wrong in the ways that are known."""

from __future__ import annotations

import json
import struct

import numpy as np

from antiphon.testing.openai_server import Answer

TONE_HZ = 200


def tone(seconds: float, *, rate_hz: int = 24_000) -> bytes:
    """16-bit samples of a hum that one hears."""
    at = np.arange(int(seconds * rate_hz))
    hum: bytes = (8_000 * np.sin(2 * np.pi * TONE_HZ / rate_hz * at)).astype("<i2").tobytes()
    return hum


def wav(pcm: bytes, *, rate_hz: int = 24_000, length: int | None = None) -> bytes:
    """A WAV file; ``length`` is what its header says, where that is not so."""
    size = len(pcm) if length is None else length
    head = struct.pack("<4sI4s", b"RIFF", min(size + 36, 0xFFFFFFFF), b"WAVE")
    kind = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate_hz, 2 * rate_hz, 2, 16)
    return head + kind + struct.pack("<4sI", b"data", size) + pcm


def spoken(body: bytes, *, content_type: str = "audio/pcm", chunks: int = 4) -> Answer:
    """``body`` in so many pieces, a moment apart."""
    cuts = tuple(len(body) * n // chunks for n in range(1, chunks))
    return Answer(body=body, content_type=content_type, cuts=cuts, pause_s=0.01)


def transcribed(text: str) -> Answer:
    """A transcript in one piece."""
    body = json.dumps({"text": text}).encode()
    return Answer(body=body, content_type="application/json")


def transcribed_in_pieces(*pieces: str, pause_s: float = 0.01, done: bool = True) -> Answer:
    """A transcript as server-sent events, one for each piece."""
    events = [{"type": "transcript.text.delta", "delta": piece} for piece in pieces]
    if done:
        events.append({"type": "transcript.text.done", "text": "".join(pieces)})
    lines = [f"data: {json.dumps(event)}\n\n".encode() for event in events]
    ends = np.cumsum([len(line) for line in lines])
    return Answer(body=b"".join(lines), cuts=tuple(int(end) for end in ends[:-1]), pause_s=pause_s)


def refused(status: int, message: str, *, retry_after: str = "") -> Answer:
    """An error of OpenAI's form."""
    body = json.dumps({"error": {"message": message, "type": "server_error"}}).encode()
    headers = {"Retry-After": retry_after} if retry_after else {}
    return Answer(status=status, body=body, content_type="application/json", headers=headers)


HUNG = Answer(silent=True)
"""Takes the request, and says nothing."""
CLOSED = Answer(drops=True)
"""Takes the request, and hangs up."""
PAGE = Answer(body=b"<!doctype html><title>Welcome</title>", content_type="text/html")
MP3 = Answer(body=(b"\xff\xfb\x90\x64" + bytes(413)) * 8, content_type="audio/mpeg")
"""Whatever was asked for."""
