"""What a client that plays by itself is playing, as far as the server can know.

It was sent the sound, and plays it as it comes; so what its microphone brings back of it can
be told from a person (`antiphon.audio.echo`).  Where the guess is wrong (it paused, or keeps
a long buffer) nothing is recognised, and all is as without it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from antiphon.core.causes import MEDIA_RATE_HZ, Ms
from antiphon.core.formats import decoder
from antiphon.protocol.session import AudioFormat, PcmFormat

RECENT_MS: Final = 1_250
"""As much as a `Playback` tells of."""
AHEAD_MAX_MS: Final = 600_000
"""Sound beyond that is not kept; it would be recognised by its beginning."""
_BYTES_PER_MS: Final = 2 * MEDIA_RATE_HZ // 1000


class ClientPlayback:
    """One client's loudspeaker.

    Args:
        now_ms: The session's clock.
    """

    def __init__(self, now_ms: Callable[[], Ms]) -> None:
        self._now_ms = now_ms
        self._format: AudioFormat = PcmFormat()
        self._decoder = decoder(self._format)
        self._sound = bytearray()
        """24 kHz, 16-bit mono."""
        self._begins_ms: Ms = 0
        """When the first of it was played."""

    def configure(self, audio_format: AudioFormat) -> None:
        """How what is sent is coded from now on."""
        if audio_format != self._format:
            self._format = audio_format
            self._decoder = decoder(audio_format)

    def send(self, data: bytes) -> None:
        """More sound was sent; it is played behind what was sent before."""
        pcm = self._decoder.decode(data)
        now_ms = self._now_ms()
        self._forget(now_ms)
        silent_ms = now_ms - self._ends_ms
        if silent_ms >= RECENT_MS or not self._sound:
            self._sound.clear()
            self._begins_ms = now_ms
        elif silent_ms > 0:
            self._sound += bytes(silent_ms * _BYTES_PER_MS)
        room = AHEAD_MAX_MS * _BYTES_PER_MS - len(self._sound)
        self._sound += pcm[: max(0, room)]

    def clear(self) -> None:
        """It plays nothing more of what it was sent."""
        heard_ms = max(0, self._now_ms() - self._begins_ms)
        del self._sound[heard_ms * _BYTES_PER_MS :]

    def recently_played(self) -> bytes:
        """The last second or so until now; empty where all of it was silence."""
        now_ms = self._now_ms()
        self._forget(now_ms)
        played = bytes(self._sound[: max(0, now_ms - self._begins_ms) * _BYTES_PER_MS])
        silent_ms = min(RECENT_MS, now_ms - self._ends_ms)
        return played + bytes(max(0, silent_ms) * _BYTES_PER_MS) if played else b""

    @property
    def _ends_ms(self) -> Ms:
        return self._begins_ms + len(self._sound) // _BYTES_PER_MS

    def _forget(self, now_ms: Ms) -> None:
        old_ms = now_ms - RECENT_MS - self._begins_ms
        if old_ms > 0:
            del self._sound[: old_ms * _BYTES_PER_MS]
            self._begins_ms += old_ms
