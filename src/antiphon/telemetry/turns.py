"""Times the turns of one session by its causes and effects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from antiphon.core.causes import (
    MEDIA_RATE_HZ,
    Cause,
    EngineBegan,
    EngineCalled,
    EngineSaid,
    EngineSpoke,
    EngineWrote,
    Ms,
    TranscriptEnded,
    TranscriptFailed,
    VoiceScored,
)
from antiphon.core.effects import ClearPlayout, Configure, Effect, PlayAudio, SendTo
from antiphon.core.turns import HYSTERESIS, SEMANTIC_THRESHOLD
from antiphon.protocol import server
from antiphon.protocol.items import FunctionCall, Message
from antiphon.protocol.session import SemanticVad, ServerVad, Session
from antiphon.telemetry import timeline
from antiphon.telemetry.timeline import Mark, Timeline, TurnKind

SAMPLES_PER_MS: Final = MEDIA_RATE_HZ // 1000


@dataclass(slots=True)
class _Turn:
    """What the user waits with, and how far the answer is."""

    kind: TurnKind
    began_ms: Ms
    item_id: str | None = None
    response_id: str | None = None
    """Of the answer that runs; None: none was asked for yet."""
    engine_response_id: str | None = None
    """As the engine calls that."""
    ended_ms: Ms | None = None
    """The turn, not the answer."""
    recognised_ms: Ms | None = None
    asked_ms: Ms | None = None
    words_ms: Ms | None = None
    sound_ms: Ms | None = None
    sent_ms: Ms | None = None
    starts_at_sample: int | None = None
    """Where in the playout its sound begins."""
    is_written: bool = False
    has_called: bool = False
    rounds: list[Mark] = field(default_factory=list)
    """Of answers without sound that called functions."""

    def marks(self) -> list[Mark]:
        """Of the answer that runs, and those before it."""
        if self.rounds:
            marks = [*self.rounds, Mark(timeline.TOOLS, self.asked_ms)]
        else:
            marks = []
            if self.kind == "spoken":
                marks.append(Mark(timeline.SILENCE, self.ended_ms))
            marks.append(Mark(timeline.REQUEST, self.asked_ms))
            if self.kind in ("spoken", "pushed"):
                marks.append(Mark(timeline.RECOGNITION, self.recognised_ms))
        marks.append(Mark(timeline.THINKING, self.words_ms))
        return marks

    def answered(self, ended_ms: Ms, *, is_heard: bool) -> Timeline:
        marks = self.marks()
        if not self.is_written:
            marks.append(Mark(timeline.SYNTHESIS, self.sound_ms))
        marks.append(Mark(timeline.SENDING, self.sent_ms))
        if is_heard:
            marks.append(Mark(timeline.PLAYBACK, ended_ms))
        return Timeline(
            response_id=self.response_id or "",
            kind=self.kind,
            began_ms=self.began_ms,
            ended_ms=ended_ms,
            segments=timeline.segments(self.began_ms, marks, ended_ms),
            is_spoken=not self.is_written,
            is_heard=is_heard,
        )

    def called(self) -> None:
        """The answer was a function call: the user waits on, for the next one."""
        self.rounds = self.marks()
        self.response_id = self.engine_response_id = self.asked_ms = None
        self.words_ms = self.sound_ms = self.sent_ms = None
        self.has_called = False


class TurnTimer:
    """One session's."""

    def __init__(self, session: Session | None, *, server_plays: bool) -> None:
        self._server_plays = server_plays
        self._threshold = 0.0
        if session is not None:
            self._follow(session)
        self._hears_voice = False
        self._voice_ms: Ms | None = None
        """When the user's voice was heard last."""
        self._turn: _Turn | None = None
        self._queued = 0
        self._played = 0

    # --- What happens --------------------------------------------------------

    def saw(self, now_ms: Ms, cause: Cause, effects: Sequence[Effect]) -> Timeline | None:
        """The timeline of a turn that has its answer now."""
        found: Timeline | None = None
        if type(cause) is VoiceScored:
            self._scored(now_ms, cause)
        else:
            self._heard_of(now_ms, cause)
        if self._server_plays:
            found = self._note_played(now_ms, cause)
        for effect in effects:
            found = self._follow_effect(now_ms, cause, effect) or found
        return found

    def _scored(self, now_ms: Ms, score: VoiceScored) -> None:
        # As `core.turns.TurnDetector` tells a voice from a pause.
        bar = self._threshold - HYSTERESIS if self._hears_voice else self._threshold
        self._hears_voice = score.user_probability >= bar
        if self._hears_voice:
            self._voice_ms = now_ms

    def _heard_of(self, now_ms: Ms, cause: Cause) -> None:
        turn = self._turn
        if turn is None:
            return
        kind = type(cause)
        if kind is TranscriptEnded or kind is TranscriptFailed:
            if cause.item_id == turn.item_id and turn.recognised_ms is None:  # type: ignore[union-attr]
                turn.recognised_ms = now_ms
        elif kind is EngineSaid or kind is EngineWrote or kind is EngineCalled:
            if self._is_of(turn, cause.response_id) and turn.words_ms is None:  # type: ignore[union-attr]
                turn.words_ms = now_ms
        elif (
            isinstance(cause, EngineSpoke)
            and cause.pcm
            and self._is_of(turn, cause.response_id)
            and turn.sound_ms is None
        ):
            turn.sound_ms = now_ms

    @staticmethod
    def _is_of(turn: _Turn, name: str | None) -> bool:
        return name == turn.response_id or name == turn.engine_response_id

    # --- What followed -------------------------------------------------------

    def _follow_effect(self, now_ms: Ms, cause: Cause, effect: Effect) -> Timeline | None:
        event = effect.event if isinstance(effect, SendTo) else effect
        match event:
            case server.ResponseOutputAudioDelta() | server.ResponseOutputTextDelta():
                return self._sent(now_ms, event)
            case PlayAudio():
                self._given_to_playout(now_ms, event)
            case ClearPlayout():
                self._queued = self._played
                if self._turn is not None and self._turn.starts_at_sample is not None:
                    self._turn = None  # Nobody will hear it.
            case Configure():
                if isinstance(event.session, Session):
                    self._follow(event.session)
            case server.ResponseCreated():
                self._asked(now_ms, cause, event.response)
            case server.ResponseOutputItemAdded():
                if self._answers(event.response_id) and isinstance(event.item, FunctionCall):
                    self._turn.has_called = True  # type: ignore[union-attr]
            case server.ResponseDone():
                self._response_ended(event.response)
            case _:
                self._follow_user(now_ms, event)
        return None

    def _follow_user(self, now_ms: Ms, event: object) -> None:
        turn = self._turn
        match event:
            case server.SpeechStopped():
                began_ms = now_ms if self._voice_ms is None else self._voice_ms
                self._turn = _Turn("spoken", began_ms, event.item_id, ended_ms=now_ms)
            case server.InputAudioBufferCommitted():
                if turn is None or turn.item_id != event.item_id:
                    self._turn = _Turn("pushed", now_ms, event.item_id, ended_ms=now_ms)
            case server.ConversationItemAdded(item=Message(role="user", id=item_id)):
                if turn is None or (turn.item_id != item_id and turn.response_id is not None):
                    self._turn = _Turn("typed", now_ms, item_id or None)

    def _asked(self, now_ms: Ms, cause: Cause, response: server.Response) -> None:
        if response.conversation_id is None:  # Nobody hears it as an answer.
            return
        turn = self._turn
        if turn is None or turn.response_id is not None:
            turn = self._turn = _Turn("unasked", now_ms)
        turn.response_id = response.id
        turn.asked_ms = now_ms
        if isinstance(cause, EngineBegan):
            turn.engine_response_id = cause.response_id

    def _answers(self, response_id: str) -> bool:
        return self._turn is not None and self._turn.response_id == response_id

    def _sent(
        self, now_ms: Ms, delta: server.ResponseOutputAudioDelta | server.ResponseOutputTextDelta
    ) -> Timeline | None:
        turn = self._turn
        if turn is None or turn.response_id != delta.response_id or turn.sent_ms is not None:
            return None
        turn.sent_ms = now_ms
        turn.is_written = isinstance(delta, server.ResponseOutputTextDelta)
        if self._server_plays and not turn.is_written:
            return None
        self._turn = None
        return turn.answered(now_ms, is_heard=False)

    def _given_to_playout(self, now_ms: Ms, effect: PlayAudio) -> None:
        turn = self._turn
        starts_at = self._queued
        self._queued += len(effect.pcm) // 2
        if turn is not None and turn.sound_ms is not None and turn.starts_at_sample is None:
            turn.starts_at_sample = starts_at
            turn.sent_ms = now_ms if turn.sent_ms is None else turn.sent_ms

    def _note_played(self, now_ms: Ms, cause: Cause) -> Timeline | None:
        """Positions come every 32 ms, while the microphone is listened to, and in samples."""
        self._played = max(self._played, getattr(cause, "played_samples", 0))
        turn = self._turn
        if turn is None or turn.starts_at_sample is None or turn.sent_ms is None:
            return None
        beyond = self._played - turn.starts_at_sample
        if beyond <= 0:
            return None
        self._turn = None
        heard_ms = max(turn.sent_ms, now_ms - beyond // SAMPLES_PER_MS)
        return turn.answered(heard_ms, is_heard=True)

    def _response_ended(self, response: server.Response) -> None:
        turn = self._turn
        if turn is None or turn.response_id != response.id:
            return
        if turn.sent_ms is None and turn.has_called and response.status == "completed":
            turn.called()
        elif turn.sent_ms is None or response.status == "cancelled":
            self._turn = None  # Nobody hears anything of it.

    def _follow(self, session: Session) -> None:
        detection = session.audio.input.turn_detection
        if isinstance(detection, ServerVad):
            self._threshold = detection.threshold
        elif isinstance(detection, SemanticVad):
            self._threshold = SEMANTIC_THRESHOLD
