"""One live session: carries out what its conversation asks for.  It decides nothing."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Literal

from msgspec.structs import replace

from antiphon.core.causes import (
    Attached,
    Cause,
    ClientSent,
    Detached,
    EngineNews,
    Heard,
    MessageRefused,
    PlayoutDrained,
    ShuttingDown,
    Tick,
    TurnFound,
    VoiceScored,
)
from antiphon.core.conversation import Conversation
from antiphon.core.effects import (
    ClearPlayout,
    Close,
    Configure,
    DetectVoice,
    DuckPlayout,
    Effect,
    Generate,
    Hear,
    InputDropped,
    PlayAudio,
    ScoreVoice,
    SendTo,
    StopGenerating,
    TurnBegan,
    TurnCommitted,
)
from antiphon.core.records import Record
from antiphon.core.settings import voice_name
from antiphon.core.terms import Activity, Terms
from antiphon.engines.engine import Engine, VoiceDetector
from antiphon.errors import ProtocolError
from antiphon.protocol.client import ClientEvent
from antiphon.protocol.closes import CloseCode
from antiphon.protocol.server import ErrorDetail, ResponseOutputAudioDelta, SpeechStarted
from antiphon.protocol.session import AnySession, Session
from antiphon.protocol.unknown_names import UnknownNames
from antiphon.protocol.voices import answering_voice
from antiphon.runtime.attendance import Attendance
from antiphon.runtime.client_playback import ClientPlayback
from antiphon.runtime.connection import Connection
from antiphon.runtime.door import About
from antiphon.runtime.ear import Ear
from antiphon.runtime.engine_line import EngineLine
from antiphon.runtime.media import NO_PLAYBACK, Playback
from antiphon.runtime.observer import Observer
from antiphon.runtime.session_clock import SessionClock

log = logging.getLogger(__name__)
_unknown_voices = UnknownNames(log, "voice '%s' is not there: '%s' answers")

SESSION_ENDED = "The session has ended."


class LiveSession:
    """One conversation, the connections to it, its engine and its ear; a `SessionDoor`.

    Everything happens on the event loop; no method waits.  Causes that arise while others
    are carried out wait their turn, so the conversation sees one at a time.
    """

    def __init__(
        self,
        terms: Terms,
        engine: Engine,
        *,
        detector: VoiceDetector | None = None,
        playback: Playback | None = None,
        observers: Sequence[Observer] = (),
        attendance: Callable[[About], Attendance] = lambda _: Attendance(),
        end_user_id: str | None = None,
        on_end: Callable[[LiveSession], None] = lambda _: None,
    ) -> None:
        self.about = About(
            session_id=terms.session.id,
            engine_name=engine.name,
            transport="websocket" if playback is None else "webrtc",
            began_at=int(time.time()),
            end_user_id=end_user_id,
        )
        self._conversation = Conversation(terms)
        self._voices = terms.engine_voices
        self._clock = clock = SessionClock()
        self._attendance = attendance(self.about)
        self._playback = NO_PLAYBACK if playback is None else playback
        self._at_client = ClientPlayback(lambda: clock.now_ms) if playback is None else None
        self._ear = Ear(detector, self._at_client or self._playback)
        self._observers = observers
        self._on_end = on_end
        self._waiting: deque[Cause] = deque()
        self._busy = False
        self._closing: asyncio.Task[None] | None = None
        self._engine = EngineLine(engine, self.id, self)

    # --- The door (documented at `SessionDoor`) ---------------------------------------------------

    @property
    def id(self) -> str:
        return self.about.session_id

    def attach(
        self,
        connection: Connection,
        *,
        owns: bool = True,
        may_send: Collection[str] | None = None,
    ) -> None:
        if self._ended:
            connection.close(CloseCode.NORMAL, SESSION_ENDED)
            return
        self._attendance.join(connection, may_send, owns=owns)
        self._give(Attached(connection.id, owns))

    def detach(self, connection: Connection) -> None:
        if self._attendance.leave(connection):
            self._give(Detached(connection.id))

    def receive(self, connection: Connection, event: ClientEvent) -> None:
        if connection not in self._attendance:
            return
        try:
            self._attendance.check(connection, event)
        except ProtocolError as error:
            self.refuse(connection, error)
            return
        self._give(ClientSent(connection.id, event, self._playback.played_samples))

    def refuse(self, connection: Connection, error: ProtocolError) -> None:
        detail = ErrorDetail(
            code=error.code, message=error.message, param=error.param, event_id=error.event_id
        )
        self._give(MessageRefused(connection.id, detail))

    # --- For those who look on -----------------------------------------------

    @property
    def conversation_id(self) -> str:
        return self._conversation.id

    @property
    def settings(self) -> AnySession:
        return self._conversation.session

    @property
    def state(self) -> Activity | Literal["ended"]:
        return "ended" if self._ended else self._conversation.activity

    @property
    def connection_roles(self) -> Mapping[str, Literal["owner", "sideband"]]:
        owners = self._conversation.owners
        return {name: "owner" if name in owners else "sideband" for name in self._attendance}

    # --- For transports that own playout -------------------------------------

    def hear(self, pcm: bytes) -> None:
        self._give(Heard(pcm))

    def drained(self) -> None:
        self._give(PlayoutDrained(self._playback.played_samples))

    # --- For the engine's line -----------------------------------------------

    def on_engine_news(self, news: EngineNews) -> None:
        if isinstance(news, TurnFound):  # It interrupts, so what was heard until then counts.
            news = replace(news, played_samples=self._playback.played_samples)
        self._give(news)

    async def caught_up(self) -> None:
        await self._attendance.caught_up()

    def on_engine_gone(self, reason: str) -> None:
        self.close(CloseCode.INTERNAL_ERROR, reason)

    # --- For the hub ---------------------------------------------------------

    def shut_down(self) -> None:
        """Close once the running response is done."""
        self._give(ShuttingDown())

    def close(self, code: int, reason: str) -> None:
        self._attendance.close(code, reason)
        self.end()

    def end(self) -> None:
        """Free everything.  Connections are the transports' to close."""
        if self._ended:
            return
        self._engine.hang_up()
        self._clock.stop()
        self._ear.close()
        for observer in self._observers:
            observer.close()
        self._closing = asyncio.get_running_loop().create_task(self._engine.aclose())
        self._on_end(self)

    async def ended(self) -> None:
        if self._closing is not None:
            await self._closing
            await self._attendance.emptied()

    @property
    def _ended(self) -> bool:
        return self._closing is not None

    # --- Causes and effects --------------------------------------------------

    def _give(self, cause: Cause) -> None:
        if self._closing is not None:
            return
        if self._busy:
            self._waiting.append(cause)
            return
        self._busy = True
        try:
            self._handle(cause)
            while self._waiting and self._closing is None:
                self._handle(self._waiting.popleft())
        except Exception:
            # A bug of ours: the conversation cannot be trusted any more.  Its tape is kept.
            log.exception("session %s: failed on %s", self.id, type(cause).__name__)
            self.close(CloseCode.INTERNAL_ERROR, "The server had an error.")
        finally:
            self._busy = False
        if self._closing is None:
            self._clock.wake(self._conversation.deadline_ms, self._tick)

    def _handle(self, cause: Cause) -> None:
        now_ms = self._clock.now_ms
        effects: list[Effect] = []
        try:
            effects = self._conversation.handle(cause, now_ms)
        finally:  # A replay shall fail where we did.
            for observer in self._observers:
                observer.saw(now_ms, cause, effects)
        for effect in effects:
            self._carry_out(effect)

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case ScoreVoice():
                self._ear.hear(effect.pcm, effect.at_sample)
            case ResponseOutputAudioDelta():  # The most frequent event need not pass all below.
                self._attendance.send(effect)
                if self._at_client is not None:
                    self._at_client.send(effect.delta)
            case SendTo():
                self._attendance.send_to(effect.connection, effect.event)
            case Configure():
                self._note_voice(effect.session)
                if self._at_client is not None and isinstance(effect.session, Session):
                    self._at_client.configure(effect.session.audio.output.format)
                self._engine.send(effect)
            case (
                Hear()
                | Generate()
                | StopGenerating()
                | TurnBegan()
                | TurnCommitted()
                | InputDropped()
            ):
                self._engine.send(effect)
            case DetectVoice():
                if effect.on:
                    self._ear.listen(self._on_score, user_speaks=self._user_speaks)
                else:
                    self._ear.close()
            case Close():
                self.close(effect.code, effect.reason)
            case PlayAudio():
                self._playback.play(effect.pcm)
            case ClearPlayout():
                self._playback.clear()
            case DuckPlayout():
                self._playback.duck(effect.on)
            case Record():
                self._attendance.record(effect)
            case _:
                if self._at_client is not None and isinstance(effect, SpeechStarted):
                    self._at_client.clear()  # So do clients, as the API has it.
                self._attendance.send(effect)

    def _note_voice(self, session: AnySession) -> None:
        if isinstance(session, Session):
            name = voice_name(session.audio.output.voice)
            answers = answering_voice(name, self._voices)
            if answers is not None and answers != name:
                _unknown_voices.tell(name, answers)

    def _user_speaks(self) -> bool:
        return self._conversation.user_speaks

    def _on_score(self, at_sample: int, probability: float, is_echo: bool) -> None:
        self._give(VoiceScored(at_sample, probability, self._playback.played_samples, is_echo))

    def _tick(self) -> None:
        self._give(Tick(self._playback.played_samples))
