"""Answers that are begun before it is certain that the user has said all.

In a pause that probably ends the turn the engine is asked for the answer that would be wanted
then (`Speculate`).  It keeps what comes of it to itself, and gives it once the answer is asked for
(`Generate`), with the same words; where the user goes on it is thrown away.  Nobody is told:
clients see the same events with it and without, but sooner.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from msgspec import Struct

from antiphon.core.causes import Speculated
from antiphon.core.effects import Effect, Speculate, StopSpeculating
from antiphon.core.responses import Responses
from antiphon.core.usage import Tokens


@dataclass(frozen=True, slots=True)
class Pause:
    """A turn of the user that is probably over."""

    item_id: str
    """What it will be called."""
    words: str
    """What was understood of it."""
    samples: int = field(compare=False)
    replaces: tuple[str, ...] = field(compare=False, default=())
    """Items of which it will take the place."""


class Speculations(Struct, frozen=True):
    """What they came to in one session, and cost."""

    begun: int = 0
    used: int = 0
    thrown_away: int = 0
    wasted_input_tokens: int = 0
    wasted_output_tokens: int = 0
    """Of those that were thrown away: no response's usage has them."""

    @property
    def told(self) -> str:
        return (
            f"{self.begun} answers begun early, {self.used} used, {self.thrown_away} thrown away "
            f"({self.wasted_input_tokens} tokens in, {self.wasted_output_tokens} out, in no "
            "response's usage)"
        )


class Speculation:
    """At most one at a time."""

    def __init__(self, responses: Responses) -> None:
        self.counted = Speculations()
        self._responses = responses
        self._pause: Pause | None = None
        self._seen = 0
        """Tokens of the context of the last one."""

    def follow(self, pause: Pause | None, out: list[Effect]) -> None:
        """What is there to speculate on; None: nothing (any more)."""
        if pause == self._pause:
            return
        was, self._pause = self._pause, pause
        if pause is not None:
            foreseen = self._responses.foresee(
                pause.item_id, pause.words, pause.samples, replaces=pause.replaces
            )
            if foreseen is not None:
                request, seen = foreseen
                self._begin(seen)
                out.append(Speculate(request, seen.total))
                return
        # An answer that was asked for takes it, or does not.
        if was is not None and self._responses.active is None:
            out.append(StopSpeculating())

    def forget(self) -> None:
        """Another engine is there, and knows of none."""
        self._pause = None

    def on_speculated(self, news: Speculated) -> None:
        counted = self.counted
        if news.used:
            self.counted = _more(counted, used=1)
            return
        taken = self._seen if news.input_tokens is None else news.input_tokens
        self.counted = _more(
            counted,
            thrown_away=1,
            wasted_input_tokens=taken,
            wasted_output_tokens=news.output_tokens,
        )

    def _begin(self, seen: Tokens) -> None:
        self._seen = seen.total
        self.counted = _more(self.counted, begun=1)


def _more(counted: Speculations, **more: int) -> Speculations:
    names = counted.__struct_fields__
    return Speculations(**{name: getattr(counted, name) + more.get(name, 0) for name in names})
