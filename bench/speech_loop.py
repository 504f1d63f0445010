"""What the clients of a benchmark say: recorded speech and quiet, as frames ready to send."""

from __future__ import annotations

import base64
import struct
import wave
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from antiphon.audio.resample import Resampler

RATE_HZ = 24_000
FOLDER = Path(__file__).parents[1] / "tests" / "data" / "speech"
TURNS = ("harvard_s1_1", "harvard_s2_4")
TURN_S = 9
"""Speech of 2 to 3 s, the silence that ends it, an answer of 4 s, and a moment to think."""
CALL_TURNS = ("harvard_s1_1", "harvard_birch")
CALL_TURN_S = 8
"""Speech of 3 s (with what Opus sends after it, 41 % of the time), an answer of 4 s."""
HANGOVER_SLOTS = 10
REMINDER_SLOTS = 20
"""With DTX, Opus goes on for 200 ms after a voice, and then sends one packet in 400 ms."""
MASK = b"\x12\x34\x56\x78"


def masked_frame(payload: bytes) -> bytes:
    """A client's text frame (RFC 6455, 5.2 and 5.3)."""
    size = len(payload)
    repeated = MASK * (size // 4 + 1)
    body = (int.from_bytes(payload) ^ int.from_bytes(repeated[:size])).to_bytes(size)
    if size < 126:
        return bytes((0x81, 0x80 | size)) + MASK + body
    return struct.pack("!BBH", 0x81, 0x80 | 126, size) + MASK + body


def rounds(turns: Sequence[str], turn_s: float) -> list[tuple[NDArray[np.int16], int]]:
    """Each turn with room noise, hardly audible, after it, and how many samples are speech."""
    rng = np.random.default_rng(1)
    found = []
    for name in turns:
        with wave.open(str(FOLDER / f"{name}.wav")) as recording:
            pcm = recording.readframes(recording.getnframes())
            resampler = Resampler(recording.getframerate(), RATE_HZ)
        turn = np.rint(rng.normal(0, 8, int(turn_s * RATE_HZ))).astype(np.int16)
        said = np.frombuffer(resampler.process(pcm) + resampler.flush(), "<i2")
        turn[: said.size] = said[: turn.size]
        found.append((turn, min(said.size, turn.size)))
    return found


def microphone(*, quiet: bool = False) -> bytes:
    """One round of all turns; room noise fills the pauses (or all of it)."""
    found = rounds(TURNS, TURN_S)
    if quiet:
        rng = np.random.default_rng(1)
        found = [(np.rint(rng.normal(0, 8, pcm.size)).astype(np.int16), 0) for pcm, _ in found]
    return np.concatenate([pcm for pcm, _ in found]).tobytes()


def opus_slots(*, turn_s: float = CALL_TURN_S, dtx: bool) -> list[bytes]:
    """The payload of each 20 ms of one round, as browsers encode; empty where DTX sends none."""
    encoder = av.CodecContext.create("libopus", "w")
    assert isinstance(encoder, av.AudioCodecContext)
    encoder.format, encoder.layout = av.AudioFormat("s16"), av.AudioLayout("mono")
    encoder.sample_rate, encoder.bit_rate = RATE_HZ, 32_000
    encoder.options = {"application": "voip"}
    slots: list[bytes] = []
    size = RATE_HZ // 50
    for turn, spoken in rounds(CALL_TURNS, turn_s):
        voiced = spoken // size + HANGOVER_SLOTS
        for slot in range(len(turn) // size):
            frame = av.AudioFrame.from_ndarray(
                turn[None, slot * size : (slot + 1) * size], "s16", "mono"
            )
            frame.sample_rate, frame.pts = RATE_HZ, len(slots) * size
            payload = b"".join(bytes(packet) for packet in encoder.encode(frame))
            quiet_for = slot - voiced
            if not dtx or quiet_for < 0:
                slots.append(payload)
            elif quiet_for == 0:
                slots.append(payload[:1])  # "Nothing follows for a while."
            else:
                slots.append(b"" if quiet_for % REMINDER_SLOTS else payload)
    return slots


def keepalive_slots() -> list[bytes]:
    """Of a caller who says nothing at all."""
    return [b"", b""] * (REMINDER_SLOTS // 2 - 1) + [b"", b"\xf8\xff\xfe"]


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
