"""A call's sound, both ways: the seam between the connection and what carries its media."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Protocol

from antiphon.upstream.quality import Quality

CodecName = Literal["opus", "pcmu", "pcma"]
RATE_HZ = 24_000
FRAME_MS = 20
FRAME_BYTES = 2 * RATE_HZ * FRAME_MS // 1000

Hear = Callable[[bytes], None]
"""Is given what comes: 16-bit mono at `RATE_HZ`."""


class CallSound(Protocol):
    """Of one call: `join`, then `begin` once media can flow; `close` at any time."""

    def join(self, peer: Any, hear: Hear) -> None:
        """Have a section in the offer that ``peer``, an ``RTCPeerConnection``, is about to make."""

    def begin(self) -> None:
        """The connection is up."""

    def put(self, pcm: bytes) -> None:
        """What the user says, 16-bit mono at `RATE_HZ`."""

    async def drained(self) -> None:
        """Wait until all of it is on its way."""

    async def quality(self) -> Quality | None:
        """Since it was last asked; None: not known."""

    async def close(self) -> None: ...
