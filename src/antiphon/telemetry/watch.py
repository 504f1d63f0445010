"""One session, watched: causes and effects in, facts out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from antiphon.core.causes import (
    Cause,
    ClientSent,
    EngineErred,
    EngineFailed,
    EngineLost,
    EngineMoved,
    Ms,
    PartFailed,
    TranscriptEnded,
    TranscriptFailed,
)
from antiphon.core.effects import Effect, SendTo
from antiphon.core.terms import Terms
from antiphon.protocol import server
from antiphon.protocol.session import Session
from antiphon.telemetry.facts import (
    Answered,
    EngineChanged,
    EngineError,
    EnginePart,
    Fact,
    FalselyStopped,
    InputLost,
    Interrupted,
    ResponseEnded,
)
from antiphon.telemetry.turns import TurnTimer

_FAILED: Final[dict[type, EnginePart]] = {
    EngineErred: "engine",
    EngineFailed: "engine",
    EngineLost: "engine",
    TranscriptFailed: "recognizer",
}


class Watch:
    """It sees what a tape sees, and reads nothing else."""

    def __init__(self, terms: Terms) -> None:
        self.engine = terms.engine_name
        self._timer = TurnTimer(
            terms.session if isinstance(terms.session, Session) else None,
            server_plays=terms.playout == "server",
        )
        self._spoken = ("", "")
        """The newest item of an answer, and its response."""
        self._interrupted = ""
        """The response that was interrupted last."""
        self._may_be_false = False
        """The assistant was interrupted, and it is not known by what."""

    def saw(self, now_ms: Ms, cause: Cause, effects: Sequence[Effect]) -> list[Fact]:
        facts: list[Fact] = []
        self._follow_cause(cause, facts)
        timeline = self._timer.saw(now_ms, cause, effects)
        if timeline is not None:
            facts.append(Answered(timeline))
        for effect in effects:
            self._follow_effect(cause, effect, facts)
        return facts

    def _follow_cause(self, cause: Cause, facts: list[Fact]) -> None:
        kind = type(cause)
        if kind is PartFailed:
            facts.append(EngineError(self.engine, cause.part))  # type: ignore[union-attr]
            if cause.code == "input_lost":  # type: ignore[union-attr]
                facts.append(InputLost())
        elif kind in _FAILED:
            facts.append(EngineError(self.engine, _FAILED[kind]))
        elif isinstance(cause, EngineMoved):
            self.engine = cause.name
            facts.append(EngineChanged(cause.name))
        elif isinstance(cause, TranscriptEnded):
            if self._may_be_false and not cause.text.strip():
                facts.append(FalselyStopped())
            self._may_be_false = False

    def _follow_effect(self, cause: Cause, effect: Effect, facts: list[Fact]) -> None:
        event = effect.event if isinstance(effect, SendTo) else effect
        match event:
            case server.ResponseOutputItemAdded():
                self._spoken = (event.item.id or "", event.response_id)
            case server.ResponseDone(response=response):
                facts.append(ResponseEnded(response.id, response.status, response.usage))
                details = response.status_details
                if details and details.reason == "turn_detected":
                    self._was_interrupted(response.id, facts)
            case server.OutputAudioBufferCleared() if not isinstance(cause, ClientSent):
                self._was_interrupted(event.response_id, facts)
            case server.ConversationItemTruncated(item_id=item_id):
                if item_id == self._spoken[0]:
                    self._was_interrupted(self._spoken[1], facts)

    def _was_interrupted(self, response_id: str, facts: list[Fact]) -> None:
        """It shows in up to three ways, and is one."""
        if response_id != self._interrupted:
            self._interrupted = response_id
            self._may_be_false = True
            facts.append(Interrupted())
