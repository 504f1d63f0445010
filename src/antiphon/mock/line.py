"""Between a session and one client: carries events as the armed faults have it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Iterable
from random import Random
from typing import Protocol

from antiphon.errors import ProtocolError
from antiphon.mock.desk import FaultDesk, Via
from antiphon.mock.fault import Place
from antiphon.mock.kinds import FaultKind
from antiphon.mock.outcomes import (
    Again,
    Altered,
    Deaf,
    Filter,
    HangUp,
    Later,
    Outcome,
    Pause,
    Refuses,
    Silence,
    StopResponse,
    Tear,
    Text,
)
from antiphon.protocol.client import ClientEvent, ResponseCancel
from antiphon.protocol.closes import CloseCode
from antiphon.protocol.dialect import Dialect
from antiphon.protocol.server import (
    Error,
    InputAudioBufferCommitted,
    ResponseCreated,
    ResponseDone,
    ServerEvent,
    TranscriptionCompleted,
    TranscriptionFailed,
)
from antiphon.runtime.connection import Connection

MAX_HELD = 10_000
"""Outcomes that wait.  Overflow policy: the connection is closed, as of a slow reader."""
CANCEL_ID = "mock_cancel"
"""Of what a fault asks of the session in the client's name."""


class Wire(Connection, Protocol):
    """A connection on which also other things than events can be said."""

    @property
    def dialect(self) -> Dialect: ...

    def write(self, message: bytes) -> None: ...

    def tear(self, *, reset: bool) -> None: ...

    def hold_reading(self, duration_s: float) -> None: ...


class Backstage(Protocol):
    """What a line may do to its session."""

    def refuse(self, connection: Connection, error: ProtocolError) -> None: ...

    def stop_response(self, response_id: str) -> None: ...

    def silence(self, duration_s: float) -> None: ...


class _Struck:
    """A fault that has its hold of one turn, one response, or the whole connection."""

    def __init__(self, filters: Filter, subject: str | None = None) -> None:
        self.filter = filters
        self.subject = subject
        """Of the item or response; None: of everything."""


class FaultyLine:
    """A `Connection`: what a session sends goes through the filters of the faults that struck.

    Args:
        struck: The faults that have struck the connection, with their ``ms``.
        random, jitter_ms: How much later than it was sent each event arrives.
    """

    def __init__(
        self,
        wire: Wire,
        desk: FaultDesk,
        backstage: Backstage,
        via: Via,
        *,
        struck: Iterable[tuple[FaultKind, int]],
        random: Random,
        jitter_ms: int = 0,
    ) -> None:
        self._wire = wire
        self._desk = desk
        self._backstage = backstage
        self._via: Via = via
        self._counts: dict[Place, int] = {"turn": 0, "response": 0}
        self._struck: list[_Struck] = []
        self._refusers: list[Refuses] = []
        self._outbound = _Outbound(self._carry_out, self._overflow, random, jitter_ms)
        self._again: Again | None = None
        self._repeating: asyncio.TimerHandle | None = None
        self._take(struck)

    # --- As a session asks ---------------------------------------------------

    @property
    def id(self) -> str:
        return self._wire.id

    @property
    def queued_bytes(self) -> int:
        return self._wire.queued_bytes

    async def flushed(self) -> None:
        await self._wire.flushed()

    def send(self, event: ServerEvent) -> None:
        if isinstance(event, Error) and event.error.event_id == CANCEL_ID:
            return  # What was to be stopped had ended.
        if isinstance(event, ResponseCreated):
            self._strike("response", event.response.id)
        elif isinstance(event, InputAudioBufferCommitted):
            self._strike("turn", event.item_id)
        for outcome in self._filtered(event):
            self._outbound.put(outcome)
        self._forget(event)

    def close(self, code: int, reason: str) -> None:
        self._outbound.put(HangUp(code, reason))

    # --- For the door --------------------------------------------------------

    def intercepts(self, event: ClientEvent) -> bool:
        """Whether the client's event does not reach the session."""
        if isinstance(event, ResponseCancel) and self._again is not None:
            rest = self._again.then
            self._stop_repeating()
            for one in rest:
                self._outbound.put(one)
            return True
        for refuses in self._refusers:
            if (error := refuses(event)) is not None:
                self._backstage.refuse(self, error)
                return True
        return False

    def gone(self) -> None:
        """The client has left."""
        self._stop_repeating()
        self._outbound.drop()

    # --- Faults --------------------------------------------------------------

    def _strike(self, place: Place, subject: str) -> None:
        self._counts[place] += 1
        self._take(self._desk.due(place, self._counts[place], self._via), subject)

    def _take(self, struck: Iterable[tuple[FaultKind, int]], subject: str | None = None) -> None:
        for kind, ms in struck:
            if kind.filters is not None:
                self._struck.append(_Struck(kind.filters(ms), subject))
            if kind.refuses is not None:
                self._refusers.append(kind.refuses)

    def _filtered(self, event: ServerEvent) -> Iterable[Outcome]:
        outcomes: list[Outcome] = [event]
        for struck in self._struck:
            if struck.subject not in (None, *_subjects(event)):
                continue
            outcomes = [
                made
                for outcome in outcomes
                for made in (
                    struck.filter(outcome) if isinstance(outcome, ServerEvent) else (outcome,)
                )
            ]
        return outcomes

    def _forget(self, event: ServerEvent) -> None:
        """What has come to its end is in no fault's hold any more."""
        ended = None
        if isinstance(event, ResponseDone):
            ended = event.response.id
        elif isinstance(event, TranscriptionCompleted | TranscriptionFailed):
            ended = event.item_id
        if ended is not None:
            self._struck = [struck for struck in self._struck if struck.subject != ended]

    # --- Outcomes ------------------------------------------------------------

    def _carry_out(self, outcome: Outcome) -> None:
        match outcome:
            case Text(message):
                self._wire.write(message)
            case Altered(event, alter):
                for message in self._wire.dialect.encode(event):
                    self._wire.write(alter(message))
            case Again():
                self._again = outcome
                self._repeat(outcome)
            case StopResponse(response_id):
                self._backstage.stop_response(response_id)
            case Deaf(ms):
                self._wire.hold_reading(ms / 1000)
            case Silence(ms):
                self._backstage.silence(ms / 1000)
            case HangUp(code, reason):
                self._wire.close(code, reason)
            case Tear(reset=reset):
                self._outbound.drop()
                self._wire.tear(reset=reset)
            case Later() | Pause():
                raise AssertionError("they were seen to before")
            case _:
                self._wire.send(outcome)

    def _repeat(self, again: Again) -> None:
        self._wire.send(again.event)
        loop = asyncio.get_running_loop()
        self._repeating = loop.call_later(again.every_ms / 1000, self._repeat, again)

    def _stop_repeating(self) -> None:
        if self._repeating is not None:
            self._repeating.cancel()
        self._again = self._repeating = None

    def _overflow(self) -> None:
        self._wire.close(CloseCode.TRY_AGAIN_LATER, "Too many events are held back.")


class _Outbound:
    """Outcomes in their order, each when it is due."""

    def __init__(
        self,
        carry_out: Callable[[Outcome], None],
        overflow: Callable[[], None],
        random: Random,
        jitter_ms: int,
    ) -> None:
        self._carry_out = carry_out
        self._overflow = overflow
        self._random = random
        self._jitter_s = jitter_ms / 1000
        self._loop = asyncio.get_running_loop()
        self._queue: deque[tuple[float, Outcome]] = deque()
        self._not_before_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._dropped = False

    def put(self, outcome: Outcome) -> None:
        if self._dropped:
            return
        now_s = self._loop.time()
        match outcome:
            case Later(later, ms):
                self._loop.call_later(ms / 1000, self._carry_out_late, later)
                return
            case Pause(ms):
                self._not_before_s = max(self._not_before_s, now_s) + ms / 1000
                return
        if len(self._queue) >= MAX_HELD:
            self.drop()
            self._overflow()
            return
        delay_s = self._random.uniform(0, self._jitter_s) if self._jitter_s else 0.0
        due_s = self._not_before_s = max(self._not_before_s, now_s + delay_s)
        if due_s <= now_s and not self._queue:
            self._carry_out(outcome)
        else:
            self._queue.append((due_s, outcome))
            self._wait()

    def drop(self) -> None:
        """Nothing more is carried out."""
        self._dropped = True
        self._queue.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _carry_out_late(self, outcome: Outcome) -> None:
        if not self._dropped:
            self._carry_out(outcome)

    def _wait(self) -> None:
        if self._timer is None and self._queue:
            self._timer = self._loop.call_at(self._queue[0][0], self._due)

    def _due(self) -> None:
        self._timer = None
        while self._queue and self._queue[0][0] <= self._loop.time():
            self._carry_out(self._queue.popleft()[1])
        self._wait()


def _subjects(event: ServerEvent) -> Collection[str]:
    """The response and the item that an event is about."""
    response = getattr(event, "response", None)
    found = (
        getattr(event, "response_id", None),
        getattr(response, "id", None),
        getattr(event, "item_id", None),
    )
    return [name for name in found if isinstance(name, str)]
