"""When the user's last word ended.

A detector judges windows, and a few that follow a word still pass as voice; so the end is looked
for in the sound itself, around the last window that held a voice.  Sound comes in pieces, and a
sample's time follows from when its piece came, as in a recording.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

from antiphon.audio.audible import last_audible
from antiphon.core.causes import MEDIA_RATE_HZ, Ms, VoiceScored
from antiphon.core.effects import ScoreVoice
from antiphon.core.turns import HYSTERESIS, SEMANTIC_THRESHOLD
from antiphon.protocol.session import SemanticVad, ServerVad, Session

SAMPLES_PER_MS: Final = MEDIA_RATE_HZ // 1000
LATE_SAMPLES: Final = 300 * SAMPLES_PER_MS
"""So long before its end a voiced window may hold nothing but the detector's afterglow."""
EARLY_SAMPLES: Final = 200 * SAMPLES_PER_MS
"""So long a word may fade after the detector has let go of it."""
KEPT_SAMPLES: Final = LATE_SAMPLES + 2 * EARLY_SAMPLES
"""Overflow policy: the oldest is forgotten; where it was wanted, the window's end counts."""


class _Piece(NamedTuple):
    end: int
    """The position after its last sample."""
    came_ms: Ms
    pcm: bytes


class LastWord:
    """Of one session's microphone."""

    def __init__(self) -> None:
        self._threshold = 0.0
        self._hears_voice = False
        self._pieces: deque[_Piece] = deque()
        self._voiced: int | None = None
        """Where the last window with a voice ends."""
        self._ended_ms: Ms | None = None
        """Found already."""

    def follow(self, session: Session) -> None:
        detection = session.audio.input.turn_detection
        if isinstance(detection, ServerVad):
            self._threshold = detection.threshold
        elif isinstance(detection, SemanticVad):
            self._threshold = SEMANTIC_THRESHOLD

    def came(self, now_ms: Ms, sound: ScoreVoice) -> None:
        end = sound.at_sample + len(sound.pcm) // 2
        self._pieces.append(_Piece(end, now_ms, sound.pcm))
        while self._pieces[0].end < end - KEPT_SAMPLES:
            self._pieces.popleft()

    def scored(self, score: VoiceScored) -> None:
        # As `core.turns.TurnDetector` tells a voice from a pause.
        bar = self._threshold - HYSTERESIS if self._hears_voice else self._threshold
        self._hears_voice = score.user_probability >= bar
        if self._hears_voice:
            self._voiced, self._ended_ms = score.at_sample, None
        elif (
            self._voiced is not None
            and self._ended_ms is None
            and score.at_sample >= self._voiced + EARLY_SAMPLES
        ):
            self._ended_ms = self._find(self._voiced)  # While the sound is still there.

    @property
    def ended_ms(self) -> Ms | None:
        """None: no voice was heard yet."""
        if self._ended_ms is None and self._voiced is not None:
            self._ended_ms = self._find(self._voiced)
        return self._ended_ms

    def _find(self, voiced: int) -> Ms | None:
        begin, end = max(0, voiced - LATE_SAMPLES), voiced + EARLY_SAMPLES
        around = bytearray()
        for piece in self._pieces:
            start = piece.end - len(piece.pcm) // 2
            if start < end and piece.end > begin:
                if not around:
                    begin = max(begin, start)
                around += piece.pcm[2 * max(0, begin - start) : 2 * max(0, end - start)]
        found = last_audible(bytes(around))
        return self._time_of(voiced if found is None else begin + found)

    def _time_of(self, sample: int) -> Ms | None:
        for piece in self._pieces:
            if piece.end >= sample:
                return max(0, piece.came_ms - (piece.end - sample) // SAMPLES_PER_MS)
        return self._pieces[-1].came_ms if self._pieces else None
