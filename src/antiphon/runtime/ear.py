"""A session's ear: how likely it is that the user speaks, and not our own voice."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from antiphon.audio.echo import Echo
from antiphon.engines.engine import VoiceDetector, VoiceStream
from antiphon.runtime.media import Playback

MAYBE_VOICE: Final = 0.2
"""Below, a window is no voice under any threshold that makes sense."""


class Ear:
    """Closed until it is told to `listen`.

    Args:
        detector: None: it stays closed.
        playback: What the user's loudspeaker plays, where it is us who pace it; None: nobody
            knows what is an echo.
    """

    def __init__(self, detector: VoiceDetector | None, playback: Playback | None) -> None:
        self._detector = detector
        self._playback = playback
        self._voice: VoiceStream | None = None
        self._echo = None if playback is None else Echo()

    def listen(
        self, on_score: Callable[[int, float], None], *, user_speaks: Callable[[], bool]
    ) -> None:
        """Open, or begin afresh where open; what is given here is let go of at `close`.

        Args:
            on_score: Called with the sample after each window of the microphone, and the
                probability that the user speaks in it.
            user_speaks: Whether a turn is under way.  Within one nothing depends on echoes:
                what interrupts has interrupted.
        """
        if self._voice is not None:
            self._voice.reset()
        elif self._detector is not None:
            self._voice = self._detector.open(partial(self._score, on_score, user_speaks))

    def close(self) -> None:
        if self._voice is not None:
            self._voice.close()
            self._voice = None

    def hear(self, pcm: bytes, at_sample: int) -> None:
        """16-bit mono at 24 kHz; ``at_sample`` is where it begins in the microphone's time."""
        if self._voice is None:
            return
        self._voice.feed(pcm, at_sample)
        if self._echo is not None:
            self._echo.hear(pcm)

    def _score(
        self,
        on_score: Callable[[int, float], None],
        user_speaks: Callable[[], bool],
        at_sample: int,
        probability: float,
    ) -> None:
        if probability > MAYBE_VOICE and not user_speaks() and self._is_echo():
            probability = 0.0
        on_score(at_sample, probability)

    def _is_echo(self) -> bool:
        if self._echo is None or self._playback is None:
            return False
        played = self._playback.recently_played()
        return bool(played) and self._echo.is_of(played)
