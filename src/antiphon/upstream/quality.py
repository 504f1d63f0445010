"""How good the way of the sound is, in figures and in a word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["good", "fair", "poor"]


@dataclass(frozen=True)
class Quality:
    """Of the last seconds.

    Attributes:
        rtt_ms: None until the other end has reported.
        loss: Of the packets that were to come, 0 to 1.
    """

    rtt_ms: float | None
    jitter_ms: float
    loss: float

    @property
    def verdict(self) -> Verdict:
        """What one would say on the phone: good, fair where words may suffer, poor."""
        rtt_ms = self.rtt_ms or 0.0
        if self.loss > 0.05 or rtt_ms > 400 or self.jitter_ms > 60:
            return "poor"
        if self.loss > 0.01 or rtt_ms > 200 or self.jitter_ms > 30:
            return "fair"
        return "good"

    def __str__(self) -> str:
        rtt = "" if self.rtt_ms is None else f"RTT {self.rtt_ms:.0f} ms, "
        return f"{self.verdict}: {rtt}jitter {self.jitter_ms:.0f} ms, {self.loss:.1%} lost"


@dataclass(frozen=True)
class Counted:
    """Packets since the call began."""

    received: int = 0
    lost: int = 0

    def loss_since(self, earlier: Counted) -> float:
        lost = max(0, self.lost - earlier.lost)
        expected = lost + max(0, self.received - earlier.received)
        return lost / expected if expected else 0.0
