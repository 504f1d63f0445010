"""A session's voice over all its calls: what one call did not play, the next one does."""

from __future__ import annotations

from antiphon.runtime.media import Playback

MAX_KEPT_BYTES = 600 * 48_000
"""Ten minutes of speech that have not left.  Overflow policy: what does not fit is not kept, and
is silence for one who comes back."""
AGAIN_SAMPLES = 10 * 24_000
"""So much that has left may be played again: a lost network is not noticed at once.  Overflow
policy: what left before that is not."""


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
        self._told_samples = 0
        """What left in vain leaves again, and does not count twice."""

    @property
    def played_samples(self) -> int:
        return max(self._told_samples, self._left)

    def recently_played(self) -> bytes:
        return self._playback.recently_played()

    def played_by(self, rtp_timestamp: int) -> int:
        return self._left_before + self._playback.played_by(rtp_timestamp)

    def play(self, pcm: bytes) -> None:
        self._forget_what_left()
        room = 0 if self._beyond_bytes else max(0, MAX_KEPT_BYTES - len(self._kept))
        self._kept += pcm[:room]
        self._beyond_bytes += max(0, len(pcm) - room)
        self._playback.play(pcm)

    def duck(self, on: bool, *, holds: bool = False) -> None:
        self._is_soft, self._is_held = on, holds
        self._playback.duck(on, holds=holds)

    def clear(self) -> None:
        self._kept.clear()
        self._beyond_bytes = 0
        # What was being played again is over too.
        self._left_before += self.played_samples - self._left
        self._kept_from = self._left
        self._playback.clear()

    def go_on(self, playback: Playback, played: int | None = None) -> None:
        """By another call; it has played nothing yet.

        ``played`` is the RTP timestamp of the last packet that the user heard; None: all that
        left was heard.
        """
        self._forget_what_left()
        left = self._left
        heard = left if played is None else max(self._kept_from, self.played_by(played))
        self._told_samples = self.played_samples
        former, self._playback, self._left_before = self._playback, playback, heard
        former.clear()
        playback.duck(self._is_soft, holds=self._is_held)
        rest = self._kept[2 * (heard - self._kept_from) :]
        playback.play(bytes(rest) + bytes(self._beyond_bytes))

    @property
    def _left(self) -> int:
        return self._left_before + self._playback.played_samples

    def _forget_what_left(self) -> None:
        left, kept_to = self._left, self._kept_from + len(self._kept) // 2
        if left > kept_to:
            self._beyond_bytes = max(0, self._beyond_bytes - 2 * (left - kept_to))
            self._kept.clear()
            self._kept_from = left
        elif (old := left - AGAIN_SAMPLES - self._kept_from) > 0:
            del self._kept[: 2 * old]
            self._kept_from += old
