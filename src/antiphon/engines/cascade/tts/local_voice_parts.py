"""What a network speaks in one go, and what is passed on of it at a time."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from antiphon.engines.cascade.parts import Speech
from antiphon.engines.cascade.punctuation import CLAUSE_END
from antiphon.engines.cascade.tts.segments import Segment, segments

_CLAUSE_ENDS = re.compile(CLAUSE_END)
FIRST_CHARS, LATER_CHARS = 80, 160
"""The first part of a sentence is short: it is heard while the next is made."""
_CLAUSE_CHARS = 12
"""A shorter clause is not spoken alone: it would be over before the next is made."""
_PIECE_BYTES = 2 * 24_000 // 5
"""A piece is 200 ms, so that little is thrown away where the user interrupts."""


def parts(text: str) -> Iterator[Segment]:
    """What is made at a time: a first clause, then sentences, or as much of one as is bearable."""
    first = next(iter(segments(text, FIRST_CHARS)), None)
    if first is None:
        return
    for match in _CLAUSE_ENDS.finditer(first.spoken):
        if _CLAUSE_CHARS <= match.end() < len(first.spoken):
            end = first.begin + match.end()
            first = Segment(first.spoken[: match.end()].rstrip(), first.begin, end)
            break
    rest = segments(text[first.end :], LATER_CHARS)
    if not rest:
        yield msgspec.structs.replace(first, end=len(text))
        return
    yield first
    for later in rest:
        yield Segment(later.spoken, first.end + later.begin, first.end + later.end)


def pieces(speech: Speech) -> Iterator[Speech]:
    """``speech`` in pieces, each word in the one that it ends in."""
    words = list(speech.words)
    for begin in range(0, len(speech.pcm), _PIECE_BYTES):
        pcm = speech.pcm[begin : begin + _PIECE_BYTES]
        end_sample = (begin + len(pcm)) // 2
        ended = 0
        while ended < len(words) and words[ended].end_sample <= end_sample:
            ended += 1
        yield Speech(pcm, tuple(words[:ended]))
        del words[:ended]
