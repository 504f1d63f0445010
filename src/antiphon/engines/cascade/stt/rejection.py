"""What of Whisper's text was said by anybody.

It was trained to write something for every sound: on noise it invents a short sentence,
or one word again and again.  It knows better: both numbers that it gives with a text are
then poor.  And of words that were said it sometimes cannot stop.  The thresholds were set
on some recordings; what they do on others stands in docs/reference/engines.md.
"""

from __future__ import annotations

from collections.abc import Sequence

from antiphon.engines.cascade.stt.agreement import bare
from antiphon.engines.cascade.stt.whisper_model import Hypothesis

NO_SPEECH_SURE, NO_SPEECH_LIKELY = 0.6, 0.45
"""Alone; and where the words are doubtful too."""
LOGPROB_POOR, LOGPROB_UNSURE, LOGPROB_DOUBTFUL = -1.9, -1.3, -1.0
"""Short words that were said score -0.6 to -1.4."""
SHORT_S = 1.4
"""With the silence around it: of a hum so short, words are made that nobody said."""
HURRIED_WORDS_PER_S = 4.5
"""Nobody repeats anything so fast, over a turn with the silence around it."""
WORDS_PER_S_MAX = 8


def believed(hypothesis: Hypothesis, heard_s: float) -> str:
    """The text, once where it repeats itself; "" where nobody said it."""
    return "" if is_invented(hypothesis) else sayable(hypothesis.text, heard_s)


def sayable(text: str, heard_s: float) -> str:
    """The text, once where it repeats itself; "" where nobody can have said so much."""
    words = text.split()
    if len(words) > HURRIED_WORDS_PER_S * heard_s:
        words = words[: said_once([bare(word) for word in words])]
    return "" if len(words) > 2 + WORDS_PER_S_MAX * heard_s else " ".join(words)


def is_invented(hypothesis: Hypothesis) -> bool:
    if not bare(hypothesis.text) or hypothesis.no_speech >= NO_SPEECH_SURE:
        return True
    doubtful = hypothesis.mean_logprob < LOGPROB_DOUBTFUL
    return hypothesis.mean_logprob < LOGPROB_POOR or (
        doubtful and hypothesis.no_speech >= NO_SPEECH_LIKELY
    )


def is_unsure(hypothesis: Hypothesis, heard_s: float) -> bool:
    """Not to be told before the turn is over: "mm-hmm" becomes "and then", "time" or "fun"."""
    return heard_s < SHORT_S and hypothesis.mean_logprob < LOGPROB_UNSURE


def said_once(words: Sequence[str]) -> int:
    """How many of ``words`` are left when what is said three times at their end, or twice
    where it is all of them, is said but once.  The last time may be cut short.
    """
    count = len(words)
    for begin in range(count):
        for length in range(1, (count - begin) // (2 if begin == 0 else 3) + 1):
            if all(words[at] == words[at - length] for at in range(begin + length, count)):
                return begin + length
    return count
