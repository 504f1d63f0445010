"""A session's voice over all its calls: what one call did not play, the next one does."""

from __future__ import annotations

from antiphon.runtime.media import Playback

MAX_KEPT_BYTES = 600 * 48_000
"""Ten minutes of speech that have not left.  Overflow policy: what does not fit is not kept, and
is silence for one who comes back."""


class PlaybackLine:
    """A `Playback` in which another takes the place of the one there is."""

    def __init__(self, playback: Playback) -> None:
        self._playback = playback
        self._left_before = 0
        """Samples that had left when the one there is came."""
        self._kept = bytearray()
        self._kept_from = 0
        """How many samples had left when the first that are kept was the next."""
        self._beyond_bytes = 0
        self._is_soft = self._is_held = False

    @property
    def played_samples(self) -> int:
        return self._left_before + self._playback.played_samples

    def recently_played(self) -> bytes:
        return self._playback.recently_played()

    def play(self, pcm: bytes) -> None:
        self._forget_what_left()
        room = 0 if self._beyond_bytes else MAX_KEPT_BYTES - len(self._kept)
        self._kept += pcm[:room]
        self._beyond_bytes += max(0, len(pcm) - room)
        self._playback.play(pcm)

    def duck(self, on: bool, *, holds: bool = False) -> None:
        self._is_soft, self._is_held = on, holds
        self._playback.duck(on, holds=holds)

    def clear(self) -> None:
        self._kept.clear()
        self._beyond_bytes = 0
        self._kept_from = self.played_samples
        self._playback.clear()

    def go_on(self, playback: Playback) -> None:
        """By another call; it has played nothing yet."""
        self._forget_what_left()
        former, self._left_before = self._playback, self.played_samples
        self._playback = playback
        former.clear()
        playback.duck(self._is_soft, holds=self._is_held)
        playback.play(bytes(self._kept) + bytes(self._beyond_bytes))

    def _forget_what_left(self) -> None:
        left = 2 * (self.played_samples - self._kept_from)
        self._kept_from = self.played_samples
        if left > len(self._kept):
            self._beyond_bytes = max(0, self._beyond_bytes - (left - len(self._kept)))
        del self._kept[:left]
