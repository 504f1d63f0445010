"""How long each answer took."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median


@dataclass
class Turn:
    """One turn of the user, and the reply's first signs of life, in client time.

    Attributes:
        speech_end_ms: When the last sound of speech was sent, if the source knows.
        seen_end_ms: When the turn was known to be over: the server said so, or we ended it.
    """

    number: int
    speech_end_ms: float | None = None
    seen_end_ms: float | None = None
    first_audio_ms: float | None = None
    first_sound_ms: float | None = None

    @property
    def audio_after_ms(self) -> float | None:
        return _between(self.seen_end_ms, self.first_audio_ms)

    @property
    def sound_after_ms(self) -> float | None:
        return _between(self.seen_end_ms, self.first_sound_ms)

    @property
    def sound_after_speech_ms(self) -> float | None:
        return _between(self.speech_end_ms, self.first_sound_ms)


def _between(start_ms: float | None, end_ms: float | None) -> float | None:
    return None if start_ms is None or end_ms is None else end_ms - start_ms


class TurnClock:
    """Times the turns; the current one is the last whose reply has not sounded.

    Args:
        output_latency_ms: From playback to the ear.
    """

    def __init__(self, output_latency_ms: float = 0) -> None:
        self._output_latency_ms = output_latency_ms
        self.turns: list[Turn] = []
        self._open: Turn | None = None
        self._speech_end_ms: float | None = None

    def speech_began(self) -> None:
        """A new turn; one whose reply never sounded stays, untimed."""
        self._open = None

    def speech_was_sent(self, now_ms: float) -> None:
        """The source has just sent its last sound of speech."""
        self._speech_end_ms = now_ms
        if self._open is not None and self._open.first_audio_ms is None:
            self._open.speech_end_ms = now_ms

    def turn_ended(self, now_ms: float) -> None:
        """The turn is over.  Only the first news of a turn counts."""
        if self._open is None or self._open.first_audio_ms is not None:
            self._open = Turn(len(self.turns) + 1, speech_end_ms=self._speech_end_ms)
            self._speech_end_ms = None
            self.turns.append(self._open)
        if self._open.seen_end_ms is None:
            self._open.seen_end_ms = now_ms

    def audio_came(self, now_ms: float) -> None:
        if self._open is not None and self._open.first_audio_ms is None:
            self._open.first_audio_ms = now_ms

    def sound_began(self, now_ms: float) -> Turn | None:
        """The first sound of a reply is played; the turn, if it was not timed before."""
        turn = self._open
        if turn is None or turn.first_sound_ms is not None:
            return None
        turn.first_sound_ms = now_ms + self._output_latency_ms
        return turn

    def summary_ms(self) -> tuple[float | None, float | None]:
        """Median and maximum of the time to the first sound."""
        taken = [t.sound_after_ms for t in self.turns if t.sound_after_ms is not None]
        return (round(median(taken), 1), round(max(taken), 1)) if taken else (None, None)
