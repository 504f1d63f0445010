"""Give a tape's causes to a new conversation, and compare what follows with what followed.

A tape from a real call becomes a test by copying it; a change of behaviour shows as the
first effect that is not what it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import UNSET, Struct

from antiphon.core.causes import Cause, Ms
from antiphon.core.conversation import Conversation
from antiphon.core.effects import Effect
from antiphon.journal.tape import Tape

MAX_SHOWN_CHARS = 160


class Difference(Struct, frozen=True):
    """Where what follows now is first not what was recorded."""

    step: int
    """Counted from 0."""
    effect: int
    """Which of the step's effects, counted from 0."""
    field: str
    """Path in the effect, as ``session.audio.input``; "" is the effect itself."""
    recorded: str
    """The value, shortened; audio as its size and first bytes."""
    now: str

    def __str__(self) -> str:
        where = f"step {self.step}, effect {self.effect}"
        where += f", {self.field}" if self.field else ""
        return f"{where}:\n  recorded: {self.recorded}\n  now:      {self.now}"


class ReplayedStep(Struct, frozen=True):
    number: int
    now_ms: Ms
    cause: Cause
    recorded: list[Effect]
    effects: list[Effect]
    """What follows now."""
    difference: Difference | None


def replay(tape: Tape) -> Iterator[ReplayedStep]:
    """The steps of a tape, replayed, up to its end or to where the conversation fails.

    Raises:
        TapeError: the tape is damaged in the middle.
    """
    conversation = Conversation(tape.terms)
    for number, step in enumerate(tape):
        recorded = step.effects
        try:
            effects = conversation.handle(step.cause, step.now_ms)
        except Exception as error:
            failure = f"the conversation fails: {type(error).__name__}: {error}"
            shown = ", ".join(_name(effect) for effect in recorded) or "nothing followed"
            difference = Difference(number, 0, "", shown, failure)
            yield ReplayedStep(number, step.now_ms, step.cause, recorded, [], difference)
            return
        difference_ = first_difference(number, recorded, effects)
        yield ReplayedStep(number, step.now_ms, step.cause, recorded, effects, difference_)


def first_difference(
    step: int, recorded: Sequence[Effect], now: Sequence[Effect]
) -> Difference | None:
    for place, (was, is_) in enumerate(zip(recorded, now, strict=False)):
        if was != is_:
            field, old, new = _differ(was, is_, "")
            return Difference(step, place, field, shortened(old), shortened(new))
    if len(recorded) == len(now):
        return None
    place = min(len(recorded), len(now))
    old, new = (shortened(e[place]) if place < len(e) else "nothing" for e in (recorded, now))
    return Difference(step, place, "", old, new)


def _differ(was: Any, is_: Any, path: str) -> tuple[str, Any, Any]:
    """The innermost place where two unequal values differ."""
    if type(was) is not type(is_):
        return path, was, is_
    if isinstance(was, Struct):
        pairs = {name: (getattr(was, name), getattr(is_, name)) for name in was.__struct_fields__}
    elif isinstance(was, list | tuple) and len(was) == len(is_):
        pairs = {str(i): pair for i, pair in enumerate(zip(was, is_, strict=True))}
    elif isinstance(was, dict) and was.keys() == is_.keys():
        pairs = {str(key): (was[key], is_[key]) for key in was}
    else:
        return path, was, is_
    name, (old, new) = next((n, p) for n, p in pairs.items() if p[0] != p[1])
    return _differ(old, new, f"{path}.{name}" if path else name)


def shortened(value: Any) -> str:
    """A value in one line, without its audio."""
    text = _line(value)
    return text if len(text) <= MAX_SHOWN_CHARS else text[:MAX_SHOWN_CHARS] + "…"


def _line(value: Any) -> str:
    if isinstance(value, bytes):
        return f"<{len(value)} bytes {value[:8].hex()}{'…' if len(value) > 8 else ''}>"
    if value is UNSET:
        return "absent"
    if isinstance(value, Struct):
        fields = (f"{n}={_line(getattr(value, n))}" for n in value.__struct_fields__)
        return f"{_name(value)}({', '.join(fields)})"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_line(v) for v in value)}]"
    return repr(value)


def _name(value: Struct) -> str:
    return str(value.__struct_config__.tag or type(value).__name__)
