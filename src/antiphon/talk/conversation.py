"""The conversation as the client sees it: server events and the user in, actions out.

No I/O, no clock: every method is given the time (`now_ms`, any origin) and returns what
is to be done, in order.  Sound to play goes straight into the `Playback` it was given.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import UNSET

from antiphon.protocol import server
from antiphon.protocol.client import (
    ConversationItemCreate,
    ConversationItemTruncate,
    InputAudioBufferClear,
    InputAudioBufferCommit,
    ResponseCancel,
    ResponseCreate,
    ResponseOptions,
    SessionUpdate,
)
from antiphon.protocol.items import FunctionCall, FunctionCallOutput, Item
from antiphon.protocol.server import OverlapState
from antiphon.talk import notices
from antiphon.talk.actions import Abort, Actions, Send, Show
from antiphon.talk.history import History
from antiphon.talk.link import Link
from antiphon.talk.playback import Playback
from antiphon.talk.replies import Ending, Replies
from antiphon.talk.responses import Responses
from antiphon.talk.settings import Settings
from antiphon.talk.toolcalls import Call, ToolCalls
from antiphon.talk.turns import Turn, TurnClock
from antiphon.talk.user import User


class State(StrEnum):
    CONNECTING = "connecting"
    LISTENING = "listening"
    HEARING = "hearing you"
    THINKING = "thinking"
    WAITING = "needs a result"
    SPEAKING = "speaking"
    RECONNECTING = "reconnecting"


BENIGN = frozenset({"response_cancel_not_active", "conversation_already_has_active_response"})
"""Errors of a race that both sides may run into: the other side was faster."""

NO_WAY_BACK = "resume_token_unknown"
"""The session is gone, with its server perhaps; the connection is closed behind it."""

SETTINGS_ID = "settings"
"""The `event_id` of our `session.update`: an error that names it ends the run."""


class Conversation:
    def __init__(
        self,
        settings: Settings,
        playback: Playback,
        *,
        may_ask: bool = False,
        output_latency_ms: float = 0,
    ) -> None:
        self._settings = settings
        self._user = User(settings.audio_format)
        self._responses = Responses()
        self._replies = Replies(playback, settings.audio_format)
        self._calls = ToolCalls(settings.tool_results, may_ask=may_ask)
        self._history = History()
        self._overlap: server.OverlapChanged | None = None
        """What the last sound in a reply was, or may be."""
        self._state = State.CONNECTING
        self.link = Link()
        self.way_back = self.link.way_back
        self.clock = TurnClock(output_latency_ms)

    # --- What the others may know ----------------------------------------------

    @property
    def is_ready(self) -> bool:
        """The session has our settings: it may be spoken to."""
        return self.link.is_up

    @property
    def is_idle(self) -> bool:
        """Nobody speaks, and nobody owes the other anything."""
        return self.link.is_up and not (
            self._user.speaks or self.owes_reply or self._calls.waiting or self._replies.busy
        )

    @property
    def owes_reply(self) -> bool:
        """The user's turn is over, and its reply is not complete yet."""
        return self._responses.is_owed

    @property
    def replies_done(self) -> int:
        return self._responses.done

    @property
    def failures(self) -> int:
        return self._responses.failed

    @property
    def sent_ms(self) -> float:
        """How much sound of the user was sent."""
        return self._user.sent_ms

    @property
    def reply_began_ms(self) -> float | None:
        """When the reply that is being heard began to sound."""
        return self._replies.began_ms

    @property
    def open_call(self) -> Call | None:
        """The function call whose result the user is asked for."""
        return self._calls.waiting

    @property
    def state(self) -> State:
        return self._state

    @property
    def progress(self) -> tuple[str, str]:
        """Of the reply that is being heard: the words heard, and those to come."""
        return self._replies.progress()

    # --- The user ----------------------------------------------------------------

    def microphone(self, pcm: bytes) -> Actions:
        """Sound of the user, 24 kHz 16-bit mono."""
        if not self.link.is_up:
            return []
        append = self._user.sound(pcm)
        return [Send(append)] if append is not None else []

    def speech_was_sent(self, now_ms: float) -> None:
        """The source knows that its last sound of speech has just been sent."""
        self.clock.speech_was_sent(now_ms)

    def end_turn(self, now_ms: float) -> Actions:
        """The user ends their turn by hand."""
        self.clock.turn_ended(now_ms)
        return [Send(InputAudioBufferCommit()), *self._ask(now_ms), *self.tick(now_ms)]

    def interrupt(self, now_ms: float) -> Actions:
        """The user stops the reply by hand, and begins a new turn."""
        self.clock.speech_began()
        actions: Actions = [*self._cancel(), *self._cut()]
        if self._settings.turns == "manual":
            actions.append(Send(InputAudioBufferClear()))
        return [*actions, *self.tick(now_ms)]

    def type_text(self, text: str, now_ms: float) -> Actions:
        """The user types a message; it interrupts a reply, as speech does."""
        message = self._user.typed(text)
        self.clock.speech_began()
        self.clock.turn_ended(now_ms)
        return [
            *self._cancel(),
            *self._cut(),
            Send(ConversationItemCreate(item=message)),
            Show(notices.UserSaid(item_id=str(message.id), text=text)),
            *self._ask(now_ms),
            *self.tick(now_ms),
        ]

    def answer_call(self, call_id: str, output: str, now_ms: float) -> Actions:
        """The user gives a function's result."""
        call = self._calls.answer(call_id)
        if call is None:
            return []
        self._responses.is_wanted = True
        return [*_output(call, output), *self.tick(now_ms)]

    # --- The connection ------------------------------------------------------------

    def disconnected(self, now_ms: float) -> Actions:
        """The connection is gone.  What has come is still played."""
        self.link.lost()
        if not self.link.is_torn:
            self._break_off()
        return self.tick(now_ms)

    def _break_off(self) -> None:
        """What was under way does not go on."""
        self._responses.lost()
        self._user.speaks = False
        for item_id, text in self._replies.texts().items():
            self._history.set_text(item_id, text)
        self._replies.end_all(stale=True)

    # --- The server ------------------------------------------------------------------

    def receive(self, event: server.ServerEvent, now_ms: float) -> Actions:
        self.way_back.received(event)
        match event:
            case server.Error():
                actions = self._on_error(event)
            case server.SessionCreated() | server.SessionUpdated():
                actions = self._on_session(event)
            case server.OverlapChanged():
                actions = self._on_overlap(event)
            case (
                server.SpeechStarted()
                | server.SpeechStopped()
                | server.InputAudioBufferCommitted()
                | server.TranscriptionDelta()
                | server.TranscriptionCompleted()
                | server.TranscriptionFailed()
            ):
                actions = self._on_user(event, now_ms)
            case server.ConversationItemAdded() | server.ConversationItemDone():
                self._history.put(event.item, event.previous_item_id)
                actions = []
            case server.ConversationItemDeleted():
                self._history.remove(event.item_id)
                actions = []
            case server.ResponseCreated() | server.ResponseDone() | server.ResponseOutputItemDone():
                actions = self._on_response(event)
            case (
                server.ResponseOutputTextDelta()
                | server.ResponseOutputTextDone()
                | server.ResponseOutputAudioDelta()
                | server.ResponseOutputAudioDone()
                | server.ResponseOutputAudioTranscriptDelta()
                | server.ResponseOutputAudioTranscriptDone()
            ):
                actions = self._on_part(event, now_ms)
            case _:
                return []  # Of no use to this client.
        return [*actions, *self.tick(now_ms)]

    def _on_error(self, event: server.Error) -> Actions:
        error = event.error
        if error.code == NO_WAY_BACK:
            self.way_back.forget()
            return []
        if error.event_id == SETTINGS_ID:
            return [Abort(f"the server refused the settings: {error.message}")]
        if error.code == "conversation_already_has_active_response":
            self._responses.came_too_late()
        if error.code in BENIGN:
            return []
        return [
            Show(notices.ServerError(message=error.message, code=error.code, param=error.param))
        ]

    def _on_session(self, event: server.SessionCreated | server.SessionUpdated) -> Actions:
        if not self.link.mended():
            self._break_off()
        is_new = isinstance(event, server.SessionCreated) and self.way_back.continues != "session"
        if is_new and not self._settings.keep_session:
            patch = self._settings.patch(knows_overlap=event.session.antiphon is not UNSET)
            return [Send(SessionUpdate(event_id=SETTINGS_ID, session=patch))]
        if self.link.is_up:
            return [Show(notice) for notice in self.link.changed(event.session)]
        actions: Actions = [Show(notice) for notice in self.link.came_up(event.session)]
        if self.link.is_new_conversation:
            messages, left_out = self._history.rebuild()
            actions += [Send(message) for message in messages]
            if messages or left_out:
                actions.append(Show(notices.Rebuilt(items=len(messages), left_out=left_out)))
        return actions

    # --- The user, as the server heard them ------------------------------------------

    def _on_overlap(self, event: server.OverlapChanged) -> Actions:
        """It may prove to be no interruption: until that is known, the reply goes on softly."""
        self._overlap = event
        self._replies.playback.duck(event.state == "open")
        return self._on_speech() if event.state == "interruption" else []

    def _on_speech(self) -> Actions:
        self._user.speaks = True
        self.clock.speech_began()
        return self._cut()

    def _on_user(
        self,
        event: server.SpeechStarted
        | server.SpeechStopped
        | server.InputAudioBufferCommitted
        | server.TranscriptionDelta
        | server.TranscriptionCompleted
        | server.TranscriptionFailed,
        now_ms: float,
    ) -> Actions:
        item_id = event.item_id
        match event:
            case server.SpeechStarted() if self._is_overlap(item_id, "open"):
                self._replies.playback.duck(False)  # Over WebRTC the server does it.
                return []
            case server.SpeechStarted():
                return self._on_speech()
            case server.SpeechStopped() | server.InputAudioBufferCommitted():
                if self._is_overlap(item_id, "backchannel", "noise"):
                    return []  # Nobody answers it.
                # In a manual turn we ended it ourselves, and ask ourselves.
                if self._settings.turns != "manual":
                    self._user.speaks = False
                    self._responses.awaits(now_ms)
                    self.clock.turn_ended(now_ms)
                return []
            case server.TranscriptionDelta():
                text = self._user.caption_grew(item_id, event.delta)
                return [Show(notices.UserSaid(item_id=item_id, text=text, final=False))]
            case server.TranscriptionCompleted():
                self._user.caption_ended(item_id)
                self._history.set_text(item_id, event.transcript)
                return [Show(notices.UserSaid(item_id=item_id, text=event.transcript.strip()))]
            case server.TranscriptionFailed():
                self._user.caption_ended(item_id)
                why = f"no transcript of what you said: {event.error.message}"
                return [Show(notices.Note(text=why))]

    # --- Replies --------------------------------------------------------------------

    def _is_overlap(self, item_id: str, *states: OverlapState) -> bool:
        overlap = self._overlap
        return overlap is not None and overlap.item_id == item_id and overlap.state in states

    def _on_response(
        self, event: server.ResponseCreated | server.ResponseDone | server.ResponseOutputItemDone
    ) -> Actions:
        match event:
            case server.ResponseCreated():
                self._responses.began(event.response.id)
                return []
            case server.ResponseOutputItemDone():
                return self._on_output_item(event.item)
            case server.ResponseDone():
                return self._on_done(event.response)

    def _on_output_item(self, item: Item) -> Actions:
        """Function calls are answered when the item is complete, with its arguments."""
        if not isinstance(item, FunctionCall) or item.status != "completed":
            return []
        self._responses.called()
        call = Call(item.call_id or "", item.name, item.arguments or "{}")
        shown = notices.ToolCalled(call_id=call.call_id, name=call.name, arguments=call.arguments)
        output = None if self._settings.keep_session else self._calls.called(call)
        return [Show(shown), *(_output(call, output) if output is not None else [])]

    def _on_done(self, response: server.Response) -> Actions:
        if response.id != self._responses.active:
            return []
        self._replies.end_all()
        self._responses.ended(response.status, continues=not self._settings.keep_session)
        if response.status not in ("failed", "incomplete"):
            return []
        return [Show(notices.ReplyFailed(reason=_why(response)))]

    def _on_part(
        self,
        event: server.ResponseOutputTextDelta
        | server.ResponseOutputTextDone
        | server.ResponseOutputAudioDelta
        | server.ResponseOutputAudioDone
        | server.ResponseOutputAudioTranscriptDelta
        | server.ResponseOutputAudioTranscriptDone,
        now_ms: float,
    ) -> Actions:
        item_id = event.item_id
        text = None
        match event:
            case server.ResponseOutputAudioDelta():
                self._responses.something_came()
                self.clock.audio_came(now_ms)
                self._replies.add_sound(item_id, event.content_index, event.delta)
            case server.ResponseOutputAudioDone():
                self._replies.end_sound(item_id, event.content_index)
            case server.ResponseOutputAudioTranscriptDelta():
                text = self._replies.add_words(item_id, event.delta)
            case server.ResponseOutputTextDelta():
                self._responses.something_came()
                self.clock.audio_came(now_ms)
                text = self._replies.add_words(item_id, event.delta, written=True)
            case server.ResponseOutputAudioTranscriptDone():
                self._replies.complete_words(item_id, event.transcript)
            case server.ResponseOutputTextDone():
                self._replies.complete_words(item_id, event.text)
        return [] if text is None else [Show(notices.AgentSaying(item_id=item_id, text=text))]

    # --- Small moves ------------------------------------------------------------------

    def _ask(self, now_ms: float) -> Actions:
        """Ask for a response, now or as soon as none is in progress."""
        if not self.link.is_up:
            self._responses.is_wanted = True
            return []
        if not self._responses.ask(now_ms):
            return []
        return [Send(ResponseCreate(response=ResponseOptions()))]

    def _cancel(self) -> Actions:
        active = self._responses.active
        return [Send(ResponseCancel(response_id=active))] if active else []

    def _cut(self) -> Actions:
        """Playback stops; the server is told what was heard (it cannot know)."""
        actions: Actions = []
        for ending in self._replies.cut():
            actions += self._ended(ending)
            if ending.truncate_ms is not None:
                actions.append(
                    Send(
                        ConversationItemTruncate(
                            item_id=ending.item_id,
                            content_index=ending.content_index,
                            audio_end_ms=ending.truncate_ms,
                        )
                    )
                )
        return actions

    def _ended(self, ending: Ending) -> Actions:
        self._history.set_text(ending.item_id, ending.text)
        said = notices.AgentSaid(
            item_id=ending.item_id,
            text=ending.text.strip(),
            cut=ending.cut,
            audio_end_ms=ending.truncate_ms,
        )
        return [Show(said)]

    # --- Time ---------------------------------------------------------------------------

    def tick(self, now_ms: float) -> Actions:
        """What has become of the playback; call it often (every 20 ms)."""
        self._responses.time_passes(now_ms)
        actions: Actions = []
        if self._replies.begins_to_sound(now_ms):
            turn = self.clock.sound_began(now_ms)
            actions += [Show(_timed(turn))] if turn else []
        for ending in self._replies.take_heard():
            actions += self._ended(ending)
        if (state := self._find_state()) is not self._state:
            self._state = state
            actions.append(Show(notices.StateChanged(state=state)))
        if self._responses.is_wanted and self._calls.waiting is None and self.link.is_up:
            actions += self._ask(now_ms)
        return actions

    def _find_state(self) -> State:
        if not self.link.is_up:
            return State.RECONNECTING if self.link.connections else State.CONNECTING
        if self._replies.sounding is not None:
            return State.SPEAKING
        if self._user.speaks:
            return State.HEARING
        if self._calls.waiting is not None:
            return State.WAITING
        if self.owes_reply or self._replies.busy:
            return State.THINKING
        return State.LISTENING


def _output(call: Call, output: str) -> Actions:
    item = FunctionCallOutput(call_id=call.call_id, output=output)
    shown = notices.ToolAnswered(call_id=call.call_id, name=call.name, output=output)
    return [Send(ConversationItemCreate(item=item)), Show(shown)]


def _timed(turn: Turn) -> notices.TurnTimed:
    return notices.TurnTimed(
        turn=turn.number,
        audio_after_ms=_rounded(turn.audio_after_ms),
        sound_after_ms=_rounded(turn.sound_after_ms),
        sound_after_speech_ms=_rounded(turn.sound_after_speech_ms),
    )


def _rounded(ms: float | None) -> float | None:
    return None if ms is None else round(ms, 1)


def _why(response: server.Response) -> str:
    details = response.status_details
    if details is None:
        return response.status
    if details.error:
        return details.error.message
    return f"{response.status}: {details.reason}" if details.reason else response.status
