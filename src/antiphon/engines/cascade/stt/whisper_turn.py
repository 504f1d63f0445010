"""One turn of one user at Whisper: when to decode which part of it, and what to tell.

Whisper hears whole recordings.  A turn is therefore decoded when it seems to be over (in
its pauses: the result is there before the end of the turn is certain), now and then while
somebody speaks, where the words are wanted so early, and at its end, if anything was said
since.  A long turn is decoded in parts, cut where it is quiet.

No clocks and no threads here: the worker has them.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from msgspec import Struct

from antiphon.audio.resample import Resampler
from antiphon.engines.cascade.stt.agreement import AgreedPrefix
from antiphon.engines.cascade.stt.log_mel import FRAMES_PER_S, RATE_HZ, Frames, LogMel
from antiphon.engines.cascade.stt.pauses import Pauses
from antiphon.engines.cascade.stt.rejection import believed, is_invented, is_unsure
from antiphon.engines.cascade.stt.short_words import probable, urgent_already
from antiphon.engines.cascade.stt.whisper_model import Hypothesis, window_frames
from antiphon.engines.cascade.stt.wire import MEDIA_RATE_HZ, Heard

EARLY_FRAMES = 26
"""Of speech: "stop" can be told from "okay" then, long before it is over."""
PAUSE_FRAMES = 24
"""So quiet for so long: the turn may be over."""
LIVE_FRAMES = 80
"""Of new audio, between two looks at a turn while somebody speaks."""
TAIL_FRAMES = 10
"""Words end more quietly than they began."""
SETTLED_FRAMES, SETTLED_PAUSE_FRAMES = 10 * FRAMES_PER_S, 60
"""A part so long that ends in such a pause is not looked at again."""
PART_FRAMES, CUT_FROM, CUT_TO = 1_600, 800, 1_500
"""A part that gets so long is cut where it is quietest between the other two.  Whisper could
hear 30 s, at twice the memory and the delay.
"""
BACKLOG_MAX_S = 120
"""Audio that is not decoded yet; more: the oldest is dropped."""
_STEP_BYTES = 2 * MEDIA_RATE_HZ // 20
"""Looked at together: a frame alone costs as much as five."""


class Need(IntEnum):
    """Why a turn should be decoded, most urgent first."""

    END = 0
    PART = 1
    PAUSE = 2
    EARLY = 3
    """Once a turn: does somebody want the floor?"""
    LIVE = 4


class Work(Struct, frozen=True):
    """A part of a turn, to be decoded."""

    need: Need
    features: Frames
    end: int
    """How many frames of it are audio."""
    compares: bool = False
    """Whether it matters what was said instead, where that is doubtful."""

    @property
    def heard_s(self) -> float:
        return self.end / FRAMES_PER_S


class Turn:
    def __init__(self, language: str = "", *, live: bool) -> None:
        self.language = language
        self.live = live
        self.dropped_s = 0.0
        self.finished = False
        self._resampler = Resampler(MEDIA_RATE_HZ, RATE_HZ)
        self._pending = bytearray()
        """At the rate it comes in: cheaper to resample by the step."""
        self._mel = LogMel()
        self._pauses = Pauses()
        self._agreed = AgreedPrefix()
        self._settled = ""
        self._understood = ""
        """What was said since, up to frame..."""
        self._known_end = 0
        self._working = self._looked_early = False
        self._found = ""
        """The language of the part that was understood last, where none was named."""
        self._aside = ""
        """What that was more likely, beside somebody's speech."""
        self._told: Heard | None = None

    def hear(self, pcm: bytes) -> None:
        self._pending += pcm
        if len(self._pending) >= _STEP_BYTES:
            self._look(self._taken())

    def finish(self) -> None:
        self._look(self._taken() + self._resampler.flush())
        self._pauses.hear(self._mel.finish())
        self.finished = True

    def _taken(self) -> bytes:
        pcm = self._resampler.process(bytes(self._pending))
        self._pending.clear()
        return pcm

    def _look(self, pcm: bytes) -> None:
        self._pauses.hear(self._mel.append(np.frombuffer(pcm, "<i2")))
        if self._working:
            return
        paused = self._pauses.quiet_frames >= SETTLED_PAUSE_FRAMES
        if paused and len(self._mel) >= SETTLED_FRAMES and self._all_known:
            self._settle(self._understood, self._known_end)
        if (excess := len(self._mel) - BACKLOG_MAX_S * FRAMES_PER_S) > 0:
            self.dropped_s += excess / FRAMES_PER_S
            self._forget(excess)

    # --- What to do ----------------------------------------------------------

    @property
    def need(self) -> Need | None:
        """None: nothing, for now."""
        if self._working or self.over:
            return None
        if len(self._mel) > PART_FRAMES:
            return Need.PART
        if self.finished:
            return Need.END
        if self._pauses.quiet_frames >= PAUSE_FRAMES and not self._all_known:
            return Need.PAUSE
        if self._is_early:
            return Need.EARLY
        new = len(self._mel) - self._known_end
        if self.live and self._pauses.speech_end > self._known_end and new >= LIVE_FRAMES:
            return Need.LIVE
        return None

    @property
    def _is_early(self) -> bool:
        if self._looked_early or not self.live or not self._pauses.speech_end:
            return False
        spoken = len(self._mel) - self._pauses.speech_begin
        return spoken >= EARLY_FRAMES and len(self._mel) < LIVE_FRAMES

    @property
    def over(self) -> bool:
        """Finished, and all that was said is known: `final` can be told."""
        return self.finished and not self._working and self._all_known

    @property
    def _all_known(self) -> bool:
        speech_end, end = self._pauses.speech_end, len(self._mel)
        if speech_end:
            return self._known_end >= min(speech_end + TAIL_FRAMES, end)
        # Nobody spoke, as far as loudness tells, if it does.
        return self._pauses.can_tell or self._known_end == end

    def work(self) -> Work:
        """What `need` asks for; `done` must follow."""
        need = self.need
        assert need is not None
        self._working = True
        self._looked_early = self._looked_early or need is Need.EARLY
        end = self._pauses.quietest(CUT_FROM, CUT_TO) if need is Need.PART else len(self._mel)
        compares = self.live and not self._settled and need is not Need.EARLY
        return Work(need, self._mel.features(end, window_frames(end)), end, compares)

    # --- What is known -------------------------------------------------------

    def done(self, work: Work, hypothesis: Hypothesis) -> Heard | None:
        """Take in what ``work`` was understood as; returns what is new, if something is."""
        self._working = False
        if work.need is Need.EARLY:
            return self._interrupted(hypothesis)
        said = believed(hypothesis, work.heard_s)
        if said:
            self._found = hypothesis.language
        if work.need is Need.PART:
            self._settle(said, work.end)
        else:
            self._understood, self._known_end = said, work.end
            self._aside = "" if self._settled else _aside(hypothesis, work.heard_s)
        if self.finished:
            return None  # The end is all that is wanted now.
        promised = self._told is not None and self._told.stable_chars
        text, stable_chars = "", 0
        if promised or not is_unsure(hypothesis, work.heard_s):
            text, stable_chars = self._agreed.update(self._text)
        heard = Heard(
            text, False, stable_chars, while_spoken=work.need is Need.LIVE, aside=self._aside
        )
        looked_for_more = self.live and work.need is Need.PAUSE
        if heard == self._told and not looked_for_more:
            return None
        self._told = heard
        return heard

    def _interrupted(self, hypothesis: Hypothesis) -> Heard | None:
        """Of a word that goes on nothing else is told."""
        word = "" if is_invented(hypothesis) else urgent_already(hypothesis)
        if not word or self.finished:
            return None
        self._told = Heard("", False, while_spoken=True, aside=word)
        return self._told

    def final(self) -> Heard:
        text = self._agreed.final(self._text)
        return Heard(text, True, len(text), language=self._found, aside=self._aside)

    @property
    def _text(self) -> str:
        return f"{self._settled} {self._understood}".strip()

    def _settle(self, said: str, end: int) -> None:
        self._settled = f"{self._settled} {said}".strip()
        self._understood = self._aside = ""
        self._forget(end)

    def _forget(self, frames: int) -> None:
        self._mel.forget(frames)
        self._pauses.forget(frames)
        self._known_end = 0


def _aside(hypothesis: Hypothesis, heard_s: float) -> str:
    return "" if is_invented(hypothesis) else probable(hypothesis, heard_s)
