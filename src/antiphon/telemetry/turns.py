"""Times the turns of one session by its causes and effects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from antiphon.audio.audible import first_audible
from antiphon.core.causes import (
    MEDIA_RATE_HZ,
    Cause,
    EngineBegan,
    EngineCalled,
    EngineSaid,
    EngineSpoke,
    EngineThought,
    EngineWrote,
    Ms,
    PlayoutDrained,
    TranscriptEnded,
    TranscriptFailed,
    VoiceScored,
)
from antiphon.core.effects import (
    ClearPlayout,
    Configure,
    Effect,
    PlayAudio,
    ScoreVoice,
    SendTo,
)
from antiphon.protocol import server
from antiphon.protocol.items import FunctionCall, Message
from antiphon.protocol.session import AudioFormat, PcmFormat, Session
from antiphon.protocol.timeline import Timeline, TimelineEnd, TurnKind
from antiphon.telemetry import timeline
from antiphon.telemetry.last_word import LastWord
from antiphon.telemetry.timeline import Mark

SAMPLES_PER_MS: Final = MEDIA_RATE_HZ // 1000
MAX_ONSET_SAMPLES: Final = 1_000 * SAMPLES_PER_MS
"""A voice that is silent for longer is taken to have begun at once."""
HALF_FRAME_MS: Final = 10
"""A frame counts as played when it leaves; looked at by chance, half of it is heard."""


@dataclass(slots=True)
class _Voice:
    """The sound of an answer, up to where it is heard."""

    made: int = 0
    """So many samples of it there are; not counted beyond the onset."""
    onset: int | None = None
    """The first that is heard; None: not known yet."""
    sent: int = 0
    ends_ms: float = 0.0
    """When a client that plays as it is sent has played those."""

    def spoke(self, pcm: bytes) -> None:
        if self.onset is None:
            found = first_audible(pcm)
            if found is not None:
                self.onset = self.made + found
            self.made += len(pcm) // 2
            if self.onset is None and self.made >= MAX_ONSET_SAMPLES:
                self.onset = 0

    def went(self, now_ms: Ms, samples: int) -> Ms | None:
        """More was sent; when it is heard, once that is known."""
        starts_ms = max(self.ends_ms, now_ms)
        self.ends_ms = starts_ms + samples / SAMPLES_PER_MS
        began, self.sent = self.sent, self.sent + samples
        if self.onset is None or self.onset >= self.sent:
            return None
        return round(starts_ms + max(0, self.onset - began) / SAMPLES_PER_MS)


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
    thought_ms: Ms | None = None
    """Where that was before there were words to speak."""
    words_ms: Ms | None = None
    sound_ms: Ms | None = None
    sent_ms: Ms | None = None
    starts_at_sample: int | None = None
    """Where in the playout its sound begins."""
    voice: _Voice = field(default_factory=_Voice)
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
        if self.thought_ms is None:
            marks.append(Mark(timeline.THINKING, self.words_ms))
        else:
            marks.append(Mark(timeline.THINKING, self.thought_ms))
            marks.append(Mark(timeline.PHRASING, self.words_ms))
        return marks

    def answered(
        self, ended_ms: Ms, ends_with: TimelineEnd, played_ms: Ms | None = None
    ) -> Timeline:
        """``played_ms``: when the first of its sound was played, silence or not."""
        marks = self.marks()
        if ends_with != "written":
            marks.append(Mark(timeline.SYNTHESIS, self.sound_ms))
        marks.append(Mark(timeline.SENDING, self.sent_ms))
        if ends_with == "played":
            marks.append(Mark(timeline.PLAYBACK, played_ms))
        if ends_with != "written":
            marks.append(Mark(timeline.ONSET, ended_ms))
        return Timeline(
            response_id=self.response_id or "",
            kind=self.kind,
            began_ms=self.began_ms,
            ended_ms=ended_ms,
            ends_with=ends_with,
            segments=timeline.segments(self.began_ms, marks, ended_ms),
        )

    def called(self) -> None:
        """The answer was a function call: the user waits on, for the next one."""
        self.rounds = self.marks()
        self.response_id = self.engine_response_id = self.asked_ms = None
        self.thought_ms = self.words_ms = self.sound_ms = self.sent_ms = None
        self.voice = _Voice()
        self.has_called = False


class TurnTimer:
    """One session's."""

    def __init__(self, session: Session | None, *, server_plays: bool) -> None:
        self._server_plays = server_plays
        self._last_word = LastWord()
        self._samples_per_byte = 0.0
        """Of sound as it is sent."""
        if session is not None:
            self._follow(session)
        self._turn: _Turn | None = None
        self._queued = 0
        self._played = 0

    # --- What happens --------------------------------------------------------

    def saw(self, now_ms: Ms, cause: Cause, effects: Sequence[Effect]) -> Timeline | None:
        """The timeline of a turn that has its answer now."""
        found: Timeline | None = None
        if type(cause) is VoiceScored:
            self._last_word.scored(cause)
        else:
            self._heard_of(now_ms, cause)
        if self._server_plays:
            found = self._note_played(now_ms, cause)
        for effect in effects:
            if type(effect) is ScoreVoice:
                self._last_word.came(now_ms, effect)
            else:
                found = self._follow_effect(now_ms, cause, effect) or found
        return found

    def _heard_of(self, now_ms: Ms, cause: Cause) -> None:
        turn = self._turn
        if turn is None:
            return
        kind = type(cause)
        if kind is TranscriptEnded or kind is TranscriptFailed:
            if cause.item_id == turn.item_id and turn.recognised_ms is None:  # type: ignore[union-attr]
                turn.recognised_ms = now_ms
        elif kind is EngineThought:
            if self._is_of(turn, cause.response_id) and turn.words_ms is None:  # type: ignore[union-attr]
                turn.thought_ms = now_ms
        elif kind is EngineSaid or kind is EngineWrote or kind is EngineCalled:
            if self._is_of(turn, cause.response_id) and turn.words_ms is None:  # type: ignore[union-attr]
                turn.words_ms = now_ms
        elif isinstance(cause, EngineSpoke) and cause.pcm and self._is_of(turn, cause.response_id):
            turn.sound_ms = now_ms if turn.sound_ms is None else turn.sound_ms
            turn.voice.spoke(cause.pcm)

    @staticmethod
    def _is_of(turn: _Turn, name: str | None) -> bool:
        return name == turn.response_id or name == turn.engine_response_id

    # --- What followed -------------------------------------------------------

    def _follow_effect(self, now_ms: Ms, cause: Cause, effect: Effect) -> Timeline | None:
        event = effect.event if isinstance(effect, SendTo) else effect
        match event:
            case server.ResponseOutputAudioDelta():
                return self._sent(now_ms, event)
            case server.ResponseOutputTextDelta():
                return self._wrote(now_ms, event.response_id)
            case PlayAudio():
                self._given_to_playout(now_ms, event)
            case ClearPlayout():
                found = self._playing(now_ms, is_over=True)
                self._queued = self._played
                if self._turn is not None and self._turn.starts_at_sample is not None:
                    self._turn = None  # Nobody will hear it.
                return found
            case Configure():
                if isinstance(event.session, Session):
                    self._follow(event.session)
            case server.ResponseCreated():
                self._asked(now_ms, cause, event.response)
            case server.ResponseOutputItemAdded():
                if self._answers(event.response_id) and isinstance(event.item, FunctionCall):
                    self._turn.has_called = True  # type: ignore[union-attr]
            case server.ResponseDone():
                return self._response_ended(event.response)
            case _:
                self._follow_user(now_ms, event)
        return None

    def _follow_user(self, now_ms: Ms, event: object) -> None:
        turn = self._turn
        match event:
            case server.SpeechStopped():
                last_word_ms = self._last_word.ended_ms
                began_ms = now_ms if last_word_ms is None else min(last_word_ms, now_ms)
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

    def _wrote(self, now_ms: Ms, response_id: str) -> Timeline | None:
        turn = self._turn
        if turn is None or turn.response_id != response_id or turn.sent_ms is not None:
            return None
        turn.sent_ms = now_ms
        self._turn = None
        return turn.answered(now_ms, "written")

    def _sent(self, now_ms: Ms, delta: server.ResponseOutputAudioDelta) -> Timeline | None:
        turn = self._turn
        if turn is None or turn.response_id != delta.response_id:
            return None
        turn.sent_ms = now_ms if turn.sent_ms is None else turn.sent_ms
        if self._server_plays:
            return None
        heard_ms = turn.voice.went(now_ms, round(len(delta.delta) * self._samples_per_byte))
        if heard_ms is None:
            return None
        self._turn = None
        return turn.answered(heard_ms, "sent")

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
        return self._playing(now_ms, is_over=type(cause) is PlayoutDrained)

    def _playing(self, now_ms: Ms, *, is_over: bool) -> Timeline | None:
        """``is_over``: no more of it is played."""
        turn = self._turn
        if turn is None or turn.starts_at_sample is None or turn.sent_ms is None:
            return None
        onset = turn.voice.onset
        if onset is None:
            if not is_over:
                return None
            onset = 0  # All of it is silence.
        beyond = self._played - turn.starts_at_sample - onset
        if beyond <= 0:
            return None
        self._turn = None
        ago_ms = max(0, beyond // SAMPLES_PER_MS - HALF_FRAME_MS)
        heard_ms = max(turn.sent_ms, now_ms - ago_ms)
        played_ms = max(turn.sent_ms, heard_ms - onset // SAMPLES_PER_MS)
        return turn.answered(heard_ms, "played", played_ms)

    def _response_ended(self, response: server.Response) -> Timeline | None:
        turn = self._turn
        if turn is None or turn.response_id != response.id:
            return None
        if turn.sent_ms is None and turn.has_called and response.status == "completed":
            turn.called()
        elif turn.sent_ms is None or response.status == "cancelled":
            self._turn = None  # Nobody hears anything of it.
        elif not self._server_plays:
            self._turn = None  # All of it is silence.
            return turn.answered(turn.sent_ms, "sent")
        return None

    def _follow(self, session: Session) -> None:
        self._last_word.follow(session)
        self._samples_per_byte = _samples_per_byte(session.audio.output.format)


def _samples_per_byte(audio_format: AudioFormat) -> float:
    if isinstance(audio_format, PcmFormat):
        return 0.5
    return MEDIA_RATE_HZ / 8_000
