"""Whether what Whisper wrote was said by anybody.

It was trained to write something for every sound: on noise it invents a short sentence,
or one word again and again.  It knows better: both numbers that it gives with a text are
then poor.  The thresholds were set on recordings of speech and of noise; what they do on
others stands in docs/reference/engines.md.
"""

from __future__ import annotations

import zlib
from collections import Counter

from antiphon.engines.cascade.stt.spoken_words import spoken_words
from antiphon.engines.cascade.stt.whisper_model import Hypothesis

NO_SPEECH_SURE, NO_SPEECH_LIKELY = 0.6, 0.45
"""Alone; and where the words are doubtful too."""
LOGPROB_POOR, LOGPROB_DOUBTFUL = -1.9, -1.0
"""Short words that were said score -0.6 to -1.2."""
REPEATS_MAX = 5
"""A word, or two or three in a row, so often one after the other."""
COMPRESSION_MAX = 2.4
"""Whisper's own measure: text that zlib makes so much shorter repeats itself."""
WORDS_PER_S_MAX = 8


def is_invented(hypothesis: Hypothesis, heard_s: float) -> bool:
    words = spoken_words(hypothesis.text)
    if not words:
        return True
    if hypothesis.no_speech >= NO_SPEECH_SURE or hypothesis.mean_logprob < LOGPROB_POOR:
        return True
    doubtful = hypothesis.mean_logprob < LOGPROB_DOUBTFUL
    if doubtful and hypothesis.no_speech >= NO_SPEECH_LIKELY:
        return True
    return repeats_itself(words) or len(words) > 2 + WORDS_PER_S_MAX * heard_s


def repeats_itself(words: tuple[str, ...]) -> bool:
    """Digits may be said again and again: telephone numbers have them."""
    for length in (1, 2, 3):
        run = 1
        for at in range(length, len(words) - length + 1):
            same = words[at : at + length] == words[at - length : at]
            run = run + 1 if same else 1
            if run >= REPEATS_MAX * length and not set(words[at : at + length]) <= _DIGITS:
                return True
    text = " ".join(words).encode()
    most, _ = Counter(words).most_common(1)[0]
    return most not in _DIGITS and len(text) / len(zlib.compress(text)) > COMPRESSION_MAX


_DIGITS = frozenset(
    ["zero", "oh", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
)
