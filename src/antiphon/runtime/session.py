"""One live session: carries out what its conversation asks for.  It decides nothing."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Literal

from msgspec.structs import replace

from antiphon.core.causes import (
    Attached,
    Cause,
    ClientSent,
    Detached,
    EngineMoved,
    EngineNews,
    Heard,
    MemoryChanged,
    MessageRefused,
    Ms,
    PlayoutDrained,
    ShuttingDown,
    TakenOver,
    Tick,
    TurnFound,
)
from antiphon.core.conversation import TAKEN_OVER_TEXT, Conversation
from antiphon.core.effects import (
    ClearPlayout,
    Close,
    Configure,
    DetectVoice,
    DuckPlayout,
    Effect,
    EngineCommand,
    Generate,
    Hear,
    InputDropped,
    ItemAdded,
    ItemCut,
    ItemRemoved,
    Move,
    PlayAudio,
    RunTool,
    ScoreVoice,
    SendTo,
    Speculate,
    StopGenerating,
    StopSpeculating,
    TurnBegan,
    TurnCommitted,
)
from antiphon.core.records import ItemChanged, Record
from antiphon.core.settings import voice_name
from antiphon.core.terms import Activity, Terms
from antiphon.engines.engine import Engine, VoiceDetector
from antiphon.errors import ProtocolError
from antiphon.identity.principal import ANYONE, Principal
from antiphon.protocol.client import ClientEvent, InputAudioBufferAppend
from antiphon.protocol.closes import CloseCode
from antiphon.protocol.server import (
    ErrorDetail,
    ResponseDone,
    ResponseOutputAudioDelta,
    SessionCreated,
    SpeechStarted,
)
from antiphon.protocol.session import AnySession, Session
from antiphon.protocol.unknown_names import UnknownNames
from antiphon.protocol.voices import answering_voice
from antiphon.runtime.attendance import Attendance
from antiphon.runtime.client_playback import ClientPlayback
from antiphon.runtime.connection import Connection
from antiphon.runtime.door import About
from antiphon.runtime.ear import Ear
from antiphon.runtime.engine_line import EngineLine
from antiphon.runtime.guards import Guards
from antiphon.runtime.handover import Handover, moved_to
from antiphon.runtime.hearing import Hearing
from antiphon.runtime.media import NO_PLAYBACK, Playback
from antiphon.runtime.observer import Observer
from antiphon.runtime.playback_line import PlaybackLine
from antiphon.runtime.route import Route
from antiphon.runtime.server_tools import ServerTools, ToolRuns
from antiphon.runtime.session_clock import SessionClock
from antiphon.runtime.sideband_wait import SidebandWait
from antiphon.runtime.supervision import LiveSupervision, silenced

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
        principal: Principal = ANYONE,
        sideband_wait_ms: Ms = 0,
        route: Route | None = None,
        route_for: Callable[[str, str | None], Route] | None = None,
        server_tools: ServerTools | None = None,
        on_end: Callable[[LiveSession], None] = lambda _: None,
    ) -> None:
        self._conversation = Conversation(terms)
        self.about = About(
            session_id=terms.session.id,
            engine_name=engine.name,
            transport="websocket" if playback is None else "webrtc",
            began_at=int(time.time()),
            conversation_id=self._conversation.id,
            principal=principal,
        )
        self._clock = clock = SessionClock()
        self._attendance = attendance(self.about)
        self._line = None if playback is None else PlaybackLine(playback)
        self._playback: Playback = self._line or NO_PLAYBACK
        self._at_client = ClientPlayback(lambda: clock.now_ms) if playback is None else None
        self._ear = Ear(detector, self._at_client or self._playback)
        self._observers = list(observers)
        self.is_muted = False
        """It hears silence in place of its user (`supervision`)."""
        self._on_end = on_end
        self._hearing = Hearing(self._ear, self._conversation, self._playback, self._give)
        self.guards = Guards()
        self._waiting: deque[Cause] = deque()
        self._busy = False
        self._closing: asyncio.Task[None] | None = None
        route = route or Route.to(engine)
        self._engine = EngineLine(engine, route, self.id, self)
        self._handover = Handover(self._engine, route_for or (lambda *_: route))
        self._tool_runs = ToolRuns(server_tools)
        if server_tools is not None:
            tools = server_tools
            tools.begin(lambda: self._give(MemoryChanged(tools.memory)))
        self._sideband_wait: SidebandWait | None = None
        if sideband_wait_ms:
            self._sideband_wait = SidebandWait(
                sideband_wait_ms, self._give_all, self._tell_no_sideband
            )

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
        after: str | None = None,
    ) -> None:
        if self._ended:
            connection.close(CloseCode.NORMAL, SESSION_ENDED)
            return
        is_told_all = self._attendance.join(connection, may_send, owns=owns, after=after)
        self._give(Attached(connection.id, owns, wants_items=not is_told_all))

    def resume(
        self,
        connection: Connection,
        *,
        token: str,
        may_send: Collection[str] | None = None,
        after: str | None = None,
        shows_items: bool = False,
        playback: Playback | None = None,
        played: int | None = None,
    ) -> None:
        assert (playback is None) == (self._line is None), "it comes as its session came"
        if self._ended:
            connection.close(CloseCode.TRY_AGAIN_LATER, SESSION_ENDED)
            return
        former, is_told_all = self._attendance.take_seat(
            connection, may_send, token=token, after=after
        )
        self._give(Attached(connection.id, wants_items=shows_items or not is_told_all))
        if former is not None:
            self._give(Detached(former.id))
            former.close(CloseCode.TAKEN_OVER, TAKEN_OVER_TEXT)
        if self._line is not None and playback is not None:
            self._line.go_on(playback, played)

    def detach(self, connection: Connection, *, for_good: bool = False) -> None:
        if self._attendance.leave(connection, for_good=for_good):
            self._give(Detached(connection.id, for_good, self._playback.played_samples))

    def receive(self, connection: Connection, event: ClientEvent) -> None:
        if connection not in self._attendance:
            return
        try:
            self._attendance.check(connection, event)
        except ProtocolError as error:
            self.refuse(connection, error)
            return
        if isinstance(event, InputAudioBufferAppend):
            if self.is_muted:
                event = silenced(event, self.settings.audio.input.format)
            if self._is_attended and self._hearing.appends(connection.id, event.audio):
                return
        self._give(ClientSent(connection.id, event, self._playback.played_samples))

    def refuse(self, connection: Connection, error: ProtocolError) -> None:
        detail = ErrorDetail(
            code=error.code, message=error.message, param=error.param, event_id=error.event_id
        )
        self._give(MessageRefused(connection.id, detail))

    # --- For those who look on -----------------------------------------------

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

    @property
    def keeps_a_seat(self) -> bool:
        return not self._ended and self._attendance.keeps_a_seat

    def being_heard(self) -> Sequence[ItemChanged]:
        items = self._conversation.being_heard(self.played_samples, self._clock.now_ms)
        kept = (self._attendance.as_kept(ItemChanged(item)) for item in items)
        return [change for change in kept if isinstance(change, ItemChanged)]

    # --- For transports that own playout -------------------------------------

    def hear(self, pcm: bytes) -> None:
        if self.is_muted:
            pcm = bytes(len(pcm))
        if self._is_attended:
            self._hearing.hear(pcm)
        else:
            self._give(Heard(pcm))

    @property
    def awaits_silence(self) -> bool:
        return self._hearing.awaits_silence

    def drained(self) -> None:
        self._give(PlayoutDrained(self._playback.played_samples))

    # --- For the engine's line -----------------------------------------------

    def on_engine_news(self, news: EngineNews) -> None:
        if isinstance(news, TurnFound):  # It interrupts, so what was heard until then counts.
            news = replace(news, played_samples=self._playback.played_samples)
        self._give(news)

    def on_engine_moved(self, engine: Engine, message: str, code: str) -> None:
        self._hand_over(moved_to(engine, message, code))

    def move(self, *, model: str | None = None, voice: str | None = None) -> None:
        self._hand_over(self._handover.wished(self.settings, model=model, voice=voice))

    def go_on_with(self, engine: Engine, message: str, code: str) -> None:
        """Let that engine serve from now on, and none beside it."""
        self._hand_over(self._handover.to(engine, message, code))

    def _hand_over(self, news: EngineMoved | MessageRefused) -> None:
        if isinstance(news, EngineMoved):
            self.about = replace(self.about, engine_name=news.name)
        self._give(news)

    @property
    def engine(self) -> Engine:
        """The one that serves."""
        return self._engine.engine

    @property
    def _is_attended(self) -> bool:
        """Nobody is waited for before anything else."""
        return self._sideband_wait is None or self._sideband_wait.is_over

    @property
    def is_idle(self) -> bool:
        return self._conversation.activity == "idle"

    async def caught_up(self) -> None:
        await self._attendance.caught_up()

    def on_engine_gone(self, reason: str) -> None:
        self.close(CloseCode.INTERNAL_ERROR, reason)

    # --- For the hub ---------------------------------------------------------

    def observe(self, observer: Observer) -> None:
        """From now on."""
        self._observers.append(observer)

    def unobserve(self, observer: Observer) -> None:
        if observer in self._observers:
            self._observers = [other for other in self._observers if other is not observer]

    @property
    def supervision(self) -> LiveSupervision:
        # Made when it is asked for: kept, it would keep a session that has ended.
        return LiveSupervision(self, lambda: self._conversation.items)

    @property
    def played_samples(self) -> int:
        return self._playback.played_samples

    def tell(self, cause: Cause) -> None:
        """What one who looks on has found out; after what goes on now."""
        self._give(cause)

    def shut_down(self) -> None:
        """Close once the running response is done."""
        self._give(ShuttingDown())

    def warn(self, error: ProtocolError) -> None:
        detail = ErrorDetail(code=error.code, message=error.message, param=error.param)
        self._give_all([MessageRefused(name, detail) for name in self._attendance])

    def be_taken_over(self) -> None:
        self._give(TakenOver())

    def close(self, code: int, reason: str) -> None:
        self._attendance.close(code, reason)
        self.end()

    def end(self) -> None:
        """Free everything.  Connections are the transports' to close."""
        if self._ended:
            return
        self._log_speculations()
        self._engine.hang_up()
        self._clock.stop()
        if self._sideband_wait is not None:
            self._sideband_wait.close()
        self._ear.close()
        self._hearing.close()
        self._tool_runs.close()
        for observer in self._observers:
            observer.close()
        # Some of them refer to the session: nothing shall hold it that it holds.
        self._observers = []
        self.guards.clear()
        self._closing = asyncio.get_running_loop().create_task(self._free())
        self._on_end(self)

    async def _free(self) -> None:
        """Refers to the session until it is done: whoever stops the server waits for it."""
        await self._engine.aclose()

    def _log_speculations(self) -> None:
        """No bill has what was thrown away; so it stands here."""
        made = self._conversation.speculations
        if made.begun:
            log.info("session %s: %s", self.id, made.told)

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
        if self._hearing.comes_before(cause):
            self._hearing.catch_up()
        if self._sideband_wait is not None and self._sideband_wait.keeps(cause):
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

    def _give_all(self, causes: Iterable[Cause]) -> None:
        for cause in causes:
            self._give(cause)

    def _tell_no_sideband(self) -> None:
        log.warning("session %s: goes on, but no sideband came in time", self.id)

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
            case SendTo(connection, SessionCreated() as created):
                self._attendance.welcome(connection, created)
            case SendTo():
                self._attendance.send_to(effect.connection, effect.event)
            case Configure():
                self._note_voice(effect.session)
                self._hearing.configure(effect.session.audio.input)
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
                | ItemAdded()
                | ItemCut()
                | ItemRemoved()
                | Speculate()
                | StopSpeculating()
            ):
                self._ask(effect)
            case DetectVoice():
                if effect.on:
                    self._ear.listen(self._hearing.scored, user_speaks=self._user_speaks)
                else:
                    self._ear.close()
            case Close():
                self.close(effect.code, effect.reason)
            case PlayAudio() | ClearPlayout() | DuckPlayout():
                self._play(effect)
            case Record():
                self._attendance.record(effect)
            case RunTool():
                self._tool_runs.run(effect, self._give)
            case Move():
                self._hand_over(self._handover.asked(effect, self.settings))
            case ResponseDone():
                self._attendance.send(effect)
                self.guards.answered(effect.response)
            case _:
                if self._at_client is not None and isinstance(effect, SpeechStarted):
                    self._at_client.clear()  # So do clients, as the API has it.
                self._attendance.send(effect)

    def _play(self, effect: PlayAudio | ClearPlayout | DuckPlayout) -> None:
        match effect:
            case PlayAudio():
                self._playback.play(effect.pcm)
            case ClearPlayout():
                self._playback.clear()
            case DuckPlayout():
                self._playback.duck(effect.on, holds=effect.holds)

    def ask(self, command: Generate) -> None:
        """Ask the engine for an answer that a guard had held back."""
        if not self._ended:
            self._ask(command)

    def _ask(self, command: EngineCommand) -> None:
        if not isinstance(command, Generate) or self.guards.admit(command):
            self._engine.send(command)

    def _note_voice(self, session: AnySession) -> None:
        if isinstance(session, Session):
            name = voice_name(session.audio.output.voice)
            answers = answering_voice(name, self.engine.abilities.voices)
            if answers is not None and answers != name:
                _unknown_voices.tell(name, answers)

    def _user_speaks(self) -> bool:
        return self._conversation.user_speaks

    def _tick(self) -> None:
        self._give(Tick(self._playback.played_samples))
