"""One realtime conversation: cause in, effects out.

This module only routes; each noun it routes to is a small machine of its own:
`Listening` (the user's audio and turns), `Responses`, `ItemRequests`, `Transcripts`,
`History`, `Playout`, `Deadlines`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, assert_never

from antiphon.core import causes
from antiphon.core.causes import Cause, Ms
from antiphon.core.deadlines import Deadline, Deadlines
from antiphon.core.effects import ClearPlayout, Close, Configure, Effect, SendTo
from antiphon.core.faults import Fault
from antiphon.core.history import History
from antiphon.core.ids import Ids
from antiphon.core.item_requests import ItemRequests
from antiphon.core.items import samples_to_ms
from antiphon.core.listening import Listening, TurnEvent
from antiphon.core.playout import Cleared, Playout
from antiphon.core.response import Response
from antiphon.core.responses import Responses
from antiphon.core.settings import update_session
from antiphon.core.stage import Stage
from antiphon.core.terms import Activity, Terms
from antiphon.core.transcripts import Transcripts
from antiphon.protocol import client, server
from antiphon.protocol.items import Item
from antiphon.protocol.session import AnySession, ServerVad, Session

SESSION_MAX_MINUTES_TEXT = "Your session hit the maximum duration of {minutes} minutes."
FRAME_MS: Final = 20
"""Transports play in frames: what ends within one is looked for after the next."""


class Conversation:
    """One realtime conversation, with no I/O in it.

    Give it one cause at a time and carry out the effects, in order.  It never waits,
    reads no clock and draws no random number: the same causes at the same times have
    the same effects.
    """

    def __init__(self, terms: Terms) -> None:
        ids = Ids(terms.seed)
        self._stage = Stage(
            terms=terms,
            ids=ids,
            session=terms.session,
            history=History(),
            transcripts=Transcripts(ids),
            playout=Playout() if terms.playout == "server" else None,
            conversation_id=ids.new("conv"),
        )
        self._listening = Listening(self._stage)
        self._responses = Responses(self._stage)
        self._items = ItemRequests(self._stage)
        self._deadlines = Deadlines()
        self._opened = False
        self._closed = False
        self._shutting_down = False
        self._auto_response_waits = False
        self._silent_from_sample = 0

    @property
    def deadline_ms(self) -> Ms | None:
        """When to call ``handle(Tick(), now_ms)`` if nothing happens first."""
        return None if self._closed else self._deadlines.next_ms

    @property
    def session(self) -> AnySession:
        return self._stage.session

    @property
    def items(self) -> tuple[Item, ...]:
        """The conversation so far, oldest first, as events show it."""
        return tuple(entry.wire() for entry in self._stage.history)

    @property
    def held_audio_bytes(self) -> int:
        """What the conversation keeps of what was heard and spoken; bounded."""
        return self._listening.held_bytes + self._stage.history.held_audio_bytes

    def handle(self, cause: Cause, now_ms: Ms) -> list[Effect]:
        """What follows from ``cause``.  Nothing follows once the conversation is closed."""
        out: list[Effect] = []
        if self._closed:
            return out
        match cause:
            case causes.ClientSent():
                self._on_client(cause, now_ms, out)
            case causes.VoiceScored():
                self._on_scored(cause, now_ms, out)
            case causes.Heard():
                self._listening.hear(cause.pcm, out, by_hand=False)
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
                    self._responses_ended([ended], now_ms, out)
                self._await_boundary(now_ms)
            case causes.TranscriptGrew():
                self._stage.transcripts.on_grew(cause, out)
            case causes.TranscriptEnded():
                self._stage.transcripts.on_ended(cause, out)
            case causes.TranscriptFailed():
                self._stage.transcripts.on_failed(cause, out)
            case causes.TurnJudged():
                self._listening.judge(cause.item_id, cause.completeness)
            case causes.EngineLost():
                self._on_engine_lost(cause, now_ms, out)
            case causes.PlayoutDrained():
                self._on_drained(cause, now_ms, out)
            case causes.Tick():
                self._on_tick(cause, now_ms, out)
            case causes.Attached():
                self._on_attached(cause, out)
            case causes.Detached():
                pass
            case causes.MessageRefused():
                out.append(SendTo(cause.connection, self._error(cause.detail)))
            case causes.ShuttingDown():
                self._shutting_down = True
                self._close_if_done(out)
            case _:
                assert_never(cause)
        return out

    @property
    def user_speaks(self) -> bool:
        """A turn has begun, by voice detection, and is not over."""
        return self._listening.user_speaks

    @property
    def activity(self) -> Activity:
        if self._responses.any_runs:
            return "responding"
        return "user_speaking" if self._listening.user_speaks else "idle"

    # --- Connections and time ------------------------------------------------

    def _on_attached(self, cause: causes.Attached, out: list[Effect]) -> None:
        created = server.SessionCreated(event_id=self._event_id(), session=self._stage.session)
        out.append(SendTo(cause.connection, created))
        if not self._opened:
            self._opened = True
            self._deadlines.set(Deadline.SESSION_EXPIRES, self._stage.terms.session_max_ms)
            out.append(Configure(self._stage.session))
            self._stage.transcripts.configure(self._stage.session)
            self._listening.configure(out)

    def _on_tick(self, cause: causes.Tick, now_ms: Ms, out: list[Effect]) -> None:
        self._played(cause.played_samples)
        for deadline in self._deadlines.take_due(now_ms):
            match deadline:
                case Deadline.SESSION_EXPIRES:
                    self._on_expired(out)
                    return
                case Deadline.SOUND_ENDS:
                    self._on_sound_ends(now_ms, out)
                case Deadline.USER_IS_IDLE:
                    self._listening.time_out(self._silent_from_sample, out)
                    self._answer_turn(out)
                case _:
                    assert_never(deadline)

    def _on_expired(self, out: list[Effect]) -> None:
        minutes = self._stage.terms.session_max_ms // 60_000
        message = SESSION_MAX_MINUTES_TEXT.format(minutes=minutes)
        self._responses.fail_all(
            server.ResponseError(
                type="invalid_request_error", code="session_expired", message=message
            ),
            out,
        )
        out.append(self._error(server.ErrorDetail(code="session_expired", message=message)))
        self._close(1001, message, out)

    def _on_engine_lost(self, cause: causes.EngineLost, now_ms: Ms, out: list[Effect]) -> None:
        message = f"The engine failed and was started afresh: {cause.message}"
        self._stage.transcripts.fail_all("engine_lost", message, out)
        ended = self._responses.fail_all(server.ResponseError(message=message), out)
        out.append(self._error(server.ErrorDetail(type="server_error", message=message)))
        out.append(Configure(self._stage.session))
        self._responses_ended(ended, now_ms, out)

    def _close_if_done(self, out: list[Effect]) -> None:
        if self._shutting_down and not self._responses.any_runs:
            self._close(1012, "The server is restarting; connect again.", out)

    def _close(self, code: int, reason: str, out: list[Effect]) -> None:
        self._closed = True
        out.append(Close(code, reason))

    # --- The user's voice ----------------------------------------------------

    def _on_scored(self, cause: causes.VoiceScored, now_ms: Ms, out: list[Effect]) -> None:
        event = self._listening.score(cause.at_sample, cause.probability, out)
        if event is None:
            return
        self._played(cause.played_samples)
        detection = self._stage.session.audio.input.turn_detection
        if event is TurnEvent.STARTED:
            self._deadlines.clear(Deadline.USER_IS_IDLE)
            if detection is not None and detection.interrupt_response:
                self._auto_response_waits = False
                cleared = self._silence(out)
                ended = self._responses.interrupt(out)
                self._announce_cleared(cleared, out)
                self._responses_ended([] if ended is None else [ended], now_ms, out)
        else:
            self._answer_turn(out)

    def _answer_turn(self, out: list[Effect]) -> None:
        """Answer a turn that was found, or a silence that became one, where that is wanted."""
        detection = self._stage.session.audio.input.turn_detection
        if detection is not None and detection.create_response:
            self._answer_automatically(out)

    def _answer_automatically(self, out: list[Effect]) -> None:
        """Answer a turn; one answer waits where another response still runs."""
        if self._shutting_down or not isinstance(self._stage.session, Session):
            return
        if self._responses.active is not None:
            self._auto_response_waits = True
            return
        self._auto_response_waits = False
        try:
            self._begin_response(client.ResponseOptions(), out)
        except Fault as fault:
            # The session's own settings are at fault: no one client event is.
            out.append(self._error(_detail(fault, None)))

    def _begin_response(self, options: client.ResponseOptions, out: list[Effect]) -> None:
        if self._shutting_down:
            raise Fault("server_shutting_down", "The server is restarting; connect again.")
        self._responses.create(options, out)
        if options.conversation != "none" and self._responses.active is not None:
            self._deadlines.clear(Deadline.USER_IS_IDLE)

    def _responses_ended(self, ended: Sequence[Response], now_ms: Ms, out: list[Effect]) -> None:
        """What comes after responses that have just ended."""
        playout = self._stage.playout
        for response in ended:
            if playout is not None:
                self._announce_stopped(playout.generated(response.id), out)
            if response.plan.in_conversation:
                self._await_user(max(now_ms, response.sound_ends_ms if playout is None else 0))
        if self._auto_response_waits and self._responses.active is None:
            self._answer_automatically(out)
        self._close_if_done(out)

    def _await_user(self, from_ms: Ms) -> None:
        """Start the idle timer: "`response.done` plus the duration of that response's audio"."""
        playout = self._stage.playout
        if self._responses.active is not None or (playout is not None and playout.is_sounding):
            return
        detection = self._stage.session.audio.input.turn_detection
        if isinstance(detection, ServerVad) and detection.idle_timeout_ms is not None:
            self._silent_from_sample = self._listening.heard_samples
            if not self._listening.user_speaks:
                self._deadlines.set(Deadline.USER_IS_IDLE, from_ms + detection.idle_timeout_ms)

    # --- Playout, where the server owns it -----------------------------------

    def _played(self, samples: int) -> None:
        if self._stage.playout is not None:
            self._stage.playout.played(samples)

    def _on_drained(self, cause: causes.PlayoutDrained, now_ms: Ms, out: list[Effect]) -> None:
        playout = self._stage.playout
        assert playout is not None, "only a transport that owns playout drains it"
        playout.played(cause.played_samples)
        stopped = playout.stopped()
        self._announce_stopped(stopped, out)
        if stopped:
            self._await_user(now_ms)

    def _await_boundary(self, now_ms: Ms) -> None:
        """No cause comes when one response's sound ends where another's follows: ask for one."""
        playout = self._stage.playout
        if playout is None or self._deadlines.is_set(Deadline.SOUND_ENDS):
            return
        if playout.samples_to_boundary() is not None:
            self._deadlines.set(Deadline.SOUND_ENDS, now_ms)  # A tick brings the position.

    def _on_sound_ends(self, now_ms: Ms, out: list[Effect]) -> None:
        playout = self._stage.playout
        assert playout is not None, "only then is its deadline set"
        self._announce_stopped(playout.stopped(), out)
        samples = playout.samples_to_boundary()
        if samples is not None:
            wait_ms = max(FRAME_MS, samples_to_ms(samples))
            self._deadlines.set(Deadline.SOUND_ENDS, now_ms + wait_ms)

    def _announce_stopped(self, response_ids: list[str], out: list[Effect]) -> None:
        for response_id in response_ids:
            out.append(
                server.OutputAudioBufferStopped(event_id=self._event_id(), response_id=response_id)
            )

    def _silence(self, out: list[Effect]) -> Cleared:
        """Silence at once; the events that tell of it come after."""
        playout = self._stage.playout
        if playout is None:
            return Cleared()
        self._announce_stopped(playout.stopped(), out)  # What was heard whole is not cleared.
        if not playout.is_sounding:
            return Cleared()
        out.append(ClearPlayout())
        return playout.clear()

    def _announce_cleared(self, cleared: Cleared, out: list[Effect]) -> None:
        """Tell what was silenced, and keep only what was heard."""
        for response_id in cleared.response_ids:
            out.append(
                server.OutputAudioBufferCleared(event_id=self._event_id(), response_id=response_id)
            )
        for item_id, heard_samples in cleared.cut_items:
            entry = self._stage.history.get(item_id)
            part = entry.audio_part if entry is not None else None
            if entry is not None and part is not None:
                self._items.cut(entry, part, heard_samples, samples_to_ms(heard_samples), out)

    # --- Client events -------------------------------------------------------

    def _on_client(self, cause: causes.ClientSent, now_ms: Ms, out: list[Effect]) -> None:
        self._played(cause.played_samples)
        try:
            self._on_event(cause.event, cause.connection, now_ms, out)
        except Fault as fault:
            assert not out, f"{fault.code} came after something had changed"
            detail = _detail(fault, cause.event.event_id)
            out.append(SendTo(cause.connection, self._error(detail)))

    def _on_event(
        self, event: client.ClientEvent, connection: str, now_ms: Ms, out: list[Effect]
    ) -> None:
        match event:
            case client.InputAudioBufferAppend():
                self._listening.append(event.audio, out)
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
            case client.ConversationItemDelete():
                self._items.delete(event, out)
            case client.ResponseCreate():
                self._begin_response(event.response or client.ResponseOptions(), out)
            case client.ResponseCancel():
                ended = self._responses.cancel(event.response_id, out)
                self._responses_ended([ended], now_ms, out)
            case _:
                assert_never(event)

    def _on_session_update(self, event: client.SessionUpdate, out: list[Effect]) -> None:
        stage = self._stage
        stage.session = update_session(stage.session, event.session, voice_locked=stage.voice_heard)
        out.append(server.SessionUpdated(event_id=self._event_id(), session=stage.session))
        out.append(Configure(stage.session))
        stage.transcripts.configure(stage.session)
        self._listening.configure(out)
        detection = stage.session.audio.input.turn_detection
        if not isinstance(detection, ServerVad) or detection.idle_timeout_ms is None:
            self._deadlines.clear(Deadline.USER_IS_IDLE)

    def _on_output_clear(self, now_ms: Ms, out: list[Effect]) -> None:
        if self._stage.playout is None:
            raise Fault(
                "invalid_request_error",
                "output_audio_buffer.clear is for WebRTC and SIP; on WebSocket the client owns "
                "playback: stop it there and send conversation.item.truncate.",
                param="type",
            )
        self._announce_cleared(self._silence(out), out)
        self._await_user(now_ms)

    # --- Small ---------------------------------------------------------------

    def _event_id(self) -> str:
        return self._stage.ids.event()

    def _error(self, detail: server.ErrorDetail) -> server.Error:
        return server.Error(event_id=self._event_id(), error=detail)


def _detail(fault: Fault, event_id: str | None) -> server.ErrorDetail:
    return server.ErrorDetail(
        code=fault.code, message=fault.message, param=fault.param, event_id=event_id
    )
