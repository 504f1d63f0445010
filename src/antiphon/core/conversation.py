"""One realtime conversation: cause in, effects out.

This module only routes; each noun it routes to is a small machine of its own: `Listening`
(the user's audio and turns), `Floor` (who speaks), `Responses`, `ItemRequests`, `Transcripts`,
`History`, `Sounding` (what is heard), `SessionLife`, `Deadlines`.
"""

from __future__ import annotations

from typing import assert_never

from antiphon.core import causes
from antiphon.core.causes import Cause, Ms
from antiphon.core.deadlines import Deadline
from antiphon.core.effects import Close, Configure, Effect, Move, SendTo
from antiphon.core.faults import Fault
from antiphon.core.floor import Floor
from antiphon.core.item_requests import ItemRequests
from antiphon.core.items import MessageEntry, as_heard
from antiphon.core.listening import Listening
from antiphon.core.money_told import tell_money
from antiphon.core.records import EngineChanged
from antiphon.core.responses import Responses
from antiphon.core.settings import update_session
from antiphon.core.speculation import Speculation, Speculations
from antiphon.core.stage import Stage
from antiphon.core.terms import Activity, Terms
from antiphon.protocol import client, server
from antiphon.protocol.closes import CloseCode
from antiphon.protocol.items import Item
from antiphon.protocol.session import AnySession, Session

SESSION_MAX_MINUTES_TEXT = "Your session hit the maximum duration of {minutes} minutes."

TAKEN_OVER_TEXT = "Another connection goes on with the conversation."


class Conversation:
    """One realtime conversation, with no I/O in it.

    Give it one cause at a time and carry out the effects, in order.  It never waits,
    reads no clock and draws no random number: the same causes at the same times have
    the same effects.
    """

    def __init__(self, terms: Terms) -> None:
        self._stage = stage = Stage.set_for(terms)
        self._listening = Listening(stage)
        self._responses = Responses(stage)
        self._floor = Floor(stage, self._listening, self._responses)
        self._speculation = Speculation(self._responses)
        self._items = ItemRequests(stage)

    def handle(self, cause: Cause, now_ms: Ms) -> list[Effect]:
        """What follows from ``cause``.  Nothing follows once the conversation is closed."""
        out: list[Effect] = []
        life = self._stage.life
        if life.is_closed:
            return out
        match cause:
            case causes.ClientSent():
                self._on_client(cause, now_ms, out)
            case causes.VoiceScored():
                self._on_scored(cause, now_ms, out)
            case causes.Heard():
                self._listening.hear(cause.pcm, now_ms, out, by_hand=False)
            case (
                causes.EngineSpoke()
                | causes.EngineSaid()
                | causes.EngineWrote()
                | causes.EngineCalled()
                | causes.EngineFinished()
                | causes.EngineFailed()
            ):
                ended = self._responses.on_news(cause, now_ms, out)
                if ended is not None:
                    self._floor.after([ended], now_ms, out)
                self._stage.sounding.await_boundary(now_ms)
            case causes.ToolAnswered() | causes.MemoryChanged():
                self._on_server_tools(cause, out)
            case (
                causes.EngineBegan()
                | causes.EngineThought()
                | causes.RateLimitsChanged()
                | causes.Speculated()
                | causes.EngineErred()
                | causes.PartFailed()
            ):
                self._on_engine_news(cause, out)
            case causes.EngineLost():
                self._on_engine_lost(cause, now_ms, out)
            case causes.EngineMoved():
                self._on_engine_moved(cause, now_ms, out)
            case causes.EngineCounted() | causes.Costed() | causes.BudgetReached() | causes.Timed():
                self._on_looker(cause, out)
            case causes.PlayoutDrained():
                if self._stage.sounding.drained(cause.played_samples, out):
                    self._floor.await_user(now_ms)
            case causes.Tick():
                self._on_tick(cause, now_ms, out)
            case (
                causes.Attached()
                | causes.Detached()
                | causes.MessageRefused()
                | causes.ShuttingDown()
                | causes.TakenOver()
            ):
                self._on_connections(cause, now_ms, out)
            case _:
                self._on_turn_news(cause, now_ms, out)
        listening = self._listening
        self._stage.sounding.duck(listening.is_undecided, out, holds=listening.is_speech_likely)
        if self._stage.terms.engine_speculates and not life.is_closed:
            self._speculation.follow(
                self._listening.pause if self._floor.would_answer else None, out
            )
        if life.is_draining and not self._responses.any_runs:
            self._close(CloseCode.RESTART, "The server is restarting; connect again.", out)
        return out

    def _on_looker(
        self,
        cause: causes.EngineCounted | causes.Costed | causes.BudgetReached | causes.Timed,
        out: list[Effect],
    ) -> None:
        """What one who looks on has found out."""
        if not isinstance(cause, causes.Timed):
            tell_money(cause, self._stage, out)
        elif self._stage.tells_timeline:
            event_id = self._stage.ids.event()
            out.append(server.TimelineTold(event_id=event_id, timeline=cause.timeline))

    # --- For those who look on -----------------------------------------------

    @property
    def deadline_ms(self) -> Ms | None:
        """When to call ``handle(Tick(), now_ms)`` if nothing happens first."""
        return None if self._stage.life.is_closed else self._stage.deadlines.next_ms

    @property
    def id(self) -> str:
        """The conversation's, which outlives the session's."""
        return self._stage.conversation_id

    @property
    def session(self) -> AnySession:
        return self._stage.session

    @property
    def owners(self) -> frozenset[str]:
        """The connections that own the session; others are sidebands."""
        return self._stage.life.owners

    @property
    def items(self) -> tuple[Item, ...]:
        """The conversation so far, oldest first, as events show it."""
        return tuple(entry.wire() for entry in self._stage.history)

    def being_heard(self, played_samples: int, now_ms: Ms) -> tuple[MessageEntry, ...]:
        """Items whose end was not heard yet, cut at what was."""
        heard = self._stage.sounding.being_heard(played_samples, now_ms)
        entries = ((self._stage.history.get(item_id), heard[item_id]) for item_id in heard)
        return tuple(as_heard(e, samples) for e, samples in entries if isinstance(e, MessageEntry))

    @property
    def used(self) -> server.Usage:
        """By all its responses so far."""
        return self._stage.used

    @property
    def speculations(self) -> Speculations:
        """Answers that were begun before they were asked for."""
        return self._speculation.counted

    @property
    def held_audio_bytes(self) -> int:
        """What the conversation keeps of what was heard and spoken; bounded."""
        return self._listening.held_bytes + self._stage.history.held_audio_bytes

    @property
    def user_speaks(self) -> bool:
        """A turn has begun, found by voice detection or the engine, and is not over; what may yet
        prove to be none counts not.
        """
        return self._listening.user_speaks and not self._listening.is_undecided

    @property
    def heard_samples(self) -> int:
        """Up to where the microphone was heard, in its time."""
        return self._listening.heard_samples

    def expects(self, voice: float) -> bool:
        """Nothing follows now from a window that scores so, but that it was scored (and that an
        engine hears more of an open turn); so it may be told with the next ones.
        """
        return self._listening.expects(voice)

    @property
    def activity(self) -> Activity:
        if self._responses.any_runs:
            return "responding"
        return "user_speaking" if self._listening.user_speaks else "idle"

    # --- Connections and time ------------------------------------------------

    def _on_connections(self, cause: causes.ConnectionCause, now_ms: Ms, out: list[Effect]) -> None:
        match cause:
            case causes.Attached():
                first = self._stage.life.attach(cause.connection, owns=cause.owns)
                session = self._stage.shown_session
                created = server.SessionCreated(event_id=self._event_id(), session=session)
                out.append(SendTo(cause.connection, created))
                if first or cause.wants_items:
                    # At first only a conversation that goes on has any items yet.
                    self._stage.history.show(cause.connection, out)
                if first:
                    self._begin(out)
            case causes.Detached():
                self._stage.sounding.played(cause.played_samples)
                gone = self._stage.life.detach(cause.connection, now_ms, for_good=cause.for_good)
                if gone:
                    self._end_alone(out)
            case causes.MessageRefused():
                out.append(SendTo(cause.connection, self._error(cause.detail)))
            case causes.ShuttingDown():
                self._stage.life.drain()
            case causes.TakenOver():
                self._fall_silent(out)
                self._close(CloseCode.TAKEN_OVER, TAKEN_OVER_TEXT, out)

    def _begin(self, out: list[Effect]) -> None:
        stage = self._stage
        stage.deadlines.set(Deadline.SESSION_EXPIRES, stage.terms.session_max_ms)
        stage.tell_settings(out)
        out.append(Configure(stage.session, stage.memory))
        stage.transcripts.configure(stage.session)
        self._listening.configure(out)
        stage.transcripts.resume(out)

    def _on_tick(self, cause: causes.Tick, now_ms: Ms, out: list[Effect]) -> None:
        self._stage.sounding.played(cause.played_samples)
        for deadline in self._stage.deadlines.take_due(now_ms):
            match deadline:
                case Deadline.SESSION_EXPIRES:
                    self._on_expired(out)
                    return
                case Deadline.OWNER_STAYS_AWAY:
                    self._end_alone(out)
                    return
                case Deadline.SOUND_ENDS:
                    self._stage.sounding.on_boundary(now_ms, out)
                case Deadline.AUDIO_STAYS_AWAY:
                    self._floor.on_turn(self._listening.audio_stays_away(now_ms, out), now_ms, out)
                case Deadline.USER_IS_IDLE:
                    self._floor.on_user_is_idle(out)
                case _:
                    assert_never(deadline)

    def _on_expired(self, out: list[Effect]) -> None:
        minutes = self._stage.terms.session_max_ms // 60_000
        message = SESSION_MAX_MINUTES_TEXT.format(minutes=minutes)
        cleared = self._stage.sounding.silence(out)
        self._responses.fail_all(
            server.ResponseError(
                type="invalid_request_error", code="session_expired", message=message
            ),
            out,
        )
        self._stage.sounding.tell_cleared(cleared, out)
        out.append(self._error(server.ErrorDetail(code="session_expired", message=message)))
        self._close(CloseCode.GOING_AWAY, message, out)

    def _end_alone(self, out: list[Effect]) -> None:
        """Its owner is gone for good; what was being said is said to nobody."""
        self._fall_silent(out)
        self._close(CloseCode.NORMAL, "The session has ended.", out)

    def _fall_silent(self, out: list[Effect]) -> None:
        """Nobody is there any more: only what was heard is kept."""
        cleared = self._stage.sounding.silence(out)
        self._responses.cancel_all(out)
        self._stage.sounding.tell_cleared(cleared, out)

    def _close(self, code: CloseCode, reason: str, out: list[Effect]) -> None:
        self._stage.life.close()
        out.append(Close(int(code), reason))

    # --- The user's voice, and the engine's news of it -----------------------

    def _on_scored(self, cause: causes.VoiceScored, now_ms: Ms, out: list[Effect]) -> None:
        self._stage.sounding.played(cause.played_samples)
        event = self._listening.score(cause.at_sample, cause.user_probability, now_ms, out)
        if event is not None:
            self._floor.on_turn(event, now_ms, out)

    def _on_turn_news(self, cause: causes.TurnNews, now_ms: Ms, out: list[Effect]) -> None:
        match cause:
            case causes.TurnFound():
                self._stage.sounding.played(cause.played_samples)
                event = self._listening.turn_found(cause.from_sample, out)
                self._floor.on_turn(event, now_ms, out)
            case causes.TurnEnded():
                self._floor.on_turn(self._listening.turn_ended(cause.at_sample, out), now_ms, out)
            case causes.TurnJudged():
                self._listening.judge(cause)
            case causes.TranscriptGrew():
                self._stage.transcripts.on_grew(cause, out)
            case causes.TranscriptEnded():
                self._stage.transcripts.on_ended(cause, out)
            case causes.TranscriptFailed():
                self._stage.transcripts.on_failed(cause, out)
            case _:
                assert_never(cause)

    def _on_server_tools(
        self, cause: causes.ToolAnswered | causes.MemoryChanged, out: list[Effect]
    ) -> None:
        if isinstance(cause, causes.ToolAnswered):
            self._responses.on_answered(cause, out)
            return
        self._stage.memory = cause.memory
        out.append(Configure(self._stage.session, cause.memory))

    def _on_engine_news(self, cause: causes.OtherNews, out: list[Effect]) -> None:
        match cause:
            case causes.EngineBegan():
                self._floor.on_engine_began(cause, out)
            case causes.EngineThought():
                pass
            case causes.RateLimitsChanged(rate_limits):
                self._responses.on_rate_limits(rate_limits, out)
            case causes.Speculated():
                self._speculation.on_speculated(cause)
            case causes.EngineErred(detail):
                out.append(self._error(detail))
            case causes.PartFailed():
                out.append(
                    server.PartFailed(
                        event_id=self._event_id(),
                        part=cause.part,
                        code=cause.code,
                        message=cause.message,
                        item_id=cause.item_id,
                        response_id=cause.response_id,
                    )
                )
            case _:
                assert_never(cause)

    def _on_engine_lost(self, cause: causes.EngineLost, now_ms: Ms, out: list[Effect]) -> None:
        message = f"The engine failed and was started afresh: {cause.message}"
        self._stage.transcripts.fail_all("engine_lost", message, out)
        ended = self._responses.fail_all(server.ResponseError(message=message), out)
        out.append(self._error(server.ErrorDetail(type="server_error", message=message)))
        out.append(Configure(self._stage.session, self._stage.memory))
        self._speculation.forget()
        self._floor.after(ended, now_ms, out)

    def _on_engine_moved(self, cause: causes.EngineMoved, now_ms: Ms, out: list[Effect]) -> None:
        """What nobody had begun to answer is asked again, unseen; what was being said ends, and
        is said anew.
        """
        stage = self._stage
        error = server.ResponseError(code=cause.code, message=cause.message)
        ended, interrupted = self._responses.fail_begun(error, out)
        stage.move(cause)
        stage.recorder.tell(EngineChanged(cause.name, cause.code), out)
        self._speculation.forget()
        stage.tell_settings(out)
        out.append(server.SessionUpdated(event_id=self._event_id(), session=stage.shown_session))
        out.append(Configure(stage.session, stage.memory))
        self._listening.configure(out)
        stage.transcripts.ask_again(out)
        self._responses.ask_again(out)
        self._floor.after(ended, now_ms, out)
        if interrupted is not None and self._responses.active is None:
            self._begin_again(interrupted, out)

    def _begin_again(self, options: client.ResponseOptions, out: list[Effect]) -> None:
        try:
            self._floor.begin(options, out)
        except Fault as fault:
            out.append(self._stage.error(fault, kind="server_error"))

    # --- Client events -------------------------------------------------------

    def _on_client(self, cause: causes.ClientSent, now_ms: Ms, out: list[Effect]) -> None:
        self._stage.sounding.played(cause.played_samples)
        try:
            self._on_event(cause.event, cause.connection, now_ms, out)
        except Fault as fault:
            assert not out, f"{fault.code} came after something had changed"
            error = self._stage.error(fault, cause.event.event_id)
            out.append(SendTo(cause.connection, error))

    def _on_event(
        self, event: client.ClientEvent, connection: str, now_ms: Ms, out: list[Effect]
    ) -> None:
        match event:
            case client.InputAudioBufferAppend():
                self._listening.append(event.audio, now_ms, out)
            case client.SessionUpdate():
                self._on_session_update(event, out)
            case client.InputAudioBufferCommit():
                self._listening.commit(out)
            case client.InputAudioBufferClear():
                self._listening.clear(out)
            case client.OutputAudioBufferClear():
                self._on_output_clear(now_ms, out)
            case client.ConversationItemCreate():
                self._items.create(event, out)
            case client.ConversationItemRetrieve():
                self._items.retrieve(event, connection, out)
            case client.ConversationItemTruncate():
                self._items.truncate(event, out)
                self._stage.sounding.stopped_by_client()
            case client.ConversationItemDelete():
                self._items.delete(event, out)
            case client.ResponseCreate():
                self._floor.begin(event.response or client.ResponseOptions(), out)
            case client.ResponseCancel():
                self._floor.cancel(event.response_id, now_ms, out)
            case client.MoveSession():
                self._on_move(event, connection, out)
            case _:
                assert_never(event)

    def _on_move(self, event: client.MoveSession, connection: str, out: list[Effect]) -> None:
        if connection in self._stage.life.owners:
            raise Fault(
                "event_not_allowed",
                "Only a sideband may move a session to another model; so does "
                "POST /v1/antiphon/sessions/{id}/move.",
                param="type",
            )
        if not isinstance(self._stage.session, Session):
            raise Fault("invalid_event", "A transcription session cannot be moved.", param="type")
        out.append(Move(connection, event.event_id, event.model, event.voice))

    def _on_session_update(self, event: client.SessionUpdate, out: list[Effect]) -> None:
        stage = self._stage
        updated = update_session(stage.session, event.session, voice_locked=stage.voice_heard)
        if isinstance(updated, Session):
            stage.check_voice(updated.audio.output.voice, "session.audio.output.voice")
        stage.session = updated
        stage.tell_settings(out)
        out.append(server.SessionUpdated(event_id=self._event_id(), session=stage.shown_session))
        out.append(Configure(stage.session, stage.memory))
        stage.transcripts.configure(stage.session)
        self._listening.configure(out)
        self._floor.settings_changed()

    def _on_output_clear(self, now_ms: Ms, out: list[Effect]) -> None:
        sounding = self._stage.sounding
        if not sounding.by_server:
            raise Fault(
                "invalid_request_error",
                "output_audio_buffer.clear is for WebRTC and SIP; on WebSocket the client owns "
                "playback: stop it there and send conversation.item.truncate.",
                param="type",
            )
        sounding.tell_cleared(sounding.silence(out), out)
        self._floor.await_user(now_ms)

    # --- Small ---------------------------------------------------------------

    def _event_id(self) -> str:
        return self._stage.ids.event()

    def _error(self, detail: server.ErrorDetail) -> server.Error:
        return server.Error(event_id=self._event_id(), error=detail)
