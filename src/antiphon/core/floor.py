"""Who has the floor: the user interrupts, the assistant answers or waits, somebody is idle.

Turns come from `Listening`, found by our voice detection or by the engine: to the floor they
are the same.
"""

from __future__ import annotations

from collections.abc import Sequence

from antiphon.core.causes import EngineBegan, Ms
from antiphon.core.deadlines import Deadline
from antiphon.core.effects import Effect, StopGenerating
from antiphon.core.faults import Fault
from antiphon.core.listening import Listening, TurnEvent
from antiphon.core.response import Response
from antiphon.core.responses import Responses
from antiphon.core.stage import Stage
from antiphon.protocol.client import ResponseOptions
from antiphon.protocol.session import ServerVad, Session


class Floor:
    def __init__(self, stage: Stage, listening: Listening, responses: Responses) -> None:
        self._stage = stage
        self._listening = listening
        self._responses = responses
        self._answer_waits = False
        """A turn is to be answered once the response that still runs has ended."""
        self._silent_from_sample = 0

    # --- The user's turns ----------------------------------------------------

    def on_turn(self, event: TurnEvent | None, now_ms: Ms, out: list[Effect]) -> None:
        if event is TurnEvent.STARTED:
            self._stage.deadlines.clear(Deadline.USER_IS_IDLE)
            self._yield_to_user(now_ms, out)
            self._listening.join_pieces(out)
        elif event is TurnEvent.WENT_ON:
            self._yield_to_user(now_ms, out, withdraws=True)
            self._listening.join_pieces(out)
        elif event is TurnEvent.OVERLAPPED:
            self._stage.deadlines.clear(Deadline.USER_IS_IDLE)
        elif event is TurnEvent.PASSED:
            self.await_user(self._stage.sounding.silent_from_ms(now_ms, now_ms))
        elif event is TurnEvent.COMMITTED and not self._stage.terms.engine_begins:
            self._answer_turn(out)

    def _yield_to_user(self, now_ms: Ms, out: list[Effect], *, withdraws: bool = False) -> None:
        """Barge-in: silence first, then the end of what was being said, then what was heard.

        ``withdraws``: as if nothing was; the next answer is to all that the user has said.
        """
        detection = self._stage.session.audio.input.turn_detection
        if detection is None or not detection.interrupt_response:
            return
        self._answer_waits = False
        cleared = self._stage.sounding.silence(out)
        ended = self._responses.interrupt(out)
        self._stage.sounding.tell_cleared(cleared.unheard if withdraws else cleared, out)
        self.after([] if ended is None else [ended], now_ms, out)

    def on_user_is_idle(self, out: list[Effect]) -> None:
        """The user has long said nothing: a silence becomes a turn, and is answered."""
        self._listening.time_out(self._silent_from_sample, out)
        self._answer_turn(out)

    # --- The assistant's answers ---------------------------------------------

    def begin(self, options: ResponseOptions, out: list[Effect]) -> None:
        """A client's wish.

        Raises:
            Fault: a response may not begin; nothing has changed.
        """
        self._check_open()
        self._responses.create(options, out)
        if options.conversation != "none" and self._responses.active is not None:
            self._stage.deadlines.clear(Deadline.USER_IS_IDLE)

    def on_engine_began(self, cause: EngineBegan, out: list[Effect]) -> None:
        """The engine answers of itself: as if it had been told to, or not at all."""
        try:
            self._check_open()
            self._responses.adopt(cause.response_id, out)
        except Fault as fault:
            out.append(StopGenerating(cause.response_id))
            self._responses.disown(cause.response_id)
            out.append(self._stage.error(fault, kind="server_error"))
        else:
            self._stage.deadlines.clear(Deadline.USER_IS_IDLE)

    def cancel(self, response_id: str | None, now_ms: Ms, out: list[Effect]) -> None:
        """A client's wish.

        Raises:
            Fault: there is nothing to cancel.
        """
        self.after([self._responses.cancel(response_id, out)], now_ms, out)

    def after(self, ended: Sequence[Response], now_ms: Ms, out: list[Effect]) -> None:
        """What comes after responses that have just ended."""
        sounding = self._stage.sounding
        for response in ended:
            sounding.generated(response.id, out)
            if response.plan.in_conversation:
                self.await_user(sounding.silent_from_ms(now_ms, response.sound_ends_ms))
        if self._answer_waits and self._responses.active is None:
            self._answer(out)

    def await_user(self, from_ms: Ms) -> None:
        """Start the idle timer: "`response.done` plus the duration of that response's audio"."""
        if self._responses.active is not None or self._stage.sounding.is_sounding:
            return
        detection = self._stage.session.audio.input.turn_detection
        if isinstance(detection, ServerVad) and detection.idle_timeout_ms is not None:
            self._silent_from_sample = self._listening.heard_samples
            if not self._listening.user_speaks:
                due_ms = from_ms + detection.idle_timeout_ms
                self._stage.deadlines.set(Deadline.USER_IS_IDLE, due_ms)

    def settings_changed(self) -> None:
        detection = self._stage.session.audio.input.turn_detection
        if not isinstance(detection, ServerVad) or detection.idle_timeout_ms is None:
            self._stage.deadlines.clear(Deadline.USER_IS_IDLE)

    def _answer_turn(self, out: list[Effect]) -> None:
        """Answer a turn, or a silence that became one, where that is wanted."""
        detection = self._stage.session.audio.input.turn_detection
        if detection is not None and detection.create_response:
            self._answer(out)

    def _answer(self, out: list[Effect]) -> None:
        """One answer waits where another response still runs."""
        if self._stage.life.is_draining or not isinstance(self._stage.session, Session):
            return
        self._answer_waits = self._responses.active is not None
        if self._answer_waits:
            return
        try:
            self.begin(ResponseOptions(), out)
        except Fault as fault:
            # The session's own settings are at fault: no one client event is.
            out.append(self._stage.error(fault))

    @property
    def would_answer(self) -> bool:
        """A turn that ended now would be answered at once, by an engine that is told to."""
        stage = self._stage
        detection = stage.session.audio.input.turn_detection
        return (
            detection is not None
            and detection.create_response
            and isinstance(stage.session, Session)
            and self._responses.active is None
            and not stage.life.is_draining
            and not stage.terms.engine_begins
        )

    def _check_open(self) -> None:
        if self._stage.life.is_draining:
            raise Fault("server_shutting_down", "The server is restarting; connect again.")
