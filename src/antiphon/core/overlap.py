"""What a sound is that begins while the assistant is heard: an interruption, or none.

"Mhm" and a cough neither end a reply nor want one.  That is not known when a sound begins,
so evidence is gathered while it lasts: how long and how clear the voice is, what was
understood of it, whether the assistant had asked.  This file is the policy, and all of it:
evidence in, a verdict out.  A clear voice that is not proven to be harmless is believed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

from antiphon.core.backchannels import begins_as_backchannel, is_backchannel, is_reply
from antiphon.core.items import SpokenPart, samples_to_ms
from antiphon.core.turns import WINDOW_SAMPLES
from antiphon.protocol.session import Overlap

CLEAR = 0.8
"""The mean score of a voice that is believed without its words; noise that is taken for a voice
scores less (docs/reference/benchmarks.md, "Turns")."""
SETTLED_MS = 224
"""Words that come after so much quiet are all: earlier ones may be of its beginning, and nobody
looks for the end of a sound sooner."""
LOOKED_MS = 600
"""After so much quiet more words would have come, if there were any."""
CLICK_MS = 130
"""What is shorter, and was not understood, is no word."""
HARDLY_HEARD_MS = 600
"""Of an answer of which no more was heard nobody tells what they think of it: whoever speaks goes
on with what they were saying."""


HOLDS_MS = 450
"""Few who only listen speak on for so long: where we play, the voice waits for the verdict."""


class Verdict(Enum):
    OPEN = "open"
    INTERRUPTION = "interruption"
    BACKCHANNEL = "backchannel"
    NOISE = "noise"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    voice_ms: int
    """How much voice there was, pauses left out."""
    quiet_ms: int
    """Since it was last heard; 0 while it goes on."""
    clarity: float
    """The mean score of its windows."""
    words: str | None = None
    """What was understood so far; "" is nothing, None that nobody has said."""
    words_are_all: bool = False
    """They came after the voice was last heard."""
    asked: bool = False
    """The assistant had just asked something."""
    goes_on: bool = False
    """It follows closely on a turn whose answer has hardly begun."""


def judge(evidence: Evidence, policy: Overlap) -> Verdict:
    """What the sound is, as far as it is known.  Only `OPEN` may still change."""
    words = evidence.words
    if words and evidence.asked and is_reply(words):
        return Verdict.INTERRUPTION
    if words and not is_backchannel(words) and _is_sure(evidence, words, policy):
        return Verdict.INTERRUPTION
    if _is_voice(evidence, policy):
        return Verdict.INTERRUPTION
    is_clear = evidence.clarity >= CLEAR and evidence.voice_ms >= CLICK_MS
    if is_clear and evidence.goes_on:
        return Verdict.INTERRUPTION
    settled_ms = SETTLED_MS if evidence.words_are_all else LOOKED_MS
    # Of a clear voice whose end nobody has looked at, nothing understood says nothing: on a busy
    # machine its words are still to come.
    is_known = words is not None and (bool(words) or evidence.words_are_all or not is_clear)
    if is_known and evidence.quiet_ms >= settled_ms:
        if words:
            return Verdict.BACKCHANNEL
        # Whoever was asked has answered, understood or not.
        return Verdict.INTERRUPTION if evidence.asked and is_clear else Verdict.NOISE
    if evidence.quiet_ms >= policy.wait_ms:
        return Verdict.INTERRUPTION if is_clear else Verdict.NOISE
    return Verdict.OPEN


def holds(evidence: Evidence) -> bool:
    """Say nothing until the verdict: they probably want the floor."""
    is_listening = bool(evidence.words) and is_backchannel(evidence.words or "")
    is_clear = evidence.clarity >= CLEAR
    return evidence.voice_ms >= HOLDS_MS and is_clear and not is_listening


def _is_sure(evidence: Evidence, words: str, policy: Overlap) -> bool:
    """Of a voice that goes on the last words are a guess: who began as one who listens may only
    have said more of the same.
    """
    is_looked_at = evidence.words_are_all or evidence.quiet_ms >= LOOKED_MS
    is_long = evidence.voice_ms >= policy.interruption_ms
    return is_looked_at or is_long or not begins_as_backchannel(words)


def _is_voice(evidence: Evidence, policy: Overlap) -> bool:
    """It goes on, too long for anything else, whatever its words are."""
    if evidence.clarity >= CLEAR:
        # "Okay, yeah, sure" takes longer than a word; what is not understood may be far away.
        allowed_ms = policy.interruption_ms * (1 if evidence.words is None else 2)
    elif evidence.words is None:
        allowed_ms = policy.interruption_ms + policy.wait_ms
    else:
        return False
    return evidence.quiet_ms == 0 and evidence.voice_ms >= allowed_ms


# --- What was asked ----------------------------------------------------------

_SENTENCE_END = re.compile(r"[.!?…。！？؟]+[\"'”’»)\]]*\s*")
_QUESTION = re.compile(r"[?？؟]")


def has_asked(part: SpokenPart, heard_samples: int) -> bool:
    """The sentence that is being heard, or the one before it, is a question."""
    text = part.transcript
    ends = [found.end() for found in _SENTENCE_END.finditer(text)]
    if not ends or ends[-1] < len(text):
        ends.append(len(text))
    if part.words:
        heard = max((w.text_end for w in part.words if w.end_sample <= heard_samples), default=0)
    else:  # Nobody told when which word was spoken.
        heard = len(text) * heard_samples // max(1, part.samples)
    sentences = [text[a:b] for a, b in pairwise([0, *ends])]
    now = next((i for i, end in enumerate(ends) if heard < end), len(ends) - 1)
    return any(_QUESTION.search(sentence[-4:]) for sentence in sentences[max(0, now - 1) : now + 1])


# --- One overlap -------------------------------------------------------------


class OverlapWatch:
    """Gathers the evidence of one sound.

    Args:
        asked: The assistant had just asked something when it began.
        goes_on: Of what the assistant answers hardly anything had been heard.
    """

    def __init__(self, policy: Overlap, *, asked: bool, goes_on: bool = False) -> None:
        self.policy = policy
        self.goes_on = goes_on
        self._asked = asked
        self._voice_windows = self._quiet_windows = 0
        self._scores = 0.0
        self._words: str | None = None
        self._words_are_all = False

    def score(self, probability: float, *, is_voice: bool) -> None:
        """One window more of it."""
        if not is_voice:
            self._quiet_windows += 1
            return
        self._voice_windows += 1
        self._scores += probability
        self._quiet_windows = 0
        self._words_are_all = False

    def understand(self, words: str, *, late: bool = False) -> None:
        """``late``: as of `TurnJudged.words_are_late`."""
        self._words = words
        quiet_ms = samples_to_ms(self._quiet_windows * WINDOW_SAMPLES)
        self._words_are_all = quiet_ms >= SETTLED_MS and not late

    @property
    def verdict(self) -> Verdict:
        return judge(self._evidence, self.policy)

    @property
    def holds(self) -> bool:
        return holds(self._evidence)

    @property
    def _evidence(self) -> Evidence:
        return Evidence(
            voice_ms=samples_to_ms(self._voice_windows * WINDOW_SAMPLES),
            quiet_ms=samples_to_ms(self._quiet_windows * WINDOW_SAMPLES),
            clarity=self._scores / max(1, self._voice_windows),
            words=self._words,
            words_are_all=self._words_are_all,
            asked=self._asked,
            goes_on=self.goes_on,
        )
