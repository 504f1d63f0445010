"""What the clients of a benchmark say: recorded speech and quiet, as frames ready to send."""

from __future__ import annotations

import base64
import struct
import wave
from pathlib import Path

import numpy as np

from antiphon.audio.resample import Resampler

RATE_HZ = 24_000
FOLDER = Path(__file__).parents[1] / "tests" / "data" / "speech"
TURNS = ("harvard_s1_1", "harvard_s2_4")
TURN_S = 9
"""Speech of 2 to 3 s, the silence that ends it, an answer of 4 s, and a moment to think."""
MASK = b"\x12\x34\x56\x78"


def masked_frame(payload: bytes) -> bytes:
    """A client's text frame (RFC 6455, 5.2 and 5.3)."""
    size = len(payload)
    repeated = MASK * (size // 4 + 1)
    body = (int.from_bytes(payload) ^ int.from_bytes(repeated[:size])).to_bytes(size)
    if size < 126:
        return bytes((0x81, 0x80 | size)) + MASK + body
    return struct.pack("!BBH", 0x81, 0x80 | 126, size) + MASK + body


def microphone(*, quiet: bool = False) -> bytes:
    """One round of all turns; room noise, hardly audible, fills the pauses (or all of it)."""
    rng = np.random.default_rng(1)
    rounds = []
    for name in TURNS:
        with wave.open(str(FOLDER / f"{name}.wav")) as recording:
            pcm = recording.readframes(recording.getnframes())
            resampler = Resampler(recording.getframerate(), RATE_HZ)
        turn = np.rint(rng.normal(0, 8, TURN_S * RATE_HZ)).astype("<i2")
        said = np.frombuffer(resampler.process(pcm) + resampler.flush(), "<i2")
        if not quiet:
            turn[: said.size] = said
        rounds.append(turn)
    return np.concatenate(rounds).tobytes()


def frames(chunk_ms: int, *, quiet: bool = False) -> list[bytes]:
    """One round, cut into appends."""
    pcm, size = microphone(quiet=quiet), 2 * RATE_HZ * chunk_ms // 1000
    return [
        masked_frame(
            b'{"type":"input_audio_buffer.append","audio":"%s"}'
            % base64.b64encode(pcm[at : at + size])
        )
        for at in range(0, len(pcm), size)
    ]
