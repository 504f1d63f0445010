"""A session's ear: how likely it is that somebody speaks, and whether it is our own voice."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

from antiphon.audio.echo import Echo
from antiphon.engines.engine import VoiceDetector, VoiceStream

MAYBE_VOICE: Final = 0.2
"""Below, a window is no voice under any threshold that makes sense: no need to ask whose."""

OnScore = Callable[[int, float, bool], None]
"""The sample after a window of the microphone, how likely it holds a voice, and whether what
sounds there is an echo of what we play (`VoiceScored`)."""


class Played(Protocol):
    """What the user's loudspeaker plays, told by whoever paces or guesses it."""

    def recently_played(self) -> bytes: ...


class Ear:
    """Closed until it is told to `listen`.

    Args:
        detector: None: it stays closed.
        played: What an echo is one of.
    """

    def __init__(self, detector: VoiceDetector | None, played: Played) -> None:
        self._detector = detector
        self._played = played
        self._voice: VoiceStream | None = None
        self._echo = Echo()

    def listen(self, on_score: OnScore, *, user_speaks: Callable[[], bool]) -> None:
        """Open, or begin afresh where open; what is given here is let go of at `close`.

        Args:
            on_score: Called after each window.
            user_speaks: Whether a turn is under way.  Within one nothing depends on echoes, which
                are dear to look for: what interrupts has interrupted.
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
        self._echo.hear(pcm)

    def _score(
        self,
        on_score: OnScore,
        user_speaks: Callable[[], bool],
        at_sample: int,
        probability: float,
    ) -> None:
        is_echo = probability > MAYBE_VOICE and not user_speaks() and self._is_echo()
        on_score(at_sample, probability, is_echo)

    def _is_echo(self) -> bool:
        played = self._played.recently_played()
        return bool(played) and self._echo.is_of(played)
