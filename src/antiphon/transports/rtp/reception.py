"""What a receiver counts of one numbering of packets (RFC 3550, appendix A, and 6.4.1)."""

from __future__ import annotations

from typing import Final

NEW_TIMELINE_S: Final = 1.0
"""A transit time that jumps by more than this is no jitter."""


class Reception:
    """Begun with the first packet, and afresh where the sender begins afresh."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._transit_s = 0.0
        self.first_sequence = 0
        self.highest_sequence = 0
        self.received = 0
        """Duplicates included, as RTCP counts."""
        self.jitter_s = 0.0

    def begin(self, sequence: int) -> None:
        """A new numbering; the jitter is still that of the way."""
        self.first_sequence = self.highest_sequence = sequence
        self._transit_s = 0.0
        self.received = 0

    def count(self, timestamp: int, now_s: float) -> None:
        """A packet of this numbering has come."""
        self.received += 1
        transit_s = now_s - timestamp / self._rate_hz
        if self.received > 1:
            difference_s = abs(transit_s - self._transit_s)
            if difference_s < NEW_TIMELINE_S:  # not a new timeline, nor a wrapped timestamp
                self.jitter_s += (difference_s - self.jitter_s) / 16
        self._transit_s = transit_s
