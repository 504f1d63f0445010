"""Who is live in this process."""

from __future__ import annotations

import asyncio
import logging
import secrets
import string
import time
import weakref
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import Literal, Protocol

from msgspec import Struct
from msgspec.structs import replace

from antiphon.core.causes import Ms
from antiphon.core.ids import Ids
from antiphon.core.records import Past
from antiphon.core.settings import check_known_voice, update_session
from antiphon.core.terms import Terms
from antiphon.engines.engine import Engine, VoiceDetector
from antiphon.engines.health import Healths
from antiphon.identity.principal import ANYONE, Principal
from antiphon.journal.tape import TapePieces
from antiphon.metering.bill import Total
from antiphon.protocol.closes import CloseCode
from antiphon.protocol.session import (
    AnySession,
    Audio,
    AudioOutput,
    Session,
    SessionPatch,
    TranscriptionSession,
)
from antiphon.runtime.attendance import Attendance
from antiphon.runtime.door import About, Retention, SessionDoor
from antiphon.runtime.keeping import Keeping
from antiphon.runtime.kept_conversations import KeptConversations, Talking
from antiphon.runtime.media import Playback
from antiphon.runtime.metering import Metering, SessionMeter
from antiphon.runtime.observer import Observer
from antiphon.runtime.outbox import Outbox
from antiphon.runtime.pace import Pace, PaceGuard
from antiphon.runtime.recorder import Recorder
from antiphon.runtime.resumption import Place, ResumeTokens, Resumption
from antiphon.runtime.route import Route
from antiphon.runtime.server_tools import ServerTools
from antiphon.runtime.session import LiveSession
from antiphon.runtime.session_log import SessionLog
from antiphon.runtime.sight import Sight, Watcher

log = logging.getLogger(__name__)

SessionKind = Literal["realtime", "transcription"]
LAST_SOUND_S = 5.0
"""How long the end of a recording is waited for when the server goes."""
_ALPHABET = string.ascii_letters + string.digits


def new_session_id(choice: Callable[[str], str] = secrets.choice) -> str:
    return "sess_" + "".join(choice(_ALPHABET) for _ in range(21))


class SessionRules(Struct, frozen=True, kw_only=True):
    """What the operator decides for all sessions."""

    session_max_ms: Ms = 60 * 60 * 1000
    context_tokens: int = 28_224
    announce_rate_limits: bool = True
    voice: str = "marin"
    """Of sessions that name none."""
    image_urls: bool = False
    strict: bool = False
    linger_ms: Ms = 0
    """All three as in `Terms`."""

    def first_settings(
        self,
        kind: SessionKind,
        *,
        session_id: str,
        model: str,
        expires_at: int,
        patch: SessionPatch | None = None,
    ) -> AnySession:
        """What a session begins with, and what is told of one that a secret would open.

        Raises:
            Fault: ``patch`` cannot be applied.
        """
        session: AnySession
        if kind == "transcription":
            session = TranscriptionSession(id=session_id, expires_at=expires_at)
        else:
            audio = Audio(output=AudioOutput(voice=self.voice))
            session = Session(id=session_id, model=model, expires_at=expires_at, audio=audio)
        return session if patch is None else update_session(session, patch, voice_locked=False)


class Housed(Talking, Protocol):
    """What a hub asks of its sessions, beside what all may see of them."""

    def shut_down(self) -> None:
        """Close once the running response is done."""
        ...


class Hub:
    """Opens sessions, finds them by id and ends them all.

    Args:
        engine_for: a model's name to the engine that serves it; the registry's rule.
        fallbacks_for: a model's name to those that serve it while that engine cannot, the one
            that is wanted most first.
        detector: lent to engines that do not find turns themselves.
        observers: each is asked, when a session opens, for one that looks on.
        keeping: None: conversations end with their sessions.
        metering: None: nobody counts what is used.
        watchers: are told what sessions show of themselves.
        choice: draws a letter of the ids; ``unix_s`` tells the time.  A test that wants the same
            bytes each time brings its own.
    """

    def __init__(
        self,
        engine_for: Callable[[str], Engine],
        *,
        fallbacks_for: Callable[[str], Sequence[Engine]] = lambda _: (),
        detector: VoiceDetector | None = None,
        rules: SessionRules | None = None,
        observers: Sequence[Callable[[Terms], Observer]] = (),
        keeping: Keeping | None = None,
        metering: Metering | None = None,
        watchers: Sequence[Watcher] = (),
        choice: Callable[[str], str] = secrets.choice,
        unix_s: Callable[[], float] = time.time,
    ) -> None:
        self._choice = choice
        self._unix_s = unix_s
        self._engine_for = engine_for
        self._fallbacks_for = fallbacks_for
        self._healths = Healths(lambda: asyncio.get_running_loop().time())
        self._detector = detector
        self.rules = rules or SessionRules()
        self._observers = observers
        self.keeping = keeping
        self.metering = metering
        self._watchers = watchers
        self._meters: weakref.WeakKeyDictionary[SessionDoor, SessionMeter] = (
            weakref.WeakKeyDictionary()
        )
        self.pace_of: Callable[[Principal], Pace | None] = lambda _: None
        """How often the sessions of a bearer may be answered; None: that is never limited."""
        self.on_adopted: list[Callable[[SessionDoor], None]] = []
        self.on_released: list[Callable[[SessionDoor], None]] = []
        self.resume_tokens = ResumeTokens()
        self._sessions: dict[str, Housed] = {}
        self.conversations = KeptConversations(keeping, self._sessions.values())
        self._ending: weakref.WeakSet[Housed] = weakref.WeakSet()
        """Until they are closed: what closes one holds it."""
        self._recording: weakref.WeakSet[Recorder] = weakref.WeakSet()
        self._all_ended = asyncio.Event()
        self._all_ended.set()

    @property
    def sessions(self) -> Collection[SessionDoor]:
        """Those that have not ended."""
        return self._sessions.values()

    def score_complete(self) -> None:
        """As `VoiceDetector.score_complete`."""
        if self._detector is not None:
            self._detector.score_complete()

    @property
    def dropped_windows(self) -> int:
        """Of sound, in which nobody looked for a voice, since there was too much of it."""
        return getattr(self._detector, "dropped_windows", 0)

    @property
    def unable(self) -> str | None:
        """Why no session should begin now; None: nothing is in the way."""
        keeping = self.keeping
        if keeping is None or not keeping.refuses_in_trouble or keeping.journal.trouble is None:
            return None
        return "The server cannot write down conversations now; try again."

    def is_well(self, engine_name: str) -> bool:
        """It did not fail of late."""
        return self._healths.is_well(engine_name)

    def get(self, session_id: str) -> SessionDoor | None:
        return self._sessions.get(session_id)

    def open(
        self,
        *,
        kind: SessionKind,
        model: str,
        patch: SessionPatch | None = None,
        playback: Playback | None = None,
        principal: Principal = ANYONE,
        past: Past | None = None,
        sideband_wait_ms: Ms = 0,
        retention: Retention | None = None,
        server_tools: ServerTools | None = None,
    ) -> SessionDoor:
        """Begin a session; ``playback`` is given where the transport owns playout.

        ``principal`` is whom it belongs to.
        ``past`` is the conversation that it goes on with (`KeptConversations.recalled`).  With
        ``sideband_wait_ms`` it listens to nobody for so long, or until a sideband has come.
        ``retention`` says what is kept of it, where that is not the server's rule.
        ``server_tools`` are functions that the server carries out for its engine.

        Raises:
            EngineUnavailable: the model's engine cannot serve now.
            Fault: ``patch`` cannot be applied.
        """
        route = self._route(model)
        engine = route.first()
        keeping = self._keeping_of(retention)
        terms = self._terms(kind, model, patch, engine, playback, past, keeping)
        if server_tools is not None:
            offered, memory = server_tools.offered, server_tools.memory
            terms = replace(terms, server_tools=offered, memory=memory)
        logs: list[SessionLog] = []

        def attendance(about: About) -> Attendance:
            named = model if kind == "realtime" else None
            attended, session_log = self._attended(about, named, keeping, goes_on=past is not None)
            logs.extend([] if session_log is None else [session_log])
            return attended

        session = LiveSession(
            terms,
            engine,
            detector=self._detector,
            playback=playback,
            observers=[observer(terms) for observer in self._observers],
            attendance=attendance,
            principal=principal,
            sideband_wait_ms=sideband_wait_ms,
            route=route,
            route_for=self._route_to,
            server_tools=server_tools,
            on_end=self.release,
        )
        keep = logs[0].timed if logs else None
        session.observe(Sight(session.about, terms, self._watchers, tell=session.tell, keep=keep))
        if terms.records_sound:
            assert keeping is not None, "it is kept"
            session.observe(self._recorder(keeping, logs[0], terms.session))
            if keeping.tapes:
                session.observe(TapePieces(terms, logs[0].tape))
        self.adopt(session, None if self.metering is None else self.metering.watch(session, terms))
        self._pace(session)
        return session

    def _pace(self, session: LiveSession) -> None:
        """Before each answer it is asked whether there may be one so soon."""
        pace = self.pace_of(session.about.principal)
        if pace is not None:
            farewell = None if self.metering is None else self.metering.means.farewell
            guard = PaceGuard(session, pace, farewell=farewell)
            session.guards.add(guard.admits, answered=guard.answered)

    def spent_by(self, session: SessionDoor) -> Total | None:
        """What a session has used so far; None: it has no meter."""
        meter = self._meters.get(session)
        return None if meter is None else meter.total

    def adopt(self, session: Housed, meter: SessionMeter | None = None) -> None:
        """From now on it is found, listed, counted and drained, until it says that it has ended
        (`release`).  ``meter`` knows what it has used.
        """
        self._sessions[session.id] = session
        if meter is not None:
            self._meters[session] = meter
        self._all_ended.clear()
        log.info("session %s: opened on engine %s", session.id, session.about.engine_name)
        for told in self.on_adopted:
            told(session)

    def release(self, session: Housed) -> None:
        """It has ended."""
        self._sessions.pop(session.id, None)
        self._meters.pop(session, None)  # It refers to the session, and would keep it for ever.
        self._ending.add(session)
        if not self._sessions:
            self._all_ended.set()
        log.info("session %s: ended", session.id)
        for told in self.on_released:
            told(session)

    def attended(
        self, about: About, *, model: str, retention: Retention | None
    ) -> tuple[Attendance, SessionLog | None]:
        """For a session that is adopted: who is told of it, and the log; None: nothing is kept."""
        return self._attended(about, model, self._keeping_of(retention), goes_on=False)

    def _route_to(self, model: str, voice: str | None) -> Route:
        """For a session that is moved.

        Raises:
            EngineUnavailable, Fault: it cannot be.
        """
        route = self._route(model)
        if self.rules.strict and voice is not None:
            check_known_voice(voice, route.first().abilities.voices, "voice")
        return route

    def _route(self, model: str) -> Route:
        engine = self._engine_for(model)
        return Route([engine, *self._fallbacks_for(model)], self._healths)

    async def drain(self, grace_s: float) -> None:
        """Tell all sessions that the server goes away (`CloseCode.RESTART`).

        Returns when they are gone, or after ``grace_s`` seconds.
        """
        for session in list(self._sessions.values()):
            session.shut_down()
        try:
            async with asyncio.timeout(grace_s):
                await self._all_ended.wait()
        except TimeoutError:
            log.warning("%d sessions did not end within %g s", len(self._sessions), grace_s)

    async def aclose(self) -> None:
        """End all sessions at once."""
        for session in list(self._sessions.values()):
            session.close(CloseCode.RESTART, "The server is restarting; connect again.")
        for session in list(self._ending):
            await session.ended()
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_SOUND_S):
                for recorder in list(self._recording):
                    await recorder.finished.wait()

    def _terms(
        self,
        kind: SessionKind,
        model: str,
        patch: SessionPatch | None,
        engine: Engine,
        playback: Playback | None,
        past: Past | None,
        keeping: Keeping | None,
    ) -> Terms:
        seed = "".join(self._choice(_ALPHABET) for _ in range(Ids.SEED_LENGTH))
        session = self.rules.first_settings(
            kind,
            session_id=new_session_id(self._choice),
            model=model,
            expires_at=int(self._unix_s()) + self.rules.session_max_ms // 1000,
            patch=patch,
        )
        if self.rules.strict and isinstance(session, Session):
            voice, voices = session.audio.output.voice, engine.abilities.voices
            check_known_voice(voice, voices, "session.audio.output.voice")
        return Terms(
            session=session,
            seed=seed,
            engine_name=engine.name,
            engine_voices=engine.abilities.voices,
            strict=self.rules.strict,
            playout="client" if playback is None else "server",
            engine_speaks=engine.abilities.speaks,
            engine_finds_turns=engine.abilities.finds_turns,
            engine_begins=engine.abilities.full_duplex,
            engine_takes_images=engine.abilities.takes_images,
            engine_follows_items=engine.abilities.follows_items,
            engine_speculates=engine.abilities.speculates,
            image_urls=self.rules.image_urls,
            session_max_ms=self.rules.session_max_ms,
            linger_ms=self.rules.linger_ms,
            context_tokens=self.rules.context_tokens,
            announce_rate_limits=self.rules.announce_rate_limits,
            recorded=keeping is not None,
            records_sound=keeping is not None and keeping.records_sound,
            past=past,
        )

    def _keeping_of(self, retention: Retention | None) -> Keeping | None:
        """How one session is kept."""
        return None if self.keeping is None else self.keeping.asked_for(retention)

    def _attended(
        self, about: About, model: str | None, keeping: Keeping | None, *, goes_on: bool
    ) -> tuple[Attendance, SessionLog | None]:
        if keeping is None:
            return Attendance(self._resumption(about, None, goes_on=goes_on)), None
        session_log = SessionLog(keeping.journal, about, model=model, redact=keeping.redact)
        resumption = self._resumption(about, session_log, goes_on=goes_on)
        return Outbox(session_log, resumption, hold_ms=keeping.hold_ms), session_log

    def _recorder(self, keeping: Keeping, log: SessionLog, settings: AnySession) -> Recorder:
        assert keeping.encoding is not None, "there is something to write it with"
        recorder = Recorder(keeping.encoding(), log.sound)
        recorder.follow(settings)
        self._recording.add(recorder)
        return recorder

    def _resumption(self, about: About, kept: SessionLog | None, *, goes_on: bool) -> Resumption:
        return Resumption(
            Place(session_id=about.session_id, conversation_id=about.conversation_id),
            self.resume_tokens if self.rules.linger_ms else None,
            linger_ms=self.rules.linger_ms,
            is_kept=kept is not None,
            goes_on=goes_on,
            on_change=(lambda _: None) if kept is None else kept.tokens,
        )
