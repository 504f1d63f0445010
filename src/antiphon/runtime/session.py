"""One live session: carries out what its conversation asks for.  It decides nothing."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping
from typing import Literal

from antiphon.core.causes import (
    Attached,
    Cause,
    ClientSent,
    Detached,
    EngineLost,
    Heard,
    MessageRefused,
    Ms,
    PlayoutDrained,
    ShuttingDown,
    Tick,
    VoiceScored,
)
from antiphon.core.conversation import Conversation
from antiphon.core.effects import (
    ClearPlayout,
    Close,
    Configure,
    DetectVoice,
    Effect,
    Generate,
    Hear,
    InputDropped,
    PlayAudio,
    SendTo,
    StopGenerating,
    TurnBegan,
    TurnCommitted,
)
from antiphon.core.terms import Activity, Terms
from antiphon.engines.engine import Engine, EngineSession, VoiceDetector
from antiphon.errors import AntiphonError, ProtocolError
from antiphon.journal.tape import TapeWriter
from antiphon.protocol.client import ClientEvent
from antiphon.protocol.server import ErrorDetail, ResponseOutputAudioDelta, ServerEvent
from antiphon.protocol.session import AnySession
from antiphon.runtime.connection import Connection
from antiphon.runtime.ear import Ear
from antiphon.runtime.media import Playback

log = logging.getLogger(__name__)

NORMAL_CLOSURE = 1000
INTERNAL_ERROR = 1011
SESSION_ENDED = "The session has ended."
MAX_ENGINE_RESTARTS = 3
"""Within one session; then it closes."""
HIGH_WATER_BYTES = 1024 * 1024
"""More unread than this, and the session takes no more news of its engine for a while: the
engine's own bounded queue makes it wait.  (A reader that never reads closes its connection.)"""


class LiveSession:
    """One conversation, the connections to it, its engine and its ear.

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
        tape: TapeWriter | None = None,
        end_user_id: str | None = None,
        on_end: Callable[[LiveSession], None] = lambda _: None,
    ) -> None:
        self.id = terms.session.id
        self.engine_name = engine.name
        self.end_user_id = end_user_id
        self.began_at = int(time.time())
        self._loop = asyncio.get_running_loop()
        self._opened_at = self._loop.time()
        self._conversation = Conversation(terms)
        self._engine = engine
        self._playback = playback
        self._ear = Ear(detector, playback)
        self._tape = tape
        self._on_end = on_end
        self._connections: dict[str, Connection] = {}
        self._owners: set[str] = set()
        self._may_send: dict[str, Collection[str]] = {}
        self._waiting: deque[Cause] = deque()
        self._busy = False
        self._ended = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ms: Ms | None = None
        self._restarts = 0
        self._closing: asyncio.Task[None] | None = None
        self._engine_session: EngineSession = engine.open(self.id)
        self._news: asyncio.Task[None] | None = self._loop.create_task(self._follow_engine())

    # --- For connections -----------------------------------------------------

    def attach(
        self,
        connection: Connection,
        *,
        owns: bool = True,
        may_send: Collection[str] | None = None,
    ) -> None:
        """Join; `session.created` is the first event the connection is sent.

        When the last connection that owns the session detaches, the session ends.

        Args:
            connection: Closed at once where the session has ended already.
            owns: False for a sideband, which may come and go.
            may_send: Types of client events it may send; None: all.
        """
        if self._ended:
            connection.close(NORMAL_CLOSURE, SESSION_ENDED)
            return
        self._connections[connection.id] = connection
        if owns:
            self._owners.add(connection.id)
        if may_send is not None:
            self._may_send[connection.id] = may_send
        self._give(Attached(connection.id))

    def detach(self, connection: Connection) -> None:
        """The connection is gone; nothing is sent to it any more."""
        if self._connections.pop(connection.id, None) is None:
            return
        self._may_send.pop(connection.id, None)
        owned = connection.id in self._owners
        self._owners.discard(connection.id)
        self._give(Detached(connection.id))
        if owned and not self._owners:
            self.close(NORMAL_CLOSURE, SESSION_ENDED)

    def receive(self, connection: Connection, event: ClientEvent) -> None:
        """What a connection that is not (or no longer) attached sends is ignored."""
        if connection.id not in self._connections:
            return
        may_send = self._may_send.get(connection.id)
        if may_send is not None and (kind := str(event.__struct_config__.tag)) not in may_send:
            listed = ", ".join(f"'{name}'" for name in sorted(may_send)) or "nothing"
            message = f"This connection may not send '{kind}'. It may send: {listed}."
            self.refuse(
                connection,
                ProtocolError("event_not_allowed", message, param="type", event_id=event.event_id),
            )
            return
        self._give(ClientSent(connection.id, event, self._played_samples))

    def refuse(self, connection: Connection, error: ProtocolError) -> None:
        """A message was no client event: answer with one `error`, change nothing."""
        detail = ErrorDetail(
            code=error.code, message=error.message, param=error.param, event_id=error.event_id
        )
        self._give(MessageRefused(connection.id, detail))

    # --- For those who look on -----------------------------------------------

    @property
    def settings(self) -> AnySession:
        return self._conversation.session

    @property
    def transport(self) -> Literal["websocket", "webrtc"]:
        """How the media come."""
        return "websocket" if self._playback is None else "webrtc"

    @property
    def state(self) -> Activity | Literal["ended"]:
        return "ended" if self._ended else self._conversation.activity

    @property
    def connection_roles(self) -> Mapping[str, Literal["owner", "sideband"]]:
        """Ids of those that are attached, in the order in which they came."""
        return {name: "owner" if name in self._owners else "sideband" for name in self._connections}

    # --- For transports that own playout -------------------------------------

    def hear(self, pcm: bytes) -> None:
        """Microphone audio, 16-bit mono at 24 kHz."""
        self._give(Heard(pcm))

    def drained(self) -> None:
        """All speech that was given to the playback has left."""
        self._give(PlayoutDrained(self._played_samples))

    @property
    def _played_samples(self) -> int:
        return 0 if self._playback is None else self._playback.played_samples

    @property
    def _playback_here(self) -> Playback:
        assert self._playback is not None, "only a session with a playback is told to play"
        return self._playback

    # --- For the hub ---------------------------------------------------------

    def shut_down(self) -> None:
        """Close once the running response is done."""
        self._give(ShuttingDown())

    def close(self, code: int, reason: str) -> None:
        """Hang up on everyone, now."""
        for connection in list(self._connections.values()):
            connection.close(code, reason)
        self.end()

    def end(self) -> None:
        """Free everything.  Connections are the transports' to close."""
        if self._ended:
            return
        self._ended = True
        if self._timer is not None:
            self._timer.cancel()
        self._ear.close()
        if self._tape is not None:
            self._tape.close()
        self._closing = self._loop.create_task(self._close_engine())
        self._on_end(self)

    async def ended(self) -> None:
        """Wait until an ended session has let go of its engine."""
        if self._closing is not None:
            await self._closing

    # --- Causes and effects --------------------------------------------------

    def _give(self, cause: Cause) -> None:
        if self._ended:
            return
        if self._busy:
            self._waiting.append(cause)
            return
        self._busy = True
        try:
            self._handle(cause)
            while self._waiting and not self._ended:
                self._handle(self._waiting.popleft())
        except Exception:
            # A bug of ours: the conversation cannot be trusted any more.  Its tape is kept.
            log.exception("session %s: failed on %s", self.id, type(cause).__name__)
            self.close(INTERNAL_ERROR, "The server had an error.")
        finally:
            self._busy = False
        if self._conversation.deadline_ms != self._timer_ms:
            self._arm_timer()

    def _handle(self, cause: Cause) -> None:
        now_ms = int((self._loop.time() - self._opened_at) * 1000)
        try:
            effects = self._conversation.handle(cause, now_ms)
        except Exception:
            if self._tape is not None:
                self._tape.write(now_ms, cause, [])  # A replay shall fail on it, too.
            raise
        if self._tape is not None:
            self._tape.write(now_ms, cause, effects)
        for effect in effects:
            self._carry_out(effect)

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case Hear():
                self._ear.hear(effect.pcm, effect.at_sample)
                self._engine_session.send(effect)
            case ResponseOutputAudioDelta():  # The most frequent event need not pass all below.
                self._send_to_all(effect)
            case SendTo():
                if (connection := self._connections.get(effect.connection)) is not None:
                    connection.send(effect.event)
            case (
                Generate()
                | StopGenerating()
                | TurnBegan()
                | TurnCommitted()
                | InputDropped()
                | Configure()
            ):
                self._engine_session.send(effect)
            case DetectVoice():
                if effect.on:
                    self._ear.listen(self._on_score, user_speaks=self._user_speaks)
                else:
                    self._ear.close()
            case Close():
                self.close(effect.code, effect.reason)
            case PlayAudio():
                self._playback_here.play(effect.pcm)
            case ClearPlayout():
                self._playback_here.clear()
            case _:
                self._send_to_all(effect)

    def _send_to_all(self, event: ServerEvent) -> None:
        for connection in self._connections.values():
            connection.send(event)

    def _user_speaks(self) -> bool:
        return self._conversation.user_speaks

    def _on_score(self, at_sample: int, probability: float) -> None:
        self._give(VoiceScored(at_sample, probability, self._played_samples))

    def _arm_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_ms = None if self._ended else self._conversation.deadline_ms
        if self._timer_ms is not None:
            # A millisecond late, so that the clock in whole milliseconds has passed the deadline.
            at = self._opened_at + (self._timer_ms + 1) / 1000
            self._timer = self._loop.call_at(at, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = self._timer_ms = None
        self._give(Tick(self._played_samples))

    # --- The engine ----------------------------------------------------------

    async def _follow_engine(self) -> None:
        """Carry the engine's news to the conversation; start the engine afresh if it fails."""
        while not self._ended:
            try:
                async for news in self._engine_session:
                    self._give(news)
                    for connection in list(self._connections.values()):
                        if connection.queued_bytes > HIGH_WATER_BYTES:
                            await connection.flushed()
                problem = "it stopped"
            except AntiphonError as error:
                problem = str(error)
            except Exception as error:
                log.exception("session %s: engine %s failed", self.id, self.engine_name)
                problem = type(error).__name__
            if not self._ended:
                await self._restart_engine(problem)

    async def _restart_engine(self, problem: str) -> None:
        log.warning("session %s: engine %s lost: %s", self.id, self.engine_name, problem)
        await self._engine_session.aclose()
        self._restarts += 1
        if self._restarts > MAX_ENGINE_RESTARTS:
            self.close(INTERNAL_ERROR, "The engine failed too often.")
            return
        try:
            self._engine_session = self._engine.open(self.id)
        except Exception:
            log.exception("session %s: engine %s did not come back", self.id, self.engine_name)
            self.close(INTERNAL_ERROR, "The engine failed and could not be started afresh.")
            return
        self._give(EngineLost(problem))

    async def _close_engine(self) -> None:
        await self._engine_session.aclose()
        # What refers to us goes, so that megabytes of audio need not wait for the collector.
        news, self._news = self._news, None
        if news is not None:
            news.cancel()
            await asyncio.gather(news, return_exceptions=True)
