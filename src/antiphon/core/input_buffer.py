"""Audio of the user that is in no turn yet."""

from __future__ import annotations

from antiphon.core.items import ms_to_samples

MAX_SAMPLES = ms_to_samples(10 * 60 * 1000)
"""Overflow policy: the oldest audio goes (a microphone left open in manual mode); what a client
appends and would never be heard is refused, or told (`Listening`)."""
_SLACK_SAMPLES = ms_to_samples(1_000)
"""Forgetting is done in steps, so that appending stays cheap."""


class InputBuffer:
    """24 kHz audio with its media position: ``[start, end)`` in samples of the session."""

    def __init__(self) -> None:
        self._pcm = bytearray()
        self.start = 0
        self.end = 0
        self.has_overflowed = False
        """Audio was lost since the buffer was last taken from or cleared."""

    def __len__(self) -> int:
        return self.end - self.start

    def append(self, pcm: bytes) -> int:
        """Returns the position of the first new sample."""
        at = self.end
        self._pcm += pcm
        self.end += len(pcm) // 2
        if self.end - self.start > MAX_SAMPLES + _SLACK_SAMPLES:
            self.forget_before(self.end - MAX_SAMPLES)
            self.has_overflowed = True
        return at

    def forget_before(self, sample: int) -> None:
        sample = min(sample, self.end)
        if sample > self.start:
            del self._pcm[: 2 * (sample - self.start)]
            self.start = sample

    def keep_from(self, sample: int) -> None:
        """Forget silence that no turn will reach back to, once it is worth the move."""
        if sample - self.start > _SLACK_SAMPLES:
            self.forget_before(sample)

    def peek(self, from_sample: int, to_sample: int) -> bytes:
        first = max(from_sample, self.start)
        return bytes(self._pcm[2 * (first - self.start) : 2 * (to_sample - self.start)])

    def take(self, from_sample: int, to_sample: int) -> bytes:
        """The audio of a turn; it and what came before it leave the buffer."""
        pcm = self.peek(from_sample, to_sample)
        self.forget_before(to_sample)
        self.has_overflowed = False
        return pcm

    def clear(self) -> None:
        self.forget_before(self.end)
        self.has_overflowed = False
