"""A session's ear: how likely it is that somebody speaks, and whether it is our own voice."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

from antiphon.audio.echo import Echo
from antiphon.core.turns import WINDOW_SAMPLES
from antiphon.engines.engine import VoiceDetector, VoiceStream

WINDOW_BYTES: Final = 2 * WINDOW_SAMPLES
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
        self.gathers = True
        """Whether what is gathered comes to `hear` as it is, at once; else nothing is kept."""
        self._gathered: list[bytes] = []
        self._to_window = WINDOW_BYTES
        """What `hear` lacks of a whole window, less what is gathered."""

    # --- Before the conversation ---------------------------------------------

    def gather(self, pcm: bytes) -> bytes:
        """What the conversation should hear now, that this came from the microphone.

        Nothing follows from less than a window, so packets wait here for the one that completes
        it: no score comes later for that, and all that is done for a packet is done for a window.
        While nobody scores, what comes is heard as it comes.
        """
        if self._voice is None or not self.gathers:
            return self.take_gathered() + pcm if self._gathered else pcm
        self._gathered.append(pcm)
        self._to_window -= len(pcm)
        return b"" if self._to_window > 0 else self.take_gathered()

    def take_gathered(self) -> bytes:
        """All of it, be it a window or not."""
        if not self._gathered:
            return b""
        gathered, self._gathered = self._gathered, []
        pcm = gathered[0] if len(gathered) == 1 else b"".join(gathered)
        self._to_window += len(pcm)
        return pcm

    # --- Scores --------------------------------------------------------------

    def listen(self, on_score: OnScore, *, user_speaks: Callable[[], bool]) -> None:
        """Open, or begin afresh where open; what is given here is let go of at `close`.

        Args:
            on_score: Called after each window.
            user_speaks: Whether a turn is under way.  Within one nothing depends on echoes, which
                are dear to look for: what interrupts has interrupted.
        """
        self._to_window = WINDOW_BYTES - sum(map(len, self._gathered))
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
        self._to_window = (self._to_window - len(pcm)) % WINDOW_BYTES or WINDOW_BYTES
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
