"""Between the core and an upstream: commands to its events, its events to news.  No I/O.

What waits while there is no upstream waits here as state (turns, answers, settings), not as a
queue of messages: the next upstream is told how things are, not what happened.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from antiphon.core.causes import EngineErred, EngineNews, RateLimitsChanged, TurnFound
from antiphon.core.effects import (
    Configure,
    EngineCommand,
    Generate,
    Hear,
    InputDropped,
    ItemAdded,
    ItemCut,
    ItemRemoved,
    StopGenerating,
    TurnBegan,
    TurnCommitted,
)
from antiphon.engines.relay.answers import Answers
from antiphon.engines.relay.hearing import Hearing
from antiphon.engines.relay.mirror import Mirror
from antiphon.engines.relay.owed import OWN, OwedAnswer
from antiphon.engines.relay.pace import Pace
from antiphon.engines.relay.wishes import (
    TurnFinding,
    detects,
    essentials,
    remembering,
    turn_finding,
    wishes,
)
from antiphon.protocol import server
from antiphon.protocol.client import ClientEvent, SessionUpdate
from antiphon.protocol.session import AnySession, Session, SessionPatch

log = logging.getLogger(__name__)

SETTINGS = 3
"""Messages by which an upstream is set up: what we rely on, what the client wishes, who finds
turns."""
EXPECTED_ERRORS = frozenset({"stop", "clear"})
"""What crossed something of the upstream's: nothing to cancel any more, nothing to clear."""


UNSEEN_ERRORS = frozenset({"delete", "cut"})
"""Of what the client knows nothing of: these bring the upstream into line with us."""
EXPIRED = "session_expired"
"""Its session ends, and ours goes on in another one."""


class Interpreter:
    """Args:
    name: Of the session, for the log.
    finding: Who finds the user's turns.
    now_s: A clock.
    """

    def __init__(self, name: str, finding: TurnFinding, now_s: Callable[[], float]) -> None:
        self._name = name
        self._finding: TurnFinding = finding
        self.to_upstream: list[ClientEvent] = []
        """What is to be sent; who sends it takes it out."""
        self.news: deque[EngineNews] = deque()
        """Bounded by its reader, who reads no more of the upstream while there is much."""
        write, tell = self.to_upstream.append, self.news.append
        self._owed = OwedAnswer(write, tell, now_s)
        self._hearing = Hearing(write, tell, Pace(now_s), self._on_turn_ended)
        self._answers = Answers(write, tell, self._hearing.mirror)
        self._session: AnySession | None = None
        self._plugged = False
        self._on_event = self._handlers()

    # --- For those who carry it out ------------------------------------------

    @property
    def session(self) -> AnySession | None:
        """As it was configured last."""
        return self._session

    @property
    def is_calm(self) -> bool:
        """Nobody speaks, and nothing is awaited."""
        is_owed = self._owed.is_due
        return self._hearing.is_calm and self._answers.is_calm and not is_owed and not self.news

    @property
    def version(self) -> tuple[object, ...]:
        """Of all that another upstream would have to be told."""
        return (self._hearing.mirror.version, self._session)

    def take_news(self) -> EngineNews:
        return self.news.popleft()

    def was_told(self, news: EngineNews) -> None:
        """The core has dealt with it."""
        if isinstance(news, TurnFound):
            self._hearing.not_begun()
        self._answers.was_told(news)

    # --- Commands ------------------------------------------------------------

    def command(self, command: EngineCommand) -> None:
        match command:
            case Hear():
                self._hearing.hear(command)
            case Configure(session, memory):
                self._configure(remembering(session, memory))
            case TurnBegan():
                self._owed.begun()  # Both turns will be answered in one.
                self._hearing.begin(command)
            case TurnCommitted():
                self._hearing.commit(command)
                self._ask_owed()
            case InputDropped():
                self._hearing.drop()
            case ItemAdded(item, _, str(name)):
                self._answers.name_item(name, item)
            case ItemAdded() | ItemCut() | ItemRemoved():
                self._follow(command)
            case Generate():
                self._answers.generate(command)
            case StopGenerating(response_id):
                self._answers.stop(response_id)
                kept = [n for n in self.news if getattr(n, "response_id", None) != response_id]
                self.news.clear()
                self.news.extend(kept)

    def _configure(self, session: AnySession) -> None:
        self._session = session
        self._hearing.configure(
            upstream_detects=detects(session, self._finding),
            transcribes=session.audio.input.transcription is not None
            or not isinstance(session, Session),
        )
        if not self._plugged:
            return
        self._set(wishes(session))
        if self._finding != "ours":
            self._set(turn_finding(session, self._finding))
        self._answers.settings = session if isinstance(session, Session) else None

    def _follow(self, change: ItemAdded | ItemCut | ItemRemoved) -> None:
        """Where the upstream answers of itself it is told at once what it is to know; else before
        the next answer that it is asked for.
        """
        mirror, at_once = self._hearing.mirror, self._finding == "duplex"
        # What is written while there is no upstream is of no use: the next one is told all.
        out = self.to_upstream if self._plugged else []
        match change:
            case ItemAdded(item, previous_item_id) if at_once:
                mirror.follow(item, previous_item_id, out)
            case ItemRemoved(item_id) if at_once:
                mirror.remove(item_id, out)
            case ItemCut(item, audio_end_ms):
                held = mirror.cut(item, audio_end_ms)
                if at_once and held is not None and held.settled:
                    mirror.mend(held, out)
            case _:
                pass

    def _set(self, patch: SessionPatch) -> None:
        self.to_upstream.append(_set(patch))

    # --- What the upstream says ----------------------------------------------

    def event(self, event: server.ServerEvent) -> None:
        handle = self._on_event.get(type(event))
        if handle is not None:
            handle(event)

    def _handlers(self) -> dict[type, Callable[[Any], None]]:
        hearing, answers = self._hearing, self._answers
        return {
            server.ResponseOutputAudioDelta: answers.on_spoke,
            server.ResponseOutputAudioTranscriptDelta: answers.on_said,
            server.ResponseOutputTextDelta: answers.on_wrote,
            server.ResponseFunctionCallArgumentsDelta: answers.on_arguments,
            server.ResponseFunctionCallArgumentsDone: answers.on_arguments,
            server.ResponseOutputItemAdded: self._on_item_added,
            server.ResponseOutputItemDone: answers.on_item_done,
            server.ResponseCreated: self._on_created,
            server.ResponseDone: answers.on_done,
            server.SpeechStarted: hearing.on_started,
            server.SpeechStopped: hearing.on_stopped,
            server.InputAudioBufferCommitted: self._on_committed,
            server.TranscriptionDelta: hearing.on_transcript,
            server.TranscriptionCompleted: hearing.on_transcript,
            server.TranscriptionFailed: hearing.on_transcript,
            server.RateLimitsUpdated: self._on_rate_limits,
            server.Error: self._on_error,
        }

    def _on_created(self, event: server.ResponseCreated) -> None:
        self._owed.begun()
        self._answers.on_created(event)

    def _on_item_added(self, event: server.ResponseOutputItemAdded) -> None:
        if self._answers.adopt(event.response_id, is_owed=self._owed.is_due):
            self._owed.begun()
        self._answers.on_item_added(event)

    def _ask_owed(self) -> None:
        """What an upstream does not know that it owes; once it knows the turn."""
        if self._plugged and not self._hearing.is_open:
            self._owed.ask()

    def _on_turn_ended(self) -> None:
        if self._answers_of_itself:
            self._owed.turn_ended()

    def _on_committed(self, event: server.InputAudioBufferCommitted) -> None:
        self._hearing.on_committed(event, self.to_upstream)
        self._answers.ask_waiting("turns")

    @property
    def _answers_of_itself(self) -> bool:
        session = self._session
        detection = None if session is None else session.audio.input.turn_detection
        return self._finding == "duplex" and detection is not None and detection.create_response

    def _on_error(self, event: server.Error) -> None:
        detail = event.error
        what, _, name = (detail.event_id or "").partition(":")
        match what:
            case "ask":
                self._answers.on_refused(name, detail)
                return
            case "turn":
                self._hearing.on_refused(name, detail)
                return
            case _ if what == OWN:
                self._owed.on_refused(detail)
                return
            case "set":
                self._answers.settings = None  # So each answer says all that it wants.
                self._tell_error(detail)
            case _ if what in EXPECTED_ERRORS:
                return
            case _ if what not in UNSEEN_ERRORS and detail.code != EXPIRED:
                self._tell_error(detail)
        # Without its message, which may quote what somebody said.
        log.warning(
            "session %s: the upstream had an error: %s %s (%s)",
            self._name,
            detail.code,
            detail.param or "",
            what or "of no event of ours",
        )

    def _tell_error(self, detail: server.ErrorDetail) -> None:
        # The event that it names is one of ours, which the client never saw.
        self.news.append(EngineErred(replace(detail, event_id=None)))

    def _on_rate_limits(self, event: server.RateLimitsUpdated) -> None:
        self.news.append(RateLimitsChanged(event.rate_limits))

    # --- Another upstream ----------------------------------------------------

    def plug(self) -> None:
        """An upstream that knows nothing is there: tell it how things are."""
        session = self._session
        assert session is not None, "it was configured before it was dialled"
        self._plugged = True
        self._set(essentials(session))
        self._set(wishes(session))
        mirror = self._hearing.mirror.rebuilt(self.to_upstream, commit=self._hearing.commit_again)
        self._take_over(mirror)
        self._set(turn_finding(session, self._finding))
        self._answers.settings = session if isinstance(session, Session) else None
        self._hearing.catch_up()
        self._answers.ask_again()
        self._owed.miss()
        self._ask_owed()

    def unplug(self) -> None:
        """There is no upstream any more."""
        if not self._plugged:
            return
        self._plugged = False
        self._hearing.unplug()
        self._answers.unplug()

    def prepared(self) -> tuple[Mirror, list[ClientEvent]]:
        """For another upstream, while this one still serves: what it is to hold, and how to
        tell it.  `SETTINGS` of the events are settings, and the last is one of them.
        """
        session = self._session
        assert session is not None, "it is served"
        out: list[ClientEvent] = [_set(essentials(session)), _set(wishes(session))]
        mirror = self._hearing.mirror.rebuilt(out, commit=lambda _: False)
        out.append(_set(turn_finding(session, self._finding)))
        return mirror, out

    def switch(self, mirror: Mirror) -> None:
        """An upstream that was prepared takes over, in a calm moment."""
        self._hearing.fail_awaited("The upstream did not tell what was said.", "not_transcribed")
        self._hearing.unplug()
        self._answers.unplug()
        self._take_over(mirror)
        self._answers.settings = self._session if isinstance(self._session, Session) else None
        self._hearing.catch_up()

    def give_up_overdue(self, stall_s: float) -> bool:
        """Whoever waits for words of a turn waits no longer than is worth it.

        Returns whether the upstream has owed an answer in silence for so long that it is lost.
        """
        self._hearing.give_up_overdue()
        # While there is news, it is the client who takes its time, and nothing is read.
        is_owed = self._owed.is_overdue(stall_s) or self._answers.is_overdue(stall_s)
        return self._plugged and not self.news and is_owed

    def fail_awaited(self, message: str, code: str) -> None:
        """There is no upstream, and none will be there soon."""
        self._answers.fail_awaited(message, code)
        self._hearing.fail_awaited(message, code)
        if not self._hearing.is_open:
            self._owed.fail(message, code)

    def refused(self, message: str, code: str) -> None:
        """As `fail_awaited`; and whoever speaks is to be told."""
        self.fail_awaited(message, code)
        self._hearing.stand_in()

    def _take_over(self, mirror: Mirror) -> None:
        self._hearing.plug(mirror)
        self._answers.plug(mirror)


def _set(patch: SessionPatch) -> SessionUpdate:
    return SessionUpdate(event_id="set", session=patch)
