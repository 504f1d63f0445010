"""What a very short sound probably was, said beside somebody's speech, where Whisper doubts.

Of a hum it makes words that nobody said ("time", "fun"), of a mumbled "yeah" "you have", and
"stop" it may doubt.  But it knows better than its text: among the words with which it might
have begun, one of few that people say so shortly is then not far behind; and where the first word
does not tell ("good times" of a hum, "no, okay" of "oh, okay"), a whole phrase may fit as well.
Thresholds were set on two of flite's voices and two of espeak-ng's (bench/turns.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from antiphon.engines.cascade.stt.agreement import bare
from antiphon.engines.cascade.stt.whisper_model import DOUBTED_S, Hypothesis

_LISTENING: Final = {
    "m": "Mm-hmm.", "mm": "Mm-hmm.", "mmm": "Mm-hmm.", "h": "Hmm.", "hm": "Hmm.", "hmm": "Hmm.",
    "uh": "Uh-huh.", "um": "Um.", "ah": "Ah.", "eh": "Eh.", "oh": "Oh.",
    "yeah": "Yeah.", "ya": "Yeah.", "yah": "Yeah.", "ye": "Yeah.", "yes": "Yes.", "yep": "Yep.",
    "okay": "Okay.", "ok": "Okay.", "right": "Right.", "sure": "Sure.",
}  # fmt: skip
"""First tokens of what one says who listens, and what it is then."""
_URGENT: Final = {
    "stop": "Stop.", "wait": "Wait.", "no": "No.", "nope": "Nope.", "hold": "Hold on.",
    "exc": "Excuse me.", "excuse": "Excuse me.",
}  # fmt: skip
"""Of what one says who wants the floor."""
_URGENT_TEXTS: Final = frozenset(bare(text) for text in _URGENT.values())
WATCHED: Final = (*_LISTENING, *_URGENT)

_LISTENING_PHRASES: Final = (
    "Mm-hmm.", "Mmm.", "Mhm.", "Hmm.", "Uh-huh.", "Uh huh.", "Um.", "Ah.", "Oh.", "Yeah.",
    "Yeah, yeah.", "Yes.", "Yep.", "Okay.", "Oh, okay.", "Right.", "I see.", "Sure.", "Good.",
    "Great.", "Alright.", "Got it.", "Of course.", "Exactly.", "I know.",
)  # fmt: skip
_URGENT_PHRASES: Final = (
    "Stop.", "Wait.", "No.", "No, no.", "No, okay.", "Nope.", "Hold on.", "Excuse me.", "But.",
)  # fmt: skip
_UNLIKE_A_HUM: Final = ("Stop.", "Wait.", "Hold on.", "Excuse me.")
"""Of those: where one may have been said, it was; "no" may be made of any hum."""
PHRASES: Final = (*_LISTENING_PHRASES, *_URGENT_PHRASES)
_LISTENING_TEXTS: Final = frozenset(bare(text) for text in _LISTENING_PHRASES)

_SURE: Final = -0.85
"""A mean log probability from which on the text is left alone."""
_LISTENS_BEHIND, _WANTS_BEHIND = 3.2, 2.0
"""So far behind the first word of the text may what is said instead be, in log probability."""
_AHEAD, _MORE_AHEAD = 1.0, 0.5
"""And so far ahead of the other kind; who listens by so much more than it is behind the text."""
_EARLY_LEAST, _EARLY_AHEAD = -3.0, 1.5
"""The same for a word that is still being said."""


_PHRASE_SURE: Final = -0.6
"""A mean log probability from which on no phrase is compared with the text."""
_PHRASE_BEHIND, _PHRASE_AHEAD = 3.5, 1.0
"""As those above, of phrases; who listens is also ahead by as much as it is behind the text."""


def is_doubtful(hypothesis: Hypothesis) -> bool:
    """Whether the text should be compared with `PHRASES`: one who listens needs no proof."""
    is_sure = hypothesis.mean_logprob >= _PHRASE_SURE
    return not is_sure and bare(hypothesis.text) not in _LISTENING_TEXTS


def probable(hypothesis: Hypothesis, heard_s: float) -> str:
    """What a short sound was instead of the text; "" where the text stands, or falls, alone."""
    return _by_phrase(hypothesis) or _by_first_word(hypothesis, heard_s)


def _by_phrase(hypothesis: Hypothesis) -> str:
    instead = hypothesis.instead
    if instead is None:
        return ""
    listening, urgent, unlike = (
        [(instead.phrases[phrase], phrase) for phrase in kind if phrase in instead.phrases]
        for kind in (_LISTENING_PHRASES, _URGENT_PHRASES, _UNLIKE_A_HUM)
    )
    listens = _together(logprob for logprob, _ in listening)
    behind, ahead = instead.logprob - listens, listens - _together(lp for lp, _ in urgent)
    if behind <= _PHRASE_BEHIND and ahead >= max(_PHRASE_AHEAD, behind):
        return max(listening)[1]
    wanted = max(unlike, default=(-np.inf, ""))
    least = max(instead.logprob - _WANTS_BEHIND, listens - _PHRASE_AHEAD)
    return wanted[1] if wanted[0] >= least else ""


def _together(logprobs: Iterable[float]) -> float:
    return float(np.logaddexp.reduce([*logprobs], initial=-np.inf))


def _by_first_word(hypothesis: Hypothesis, heard_s: float) -> str:
    begins = hypothesis.begins
    if begins is None or heard_s >= DOUBTED_S or hypothesis.mean_logprob >= _SURE:
        return ""
    listening, urgent = _likelihood(hypothesis, _LISTENING), _likelihood(hypothesis, _URGENT)
    behind, ahead = begins.logprob - listening, listening - urgent
    if behind <= _LISTENS_BEHIND and ahead >= max(_AHEAD, behind + _MORE_AHEAD):
        return _likeliest(hypothesis, _LISTENING)
    says_so = bare(hypothesis.text) in _URGENT_TEXTS
    if urgent >= max(begins.logprob - _WANTS_BEHIND, listening + (0 if says_so else _AHEAD)):
        return _likeliest(hypothesis, _URGENT)
    return ""


def urgent_already(hypothesis: Hypothesis) -> str:
    """A word that wants the floor, of which only the beginning has been heard; "" for any other."""
    listening, urgent = _likelihood(hypothesis, _LISTENING), _likelihood(hypothesis, _URGENT)
    if urgent >= max(_EARLY_LEAST, listening + _EARLY_AHEAD):
        return _likeliest(hypothesis, _URGENT)
    return ""


def _likelihood(hypothesis: Hypothesis, words: dict[str, str]) -> float:
    known = _known(hypothesis, words)
    return _together(known.values())


def _likeliest(hypothesis: Hypothesis, words: dict[str, str]) -> str:
    known = _known(hypothesis, words)
    return words[max(known, key=known.__getitem__)]


def _known(hypothesis: Hypothesis, words: dict[str, str]) -> dict[str, float]:
    """Not those that are the first letters of another word in the text, as the "m" of "meet"."""
    first = bare(hypothesis.text.split(maxsplit=1)[0]) if hypothesis.text else ""
    watched = hypothesis.begins.watched if hypothesis.begins else {}
    return {
        word: watched[word]
        for word in words
        if word in watched and (word == first or not first.startswith(word))
    }
