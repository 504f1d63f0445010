"""How much load, and how it arrives."""

from __future__ import annotations

from dataclasses import dataclass

from antiphon.errors import ConfigurationError

MOST_CALLS = 10_000


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Calls that arrive at their own times, however the server does (an open loop).

    Attributes:
        calls: How many, in all.
        rate: How many of them begin in a second.
        duration_s: How long each lasts, from when it was to begin; a turn that has begun by then
            is waited for.
        silence_ms: The window of silence that the server is asked to end turns by.
        barge_in_ms: A caller interrupts every second answer, this long after it is heard first;
            None: nobody interrupts.
        pause_ms: Between an answer and the caller's next words.
        patience_ms: A turn that has no answer by then has none.
    """

    calls: int = 1
    rate: float = 1.0
    duration_s: float = 30.0
    silence_ms: int = 500
    barge_in_ms: float | None = 1_000
    pause_ms: float = 500
    patience_ms: float = 10_000

    def __post_init__(self) -> None:
        _within("--calls", self.calls, 1, MOST_CALLS)
        _within("--rate", self.rate, 0.01, 1_000)
        _within("--duration", self.duration_s, 1, 86_400)
        _within("--silence-ms", self.silence_ms, 100, 10_000)
        if self.barge_in_ms is not None:
            _within("--barge-in", self.barge_in_ms / 1000, 0.1, 60)
        _within("--timeout", self.patience_ms / 1000, 1, 300)

    def starts_s(self) -> list[float]:
        """When each call is to begin."""
        return [index / self.rate for index in range(self.calls)]


def _within(option: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:  # Nor is what is not a number.
        raise ConfigurationError(f"{option} {value:g}: it must lie between {least:g} and {most:g}")
