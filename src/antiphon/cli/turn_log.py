"""A recorded call, one line a turn: times and figures, never what was said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from antiphon.core.causes import Cause, Ms
from antiphon.core.effects import Close, Effect, RunTool, SendTo
from antiphon.core.terms import Terms
from antiphon.protocol import server
from antiphon.protocol.items import FunctionCall, FunctionCallOutput, Message
from antiphon.protocol.session import Session
from antiphon.protocol.timeline import Timeline
from antiphon.telemetry.turns import TurnTimer


@dataclass
class Turn:
    """What asked for one response, and what became of it; times are the session's."""

    began_ms: Ms
    cause: str
    timeline: Timeline | None = None
    """None: it brought nothing that was heard or read."""
    calls: list[str] = field(default_factory=list)
    cut_ms: int | None = None
    """So much was heard of what was cut off."""
    status: str = "never ended"
    tokens: int = 0

    def __str__(self) -> str:
        parts = []
        if self.timeline is not None:
            what = "word" if self.timeline.ends_with == "written" else "sound"
            parts.append(f"first {what} after {_seconds(self.timeline.duration_ms)}")
        if self.calls:
            parts.append(f"called {', '.join(self.calls)}")
        if self.cut_ms is not None:
            parts.append(f"cut off, {_seconds(self.cut_ms)} heard")
        parts.append(self.status)
        if self.tokens:
            parts.append(f"{self.tokens} tokens")
        return f"{clock(self.began_ms)}  {self.cause:<12} {' · '.join(parts)}"


@dataclass(frozen=True)
class Incident:
    """An error, or the end of the session."""

    at_ms: Ms
    text: str

    def __str__(self) -> str:
        return f"{clock(self.at_ms)}  {self.text}"


@dataclass
class _Question:
    cause: str
    began_ms: Ms


class TurnLog:
    """Reads a session's causes and effects in their order; `lines` has what happened."""

    def __init__(self, terms: Terms) -> None:
        self.lines: list[Turn | Incident] = []
        self._timer = TurnTimer(
            terms.session if isinstance(terms.session, Session) else None,
            server_plays=terms.playout == "server",
        )
        self._speech_ms: Ms | None = None
        self._question: _Question | None = None
        self._by_response: dict[str, Turn] = {}
        self._by_item: dict[str, Turn] = {}

    @property
    def turns(self) -> int:
        return sum(isinstance(line, Turn) for line in self.lines)

    def saw(self, now_ms: Ms, cause: Cause, effects: Sequence[Effect]) -> None:
        timeline = self._timer.saw(now_ms, cause, effects)
        for effect in effects:
            self._follow(now_ms, effect)
        if timeline is not None and (turn := self._by_response.get(timeline.response_id)):
            turn.timeline = timeline

    def _follow(self, now_ms: Ms, effect: Effect) -> None:
        if isinstance(effect, Close):
            self.lines.append(Incident(now_ms, f"closed with {effect.code}: {effect.reason}"))
            return
        if isinstance(effect, RunTool):
            self._by_server(effect)
            return
        event = effect.event if isinstance(effect, SendTo) else effect
        match event:
            case server.Error():
                code = event.error.code or event.error.type
                self.lines.append(Incident(now_ms, f"{'error':<12} {code}"))
            case server.ConversationItemTruncated():
                if turn := self._by_item.get(event.item_id):
                    turn.cut_ms = event.audio_end_ms
            case _ if not self._asked(now_ms, event):
                self._answered(now_ms, event)

    def _by_server(self, call: RunTool) -> None:
        turns = [line for line in self.lines if isinstance(line, Turn)]
        if turns:
            turns[-1].calls.append(f"{call.name} (by the server)")

    def _asked(self, now_ms: Ms, event: object) -> bool:
        """Whether it tells of the user's side."""
        match event:
            case server.SpeechStarted():
                self._speech_ms = now_ms
            case server.SpeechStopped():
                began_ms = now_ms if self._speech_ms is None else self._speech_ms
                self._question = _Question("spoken", began_ms)
            case server.InputAudioBufferCommitted():
                if self._question is None or self._question.cause != "spoken":
                    self._question = _Question("spoken", now_ms)
            case server.ConversationItemAdded(item=Message(role="user")):
                if self._question is None:
                    self._question = _Question("typed", now_ms)
            case server.ConversationItemAdded(item=FunctionCallOutput()):
                self._question = _Question("after a tool", now_ms)
            case _:
                return False
        return True

    def _answered(self, now_ms: Ms, event: object) -> None:
        match event:
            case server.ResponseCreated():
                question = self._question or _Question("unasked", now_ms)
                self._question = None
                turn = Turn(question.began_ms, question.cause)
                self._by_response[event.response.id] = turn
                self.lines.append(turn)
            case server.ResponseOutputItemAdded():
                if turn_of := self._by_response.get(event.response_id):
                    self._by_item[event.item.id or ""] = turn_of
                    if isinstance(event.item, FunctionCall):
                        turn_of.calls.append(event.item.name)
            case server.ResponseDone():
                self._ended(event.response)

    def _ended(self, response: server.Response) -> None:
        turn = self._by_response.get(response.id)
        if turn is None:
            return
        turn.status = response.status
        if response.usage is not None:
            turn.tokens = response.usage.total_tokens


def clock(ms: Ms) -> str:
    minutes, rest = divmod(ms, 60_000)
    return f"{minutes:3}:{rest / 1000:06.3f}"


def _seconds(ms: Ms) -> str:
    return f"{ms / 1000:.2f} s"
