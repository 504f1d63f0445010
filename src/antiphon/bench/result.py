"""What came of the calls."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

MOST_KINDS = 50
OTHER = "other"


@dataclass
class Turn:
    """One time that a caller spoke; ms of the run's clock.

    Attributes:
        interrupts: It began while an answer was heard.
        speech_end_ms: By the schedule, whether or not the machine kept to it.
        answer_ms: From the end of speech to the first sound of the answer; None: there was none.
        silence_ms: From the first sound of an interruption until nothing was heard any more.
        lateness_ms: Of each piece of speech that came meanwhile.
    """

    number: int
    began_ms: float
    speech_start_ms: float
    speech_end_ms: float
    interrupts: bool = False
    answer_ms: float | None = None
    silence_ms: float | None = None
    lateness_ms: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


@dataclass
class CallResult:
    """One call.

    Attributes:
        scheduled_ms: When it was to begin.
        started_ms: When it did.
        connect_ms: From there until the session was created; None: it never was.
        microphone_late_ms: How late the callers' own machine sent each piece of sound.
        errors: Of the call, by kind; those of its turns are with them.
    """

    index: int
    scheduled_ms: float
    started_ms: float
    connect_ms: float | None = None
    turns: list[Turn] = field(default_factory=list)
    microphone_late_ms: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    details: dict[str, str] = field(default_factory=dict)
    """What was said with the first of each kind."""

    def failed(self, kind: str, detail: str = "") -> None:
        if kind not in self.errors and len(self.errors) >= MOST_KINDS:
            kind = OTHER
        self.errors[kind] += 1
        if detail:
            self.details.setdefault(kind, detail)

    def all_errors(self) -> Counter[str]:
        found = Counter(self.errors)
        for turn in self.turns:
            found.update(turn.errors)
        return found
