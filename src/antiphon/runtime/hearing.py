"""From a microphone and its scores to what the conversation is told of them.

While voice detection listens, nothing follows from sound but by its score, and nothing from most
scores but that they came: silence goes on, or a voice does.  So both are told with the first score
of which something may follow, or after some windows; and first whatever else happens.  The same
follows as if each packet and each score were told at once (a law in tests/runtime/test_ear.py), for
less work; but an engine hears a turn in pieces of that many windows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from antiphon.core.causes import (
    Cause,
    ClientSent,
    EngineSaid,
    EngineSpoke,
    Heard,
    PlayoutDrained,
    VoiceScored,
)
from antiphon.core.conversation import Conversation
from antiphon.protocol.client import InputAudioBufferAppend
from antiphon.protocol.session import AudioInput, PcmFormat
from antiphon.runtime.ear import Ear
from antiphon.runtime.media import Playback

WAITING_WINDOWS: Final = 3
"""So many windows in a row, of whose scores nothing follows, are told with the next one: 128 ms."""
_WHATEVER_WAS_HEARD: Final = frozenset(
    {Heard, VoiceScored, EngineSpoke, EngineSaid, PlayoutDrained}
)
"""Causes of which the same follows, whether or not what waits here was told."""


class Hearing:
    """One session's.

    Args:
        give: tells the conversation.
    """

    def __init__(
        self,
        ear: Ear,
        conversation: Conversation,
        playback: Playback,
        give: Callable[[Cause], None],
    ) -> None:
        self._ear = ear
        self._conversation = conversation
        self._playback = playback
        self._give = give
        self._appender: str | None = None
        """The client's connection that the sound comes by; None: the transport hears it."""
        self._takes_appends = False
        """Whether what clients append is sound as it is."""
        self._is_whole = True
        """Nobody has cut a sample in two."""
        self._may_wait = WAITING_WINDOWS
        """How many windows more."""
        self._untold: tuple[int, float, bool] | None = None
        """The last one, where it was not told."""

    def hear(self, pcm: bytes) -> None:
        """What the transport's microphone brings."""
        if self._appender is not None:
            self.catch_up()
            self._appender = None
        if told := self._ear.gather(pcm, self._conversation.heard_samples):
            self._give(Heard(told))

    @property
    def awaits_silence(self) -> bool:
        """False while voice detection listens, and hears nobody."""
        return not (self._conversation.expects(0.0) and self._ear.gathers_now)

    def appends(self, connection: str, pcm: bytes) -> bool:
        """`hear`, of what a client appended; False, and nothing done, where it must be told alone:
        in another format, or while nobody scores.
        """
        if len(pcm) % 2 or not pcm:
            self._is_whole = self._is_whole and not pcm  # The other half is still to come.
            return False
        if not (self._takes_appends and self._is_whole and self._ear.gathers_now):
            return False
        if connection != self._appender:
            self.catch_up()
            self._appender = connection
        if told := self._ear.gather(pcm, self._conversation.heard_samples):
            self._give(self._heard(told))
        return True

    def _heard(self, pcm: bytes) -> Heard | ClientSent:
        if self._appender is None:
            return Heard(pcm)
        event = InputAudioBufferAppend(audio=pcm)
        return ClientSent(self._appender, event, self._playback.played_samples)

    def scored(self, at_sample: int, probability: float, is_echo: bool) -> None:
        self._untold = (at_sample, probability, is_echo)
        if self._may_wait and self._conversation.expects(0.0 if is_echo else probability):
            self._may_wait -= 1
        else:
            self._may_wait = WAITING_WINDOWS
            self.catch_up()  # What follows from those before follows from this one.

    def catch_up(self) -> None:
        """Tell all of it."""
        if heard := self._ear.take_gathered():
            self._give(self._heard(heard))
        if (score := self._untold) is not None:
            self._untold = None
            at_sample, probability, is_echo = score
            played_samples = self._playback.played_samples
            self._give(VoiceScored(at_sample, probability, played_samples, is_echo))

    def configure(self, settings: AudioInput) -> None:
        self._ear.gathers = settings.noise_reduction is None
        self._takes_appends = isinstance(settings.format, PcmFormat)

    def close(self) -> None:
        """Nobody is told anything any more; what was given here is let go of."""
        self._give = lambda _: None

    def comes_before(self, cause: Cause) -> bool:
        """Whether to `catch_up` first: so that a commit is exact to the sample."""
        if isinstance(cause, ClientSent) and type(cause.event) is InputAudioBufferAppend:
            return self._ear.has_gathered
        return type(cause) not in _WHATEVER_WAS_HEARD
