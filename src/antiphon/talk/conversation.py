"""The conversation as the client sees it: server events and the user in, actions out.

No I/O, no clock: every method is given the time (`now_ms`, any origin) and returns what
is to be done, in order.  Sound to play goes straight into the `Playback` it was given.
"""

from __future__ import annotations

from enum import StrEnum

from antiphon.audio.formats import Encoder
from antiphon.protocol import server
from antiphon.protocol.client import (
    ConversationItemCreate,
    ConversationItemTruncate,
    InputAudioBufferAppend,
    InputAudioBufferClear,
    InputAudioBufferCommit,
    ResponseCancel,
    ResponseCreate,
    ResponseOptions,
    SessionUpdate,
)
from antiphon.protocol.items import FunctionCall, FunctionCallOutput, InputText, Item, Message
from antiphon.protocol.session import Session
from antiphon.talk import notices
from antiphon.talk.actions import Abort, Actions, Send, Show
from antiphon.talk.history import History
from antiphon.talk.playback import BYTES_PER_MS, Playback
from antiphon.talk.replies import Ending, Replies
from antiphon.talk.settings import Settings
from antiphon.talk.toolcalls import Call, ToolCalls
from antiphon.talk.turns import Turn, TurnClock


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

AWAIT_MS = 20_000
"""A response that has not begun by then is not awaited any more."""

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
        self._playback = playback
        self._output_latency_ms = output_latency_ms
        self._encoder = Encoder(settings.audio_format)
        self._replies = Replies(playback, settings.audio_format)
        self._calls = ToolCalls(settings.tool_results, may_ask=may_ask)
        self._history = History()
        self._user_text: dict[str, str] = {}
        self._user_speaks = False
        self._active: str | None = None
        """The response in progress, by its id."""
        self._active_is_mute = False
        self._awaited_since_ms: float | None = None
        """A response must begin: we asked for it, or the server starts it by itself."""
        self._wanted = False
        """We shall ask for a response as soon as none is in progress."""
        self._called = False
        self._typed = 0
        self._connected = False
        self._connections = 0
        self._state = State.CONNECTING
        self._sounding: str | None = None
        self.clock = TurnClock()
        self.replies_done = 0
        self.failures = 0
        self.sent_ms = 0.0
        self.reply_began_ms: float | None = None
        """When the reply that is being heard began to sound."""

    # --- What the others may know ----------------------------------------------

    @property
    def is_ready(self) -> bool:
        """The session has our settings: it may be spoken to."""
        return self._connected

    @property
    def is_idle(self) -> bool:
        """Nobody speaks, and nobody owes the other anything."""
        return self._connected and not (
            self._user_speaks or self.owes_reply or self._calls.waiting or self._replies.busy
        )

    @property
    def owes_reply(self) -> bool:
        """The user's turn is over, and its reply is not complete yet."""
        return self._awaited_since_ms is not None or self._wanted or self._active is not None

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

    @property
    def connections(self) -> int:
        return self._connections

    # --- The user ----------------------------------------------------------------

    def microphone(self, pcm: bytes) -> Actions:
        """Sound of the user, 24 kHz 16-bit mono."""
        if not self._connected:
            return []
        self.sent_ms += len(pcm) / BYTES_PER_MS
        data = self._encoder.encode(pcm)
        return [Send(InputAudioBufferAppend(audio=data))] if data else []

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
        self._typed += 1
        item_id = f"typed_{self._typed}"
        self.clock.speech_began()
        self.clock.turn_ended(now_ms)
        message = Message(id=item_id, role="user", content=(InputText(text),))
        return [
            *self._cancel(),
            *self._cut(),
            Send(ConversationItemCreate(item=message)),
            Show(notices.UserSaid(item_id=item_id, text=text)),
            *self._ask(now_ms),
            *self.tick(now_ms),
        ]

    def answer_call(self, call_id: str, output: str, now_ms: float) -> Actions:
        """The user gives a function's result."""
        call = self._calls.answer(call_id)
        if call is None:
            return []
        self._wanted = True
        return [*_output(call, output), *self.tick(now_ms)]

    # --- The connection ------------------------------------------------------------

    def disconnected(self, now_ms: float) -> Actions:
        """The connection is gone.  What has come is still played."""
        self._connected = False
        # A reply of which nothing has come is asked for again.
        is_owed = self._awaited_since_ms is not None or self._active_is_mute
        self._wanted = self._wanted or is_owed
        self._awaited_since_ms = None
        self._active = None
        self._active_is_mute = False
        self._user_speaks = False
        for item_id, text in self._replies.texts().items():
            self._history.set_text(item_id, text)
        self._replies.end_all(stale=True)
        return self.tick(now_ms)

    # --- The server ------------------------------------------------------------------

    def receive(self, event: server.ServerEvent, now_ms: float) -> Actions:
        match event:
            case server.Error():
                actions = self._on_error(event)
            case server.SessionCreated() | server.SessionUpdated():
                actions = self._on_session(event)
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
        if error.event_id == SETTINGS_ID:
            return [Abort(f"the server refused the settings: {error.message}")]
        if error.code == "conversation_already_has_active_response":
            self._awaited_since_ms = None
            self._wanted = True
        if error.code in BENIGN:
            return []
        return [
            Show(notices.ServerError(message=error.message, code=error.code, param=error.param))
        ]

    def _on_session(self, event: server.SessionCreated | server.SessionUpdated) -> Actions:
        if isinstance(event, server.SessionCreated) and not self._settings.keep_session:
            return [Send(SessionUpdate(event_id=SETTINGS_ID, session=self._settings.patch()))]
        if self._connected:
            return []
        self._connected = True
        self._connections += 1
        again = self._connections > 1
        session = event.session
        model = session.model if isinstance(session, Session) else ""
        actions: Actions = [
            Show(notices.Connected(session_id=session.id, model=model, again=again))
        ]
        if again:
            messages, left_out = self._history.rebuild()
            actions += [Send(message) for message in messages]
            if messages or left_out:
                actions.append(Show(notices.Rebuilt(items=len(messages), left_out=left_out)))
        return actions

    # --- The user, as the server heard them ------------------------------------------

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
            case server.SpeechStarted():
                self._user_speaks = True
                self.clock.speech_began()
                return self._cut()
            case server.SpeechStopped() | server.InputAudioBufferCommitted():
                # In a manual turn we ended it ourselves, and ask ourselves.
                if self._settings.turns != "manual":
                    self._user_speaks = False
                    self._await(now_ms)
                    self.clock.turn_ended(now_ms)
                return []
            case server.TranscriptionDelta():
                self._user_text[item_id] = self._user_text.get(item_id, "") + event.delta
                text = self._user_text[item_id]
                return [Show(notices.UserSaid(item_id=item_id, text=text, final=False))]
            case server.TranscriptionCompleted():
                self._user_text.pop(item_id, None)
                self._history.set_text(item_id, event.transcript)
                return [Show(notices.UserSaid(item_id=item_id, text=event.transcript.strip()))]
            case server.TranscriptionFailed():
                self._user_text.pop(item_id, None)
                why = f"no transcript of what you said: {event.error.message}"
                return [Show(notices.Note(text=why))]

    # --- Replies --------------------------------------------------------------------

    def _on_response(
        self, event: server.ResponseCreated | server.ResponseDone | server.ResponseOutputItemDone
    ) -> Actions:
        match event:
            case server.ResponseCreated():
                self._active = event.response.id
                self._active_is_mute = True
                self._awaited_since_ms = None
                self._called = False
                return []
            case server.ResponseOutputItemDone():
                return self._on_output_item(event.item)
            case server.ResponseDone():
                return self._on_done(event.response)

    def _on_output_item(self, item: Item) -> Actions:
        """Function calls are answered when the item is complete, with its arguments."""
        if not isinstance(item, FunctionCall) or item.status != "completed":
            return []
        self._called = True
        self._active_is_mute = False
        call = Call(item.call_id or "", item.name, item.arguments or "{}")
        shown = notices.ToolCalled(call_id=call.call_id, name=call.name, arguments=call.arguments)
        output = None if self._settings.keep_session else self._calls.called(call)
        return [Show(shown), *(_output(call, output) if output is not None else [])]

    def _on_done(self, response: server.Response) -> Actions:
        if response.id != self._active:
            return []
        self._active = None
        self._active_is_mute = False
        self._replies.end_all()
        actions: Actions = []
        if response.status in ("failed", "incomplete"):
            self.failures += response.status == "failed"
            actions.append(Show(notices.ReplyFailed(reason=_why(response))))
        is_cancelled = response.status == "cancelled"
        # The server never continues on its own after a function's output.
        is_ours = not self._settings.keep_session
        may_continue = self._called and is_ours and not is_cancelled
        self._wanted = self._wanted or may_continue
        if not (is_cancelled or self._called):
            self.replies_done += 1
        return actions

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
                self._active_is_mute = False
                self.clock.audio_came(now_ms)
                self._replies.add_sound(item_id, event.content_index, event.delta)
            case server.ResponseOutputAudioDone():
                self._replies.end_sound(item_id, event.content_index)
            case server.ResponseOutputAudioTranscriptDelta():
                text = self._replies.add_words(item_id, event.delta)
            case server.ResponseOutputTextDelta():
                self._active_is_mute = False
                self.clock.audio_came(now_ms)
                text = self._replies.add_words(item_id, event.delta, written=True)
            case server.ResponseOutputAudioTranscriptDone():
                self._replies.complete_words(item_id, event.transcript)
            case server.ResponseOutputTextDone():
                self._replies.complete_words(item_id, event.text)
        return [] if text is None else [Show(notices.AgentSaying(item_id=item_id, text=text))]

    # --- Small moves ------------------------------------------------------------------

    def _await(self, now_ms: float) -> None:
        if self._awaited_since_ms is None:
            self._awaited_since_ms = now_ms

    def _ask(self, now_ms: float) -> Actions:
        """Ask for a response, now or as soon as none is in progress."""
        if not self._connected or self._active is not None or self._awaited_since_ms is not None:
            self._wanted = True
            return []
        self._wanted = False
        self._await(now_ms)
        return [Send(ResponseCreate(response=ResponseOptions()))]

    def _cancel(self) -> Actions:
        return [Send(ResponseCancel(response_id=self._active))] if self._active else []

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
        if self._awaited_since_ms is not None and now_ms - self._awaited_since_ms > AWAIT_MS:
            self._awaited_since_ms = None
        actions: Actions = []
        sounding = self._replies.sounding
        if sounding is not None and sounding != self._sounding:
            if self.reply_began_ms is None:
                self.reply_began_ms = now_ms
            turn = self.clock.sound_began(now_ms + self._output_latency_ms)
            actions += [Show(_timed(turn))] if turn else []
        self._sounding = sounding
        for ending in self._replies.take_heard():
            actions += self._ended(ending)
        if not self._replies.busy:
            self.reply_began_ms = None
        if (state := self._find_state()) is not self._state:
            self._state = state
            actions.append(Show(notices.StateChanged(state=state)))
        if self._wanted and self._calls.waiting is None and self._connected:
            actions += self._ask(now_ms)
        return actions

    def _find_state(self) -> State:
        if not self._connected:
            return State.RECONNECTING if self._connections else State.CONNECTING
        if self._replies.sounding is not None:
            return State.SPEAKING
        if self._user_speaks:
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
