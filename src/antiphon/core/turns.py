"""Where the user's turns begin and end.

Scores come from outside, one per window; the rules here are pure and count in media
time, so a recording has the same turns at any speed.

`server_vad` ends a turn after ``silence_duration_ms``.  `semantic_vad` waits between a
short and a long silence, the less the more complete the words are judged to be.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from antiphon.core.items import ms_to_samples, samples_to_ms
from antiphon.core.lifecycle import Lifecycle
from antiphon.protocol.session import SemanticVad, TurnDetection

WINDOW_SAMPLES = ms_to_samples(32)
"""What one score is about."""
ONSET_WINDOWS = 2
"""So many windows in a row begin a turn: a click is no word."""
HYSTERESIS = 0.15
"""A voice goes on until its score falls so far below the threshold (as Silero's own rule)."""

SEMANTIC_THRESHOLD = 0.5
SEMANTIC_PADDING_MS = 300
SEMANTIC_MIN_SILENCE_MS = 320
SEMANTIC_MAX_SILENCE_MS = {"low": 8_000, "auto": 4_000, "medium": 4_000, "high": 2_000}
"""docs/reference/protocol.md, "semantic_vad": the longest wait by eagerness."""
GOES_ON_MS = 2_000
"""What begins so soon after a turn that nobody was heard to answer may belong to it."""
PATIENCE_MS = 300
"""Whoever went on after a pause may pause as long again, and a bit longer."""
UNJUDGED = 0.5
"""The completeness of words that nobody has judged."""


class Phase(Enum):
    QUIET = auto()
    ONSET = auto()
    SPEAKING = auto()
    PAUSING = auto()


class Move(Enum):
    VOICE = auto()
    CONFIRMED = auto()
    SILENCE = auto()
    ELAPSED = auto()
    RESET = auto()


TURN = Lifecycle(
    "turn",
    {
        (Phase.QUIET, Move.VOICE): Phase.ONSET,
        (Phase.ONSET, Move.SILENCE): Phase.QUIET,
        (Phase.ONSET, Move.CONFIRMED): Phase.SPEAKING,
        (Phase.SPEAKING, Move.SILENCE): Phase.PAUSING,
        (Phase.PAUSING, Move.VOICE): Phase.SPEAKING,
        (Phase.PAUSING, Move.ELAPSED): Phase.QUIET,
        (Phase.QUIET, Move.RESET): Phase.QUIET,
        (Phase.ONSET, Move.RESET): Phase.QUIET,
        (Phase.SPEAKING, Move.RESET): Phase.QUIET,
        (Phase.PAUSING, Move.RESET): Phase.QUIET,
    },
)


@dataclass(frozen=True, slots=True)
class TurnStarted:
    at_sample: int
    """Where the turn begins, padding included."""


@dataclass(frozen=True, slots=True)
class TurnStopped:
    at_sample: int
    """Where the turn ends, the trailing silence included."""


class TurnDetector:
    """Scores in, turns out."""

    def __init__(self, detection: TurnDetection) -> None:
        self.detection = detection
        self.completeness = UNJUDGED
        self._phase = Phase.QUIET
        self._onset_sample = 0
        self._onset_windows = 0
        self._silence_from = 0
        self.is_held = False
        """What the sound is, is not known yet: its end is waited with."""
        self._patience_ms = 0

    @property
    def is_quiet(self) -> bool:
        return self._phase is Phase.QUIET

    @property
    def in_turn(self) -> bool:
        return self._phase in (Phase.SPEAKING, Phase.PAUSING)

    @property
    def hears_voice(self) -> bool:
        """In a turn, and not in a pause of it."""
        return self._phase is Phase.SPEAKING

    def goes_on(self, probability: float) -> bool:
        """A voice is heard, and would still be after a window that scores so."""
        return self.hears_voice and probability >= self.threshold - HYSTERESIS

    @property
    def is_pausing(self) -> bool:
        return self._phase is Phase.PAUSING

    @property
    def sounds_complete(self) -> bool:
        """A pause is probably the end, as far as anybody asks more than how long it is."""
        return not isinstance(self.detection, SemanticVad) or self.completeness > UNJUDGED

    @property
    def voice_ends(self) -> int:
        """Where the pause begins, or the silence after the last turn."""
        return self._silence_from

    def has_gone_on(self, pause_samples: int) -> None:
        """This turn goes on with the one before, after such a pause."""
        self._patience_ms = samples_to_ms(pause_samples) + PATIENCE_MS

    @property
    def onset(self) -> int:
        """Where the voice of the turn begins."""
        return self._onset_sample

    @property
    def padding_samples(self) -> int:
        if isinstance(self.detection, SemanticVad):
            return ms_to_samples(SEMANTIC_PADDING_MS)
        return ms_to_samples(self.detection.prefix_padding_ms)

    @property
    def silence_ms(self) -> int:
        """How long a silence ends the turn."""
        return samples_to_ms(self._silence_samples)

    @property
    def reach_samples(self) -> int:
        """How far back a turn that starts now could reach."""
        return self.padding_samples + (ONSET_WINDOWS + 1) * WINDOW_SAMPLES

    def reset(self) -> None:
        self._phase = TURN.next(self._phase, Move.RESET)
        self._onset_windows = 0
        self.completeness = UNJUDGED
        self.is_held = False

    def score(self, at_sample: int, probability: float) -> TurnStarted | TurnStopped | None:
        """Take the score of the window that ends at ``at_sample``."""
        is_voice = probability >= self.threshold
        if self._phase is Phase.QUIET or self._phase is Phase.ONSET:
            return self._score_quiet(at_sample, is_voice)
        if is_voice:
            if self._phase is Phase.PAUSING:
                self._phase = TURN.next(self._phase, Move.VOICE)
            return None
        if self._phase is Phase.SPEAKING:
            if probability >= self.threshold - HYSTERESIS:
                return None
            self._phase = TURN.next(self._phase, Move.SILENCE)
            self._silence_from = at_sample - WINDOW_SAMPLES
        return self._end_if_silent(at_sample)

    def _score_quiet(self, at_sample: int, is_voice: bool) -> TurnStarted | None:
        if not is_voice:
            if self._phase is Phase.ONSET:
                self._phase = TURN.next(self._phase, Move.SILENCE)
            self._onset_windows = 0
            return None
        if self._phase is Phase.QUIET:
            self._phase = TURN.next(self._phase, Move.VOICE)
            self._onset_sample = at_sample - WINDOW_SAMPLES
        self._onset_windows += 1
        if self._onset_windows < ONSET_WINDOWS:
            return None
        self._phase = TURN.next(self._phase, Move.CONFIRMED)
        self._onset_windows = self._patience_ms = 0
        self.completeness = UNJUDGED
        return TurnStarted(max(0, self._onset_sample - self.padding_samples))

    def _end_if_silent(self, at_sample: int) -> TurnStopped | None:
        end = self._silence_from + self._silence_samples
        if self.is_held or at_sample < end:
            return None
        self._phase = TURN.next(self._phase, Move.ELAPSED)
        return TurnStopped(end)

    @property
    def threshold(self) -> float:
        if isinstance(self.detection, SemanticVad):
            return SEMANTIC_THRESHOLD
        return self.detection.threshold

    @property
    def _silence_samples(self) -> int:
        if isinstance(self.detection, SemanticVad):
            longest = SEMANTIC_MAX_SILENCE_MS[self.detection.eagerness]
            # Squared: half-complete words wait a quarter of the time, not half.
            wait = longest * (1 - self.completeness) ** 2
            return ms_to_samples(max(SEMANTIC_MIN_SILENCE_MS, int(wait), self._patience_ms))
        return ms_to_samples(self.detection.silence_duration_ms)
