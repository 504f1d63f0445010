"""Which of two recognisers is believed: the one that knows what may be said, or the one
that understands anything.

A grammar always finds some sentence of its own, in any sound.  It is believed where the
other one heard nearly the same: then it was meant, and its words are the right ones
("billing department", where the other heard "building department").
"""

from __future__ import annotations

from msgspec import Struct

from antiphon.engines.cascade.stt.agreement import agreement
from antiphon.engines.cascade.stt.spoken_words import spoken_words

ACCEPT_AGREEMENT = 0.8
"""Of the letters of both, as one says them.

On recordings the least of a sentence that was meant is 0.88, the most of one that was not
0.44 (bench/recognition.py); "two fifty pm" and "two fifteen pm" have 0.75.
"""


class Choice(Struct, frozen=True):
    text: str
    in_grammar: bool


def choose(sentence: str | None, free: str, *, spelled: bool = False) -> Choice:
    """What was said.

    Args:
        sentence: The whole sentence of the grammar that comes nearest; None: none does.
        free: What was heard without a grammar; "" where that was nothing, or noise.
        spelled: ``free`` was shown already: where both have the same words, it stays as
            it was written.
    """
    if not sentence or not free:
        return Choice(free, in_grammar=False)
    a, b = _letters(sentence), _letters(free)
    if agreement(a, b) < ACCEPT_AGREEMENT:
        return Choice(free, in_grammar=False)
    return Choice(free if spelled and a == b else sentence, in_grammar=True)


def _letters(text: str) -> str:
    return "".join("zero" if word == "oh" else word for word in spoken_words(text))
