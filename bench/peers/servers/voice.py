"""What every peer says: a tone of four seconds, in pieces of 40 ms, each when it is due."""

from __future__ import annotations

import asyncio
import math
import struct
import time
from collections.abc import AsyncIterator

RATE_HZ = 24_000
PIECE_MS = 40
REPLY_MS = 4_000
SILENCE_MS = 500
"""The window of silence that ends a turn."""


def tone(rate_hz: int) -> bytes:
    """One piece."""
    count = rate_hz * PIECE_MS // 1000
    samples = (int(6000 * math.sin(2 * math.pi * 400 * i / rate_hz)) for i in range(count))
    return struct.pack(f"<{count}h", *samples)


TONE = tone(RATE_HZ)


async def speech() -> AsyncIterator[bytes]:
    began = time.monotonic()
    for piece in range(REPLY_MS // PIECE_MS):
        wait_s = began + piece * PIECE_MS / 1000 - time.monotonic()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        yield TONE
