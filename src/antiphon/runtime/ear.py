"""A session's ear: how likely it is that somebody speaks, and whether it is our own voice."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

from antiphon.audio.echo import Echo
from antiphon.core.turns import WINDOW_SAMPLES
from antiphon.engines.engine import VoiceDetector, VoiceStream

MAX_GATHERED_BYTES: Final = 8 * 2 * WINDOW_SAMPLES
"""A quarter of a second; overflow, where scores stay away, is told without them."""
MAX_UNSCORED_SAMPLES: Final = 24_000
"""What comes faster than it is scored the conversation keeps, and gives to be scored in time."""
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
        """Whether what the microphone brings comes to `hear` as it is; else nothing is kept."""
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0
        self._fed_to: int | None = None
        """Where in the microphone's time the next sample lies; None: it has begun afresh."""
        self._scored_to = 0

    # --- Before the conversation ---------------------------------------------

    def gather(self, pcm: bytes, told_to: int) -> bytes:
        """What the conversation should hear now, that this came from the microphone.

        While we listen, nothing follows from sound but by its score.  So it is scored at once, and
        told with the score of which something follows; all that is done for a packet is then done
        for a window, or for some of them.  While nobody scores, it is told as it comes.

        Args:
            pcm: 16-bit mono at 24 kHz.
            told_to: Up to which sample the conversation was told; without what is gathered.
        """
        voice, gathered = self._voice, self._gathered
        if not gathered:
            if voice is None or not self.gathers or self._fed_to not in (None, told_to):
                return pcm  # The last: what was told is on its way to be scored, in its turn.
            self._fed_to = told_to
        gathered.append(pcm)
        self._gathered_bytes += len(pcm)
        fed_to = self._fed_to or 0
        if voice is not None and fed_to - max(told_to, self._scored_to) <= MAX_UNSCORED_SAMPLES:
            self._feed(voice, pcm, fed_to)
            if self._gathered_bytes < MAX_GATHERED_BYTES:
                return b""
        return self.take_gathered()

    @property
    def gathers_now(self) -> bool:
        return self.gathers and self._voice is not None

    @property
    def has_gathered(self) -> bool:
        return bool(self._gathered)

    def take_gathered(self) -> bytes:
        """All that was not told."""
        if not self._gathered:
            return b""
        pcm = self._gathered[0] if len(self._gathered) == 1 else b"".join(self._gathered)
        self._gathered.clear()
        self._gathered_bytes = 0
        return pcm

    # --- Scores --------------------------------------------------------------

    def listen(self, on_score: OnScore, *, user_speaks: Callable[[], bool]) -> None:
        """Open, or begin afresh where open; what is given here is let go of at `close`.

        Args:
            on_score: Called after each window.
            user_speaks: Whether a turn is under way.  Within one nothing depends on echoes, which
                are dear to look for: what interrupts has interrupted.
        """
        self._fed_to, self._scored_to = None, 0
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
        if self._fed_to is not None and at_sample < self._fed_to:  # It was gathered.
            pcm, at_sample = pcm[2 * (self._fed_to - at_sample) :], self._fed_to
        if pcm:
            self._feed(self._voice, pcm, at_sample)

    def _feed(self, voice: VoiceStream, pcm: bytes, at_sample: int) -> None:
        self._fed_to = at_sample + len(pcm) // 2
        self._echo.hear(pcm)
        voice.feed(pcm, at_sample)

    def _score(
        self,
        on_score: OnScore,
        user_speaks: Callable[[], bool],
        at_sample: int,
        probability: float,
    ) -> None:
        self._scored_to = at_sample
        is_echo = probability > MAYBE_VOICE and not user_speaks() and self._is_echo()
        on_score(at_sample, probability, is_echo)

    def _is_echo(self) -> bool:
        played = self._played.recently_played()
        return bool(played) and self._echo.is_of(played)
