"""Whether the words so far sound like all that the user wanted to say.

Nothing is certain, and a wrong guess costs some silence or cuts a sentence in two
(bench/turns.py).  What no word says, the melody may, where somebody listens for it: a hint, which
moves what the words leave open.
"""

from __future__ import annotations

import re
from typing import Final

from antiphon.engines.cascade.parts import Transcript

COMPLETE: Final = 0.9
"""A sentence that was expected."""
SOUNDS_FINISHED: Final = 0.75
"""Some words, said as one ends."""
UNDECIDED: Final = 0.63
"""Some words."""
NOTHING_YET: Final = 0.5
COUNTING: Final = 0.35
"""Digits, of which more may come: people say them in groups."""
SOUNDS_UNFINISHED: Final = 0.45
"""Some words, said as one goes on: with `semantic_vad`'s usual patience a pause of 1.2 s."""
UNFINISHED: Final = 0.2
"""Words that cannot end a sentence."""

MELODY_ENDS: Final = 0.5
"""From there on a melody is one that ends."""

_NEVER_LAST: Final = (
    "a an the and or but so because if unless although while whereas than nor "
    "to of for with at in from by into onto between during without "
    "my your his its our their every "
    "is are be been isn't aren't "
    "i i'm i'd i'll i've you're we're they're it's that's there's he's she's "
    "should must might gonna wanna "
    "uh uhm er erm which whose "
    # German, French, Spanish, Italian, Portuguese
    "der die das ein eine einen einem und oder aber weil wenn dass für mit von zum zur äh ähm "
    "le la les un une des et ou mais parce que de du pour avec euh je "
    "el los las una unas y o pero porque para con por del eh "
    "il lo gli e ma perché per di del della "
    "os as um uma mas com por do da"
)
_LAST_WORD: Final = re.compile(r"([^\W_]+(?:['’][^\W_]+)?)\W*$")
_DIGITS: Final = re.compile(r"(?:\d[\s,.-]*){3,}$")
_AMBIGUOUS: Final = frozenset(("as", "die", "do", "so", "o", "la", "e", "per", "con"))
"""Words of one language that may well end a sentence in another."""
_NEVER: Final = frozenset(_NEVER_LAST.split()) - _AMBIGUOUS
_OPENS: Final = re.compile(r"(?:what|where|when|how|who|why) (?:i|we)\b", re.IGNORECASE)
"""What I wanted to say ... was."""
_AWAITS: Final = re.compile(
    r"\b(?:some|any|every|no)(?:thing|one|body) (?:that|who)\W*$", re.IGNORECASE
)
"""Something that ... works."""
_GOES_ON: Final = re.compile(r"\b(?:is|was|are|were|that)\b", re.IGNORECASE)


def completeness(transcript: Transcript) -> float:
    """How likely the user has said all.

    What the words say goes before the melody: "and the" goes on, however it is said, and a
    sentence that was expected is whole.
    """
    words = _of_words(transcript)
    melody = transcript.melody
    if melody is None or words not in (UNDECIDED, NOTHING_YET):
        return words
    if melody < MELODY_ENDS:
        return SOUNDS_UNFINISHED
    return UNDECIDED if words == NOTHING_YET else SOUNDS_FINISHED


def _of_words(transcript: Transcript) -> float:
    """A recogniser's full stop says nothing: it writes one after half a sentence too."""
    if transcript.complete:
        return COMPLETE
    text = transcript.text.strip()
    if not text:
        return NOTHING_YET
    last = _LAST_WORD.search(text)
    if last is None:
        return UNDECIDED
    if _AWAITS.search(text):
        return UNFINISHED
    if last[1].lower().replace("’", "'") in _NEVER or text.endswith(("...", "…", ",", "-", "—")):
        return UNFINISHED
    if _OPENS.match(text) and not _GOES_ON.search(text) and not text.endswith("?"):
        return UNFINISHED
    return COUNTING if _DIGITS.search(text) else UNDECIDED
