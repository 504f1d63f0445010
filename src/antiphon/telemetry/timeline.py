"""How the wait of one turn is divided, from the user's last word to the first sound of the answer.

The parts are contiguous: each begins where the one before ended, and together they are the whole
wait.  What cannot be told apart is one part with both names ("recognition+thinking"); nothing is
guessed.  Pure: times come from outside, in the session's milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from antiphon.core.causes import Ms
from antiphon.protocol.timeline import Segment

SILENCE: Final = "silence"
"""From the last word until the turn is taken as ended."""
REQUEST: Final = "request"
"""Until an answer is asked for; where the client does that, it is the client's time."""
RECOGNITION: Final = "recognition"
"""Until the words are known."""
THINKING: Final = "thinking"
"""Until the first words of the answer, or its first function call."""
PHRASING: Final = "phrasing"
"""Until they are as many as are spoken at once; where an engine tells of both."""
TOOLS: Final = "tools"
"""From a function call until an answer with its result is asked for."""
SYNTHESIS: Final = "synthesis"
"""Until there is sound of those words."""
SENDING: Final = "sending"
"""Until it is sent, or given to the playout."""
PLAYBACK: Final = "playback"
"""Until it is played, where the server plays."""
ONSET: Final = "onset"
"""Until something is heard of it: most voices begin with silence."""

PARTS: Final = (
    SILENCE,
    REQUEST,
    RECOGNITION,
    THINKING,
    PHRASING,
    TOOLS,
    SYNTHESIS,
    SENDING,
    PLAYBACK,
    ONSET,
)


class Mark(NamedTuple):
    """A part, and when it ended; None: nobody has said."""

    part: str
    at_ms: Ms | None


def segments(began_ms: Ms, marks: Sequence[Mark], ended_ms: Ms) -> tuple[Segment, ...]:
    """The wait, divided at the marks, which come in the order of what happens.

    A part that ended before the one before it did took no time.  One without an end, or with an
    end after the whole, is joined to the next; the last one ends with the whole.
    """
    found: list[Segment] = []
    names: list[str] = []
    cursor_ms = began_ms
    for index, mark in enumerate(marks):
        if not names or names[-1] != mark.part:
            names.append(mark.part)
        is_last = index == len(marks) - 1
        end_ms = ended_ms if is_last else mark.at_ms
        if end_ms is None or end_ms > ended_ms:
            continue
        end_ms = max(cursor_ms, end_ms)
        found.append(Segment("+".join(names), end_ms - cursor_ms))
        names, cursor_ms = [], end_ms
    return tuple(found)


def by_name(parts: Iterable[Segment]) -> dict[str, Ms]:
    """The sum of each, in order: with function calls there is more than one of some."""
    sums: dict[str, Ms] = {}
    for part in parts:
        sums[part.name] = sums.get(part.name, 0) + part.duration_ms
    return sums
