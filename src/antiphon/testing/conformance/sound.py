"""A user's voice and silence, as `input_audio_buffer.append` messages of 20 ms."""

from __future__ import annotations

import itertools

import msgspec

from antiphon.core.causes import MEDIA_RATE_HZ

CHUNK_MS = 20


def append_message(pcm: bytes) -> str:
    """`input_audio_buffer.append`, as a client sends it."""
    # Bytes become base64.
    return msgspec.json.encode({"type": "input_audio_buffer.append", "audio": pcm}).decode()


def square_wave(ms: int) -> bytes:
    """200 Hz, loud enough for any measure of level."""
    half = MEDIA_RATE_HZ // 400
    high, low = (8000).to_bytes(2, "little"), (-8000).to_bytes(2, "little", signed=True)
    cycle = high * half + low * half
    wanted = 2 * ms * MEDIA_RATE_HZ // 1000
    return b"".join(itertools.repeat(cycle, wanted // len(cycle) + 1))[:wanted]


VOICE = append_message(square_wave(CHUNK_MS))
SILENCE = append_message(bytes(2 * CHUNK_MS * MEDIA_RATE_HZ // 1000))
