"""A call whose media go to another server, as a session that lives here: a `SessionDoor`."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Literal, NoReturn

from msgspec.structs import replace

from antiphon.core.conversation import TAKEN_OVER_TEXT
from antiphon.core.faults import Fault
from antiphon.core.records import Change, ItemChanged, Record
from antiphon.core.terms import Activity
from antiphon.direct.bill import CallBill
from antiphon.direct.following import Following
from antiphon.direct.sideband import Sideband
from antiphon.direct.signalling import CallRefused, NotReached
from antiphon.direct.supervision import DirectSupervision
from antiphon.errors import ProtocolError
from antiphon.metering.budgets import Standing
from antiphon.protocol import server
from antiphon.protocol.client import (
    ClientEvent,
    ConversationItemRetrieve,
    MoveSession,
    ResponseCancel,
)
from antiphon.protocol.closes import CloseCode
from antiphon.protocol.server import ErrorDetail, ServerEvent
from antiphon.protocol.session import Answering, Session
from antiphon.protocol.unknown_names import UnknownNames
from antiphon.runtime.attendance import Attendance
from antiphon.runtime.budget_guard import SPENT
from antiphon.runtime.connection import Connection
from antiphon.runtime.door import About
from antiphon.runtime.session import SESSION_ENDED
from antiphon.runtime.session_log import SessionLog
from antiphon.upstream.wire import Foreign

log = logging.getLogger(__name__)
_unknown_events = UnknownNames(log, "event '%s' of a direct call is not known here: %s")

NOT_MOVED = "A direct call cannot be moved: its media go straight to the other server."
NOT_JOINED = (
    "The other server, which holds this call, cannot be reached now; nothing was sent there. "
    "Send it again in a moment."
)


class DirectSession:
    """Everything happens on the event loop; no method waits.

    Args:
        call_id: Ours.
        attendance: Of the sidebands here, and the log that they wait for.
        session_log: Told where something was missed; None: nothing is kept.
        follow: Begins to follow the call.
        hang_up: Ends it there; raises `CallRefused`, `NotReached`.
        on_end: Told once.
    bill_of: What it costs; None: nobody counts.
    """

    def __init__(
        self,
        about: About,
        call_id: str,
        following: Following,
        *,
        attendance: Attendance,
        session_log: SessionLog | None,
        follow: Callable[[DirectSession], Sideband],
        hang_up: Callable[[], Awaitable[None]],
        on_end: Callable[[DirectSession], None],
        bill_of: Callable[[DirectSession], CallBill | None] = lambda _: None,
    ) -> None:
        self.about = about
        self.call_id = call_id
        self._following = following
        self._attendance = attendance
        self._session_log = session_log
        self._hang_up = hang_up
        self._on_end = on_end
        self._drains = False
        self._closing: asyncio.Task[None] | None = None
        self.bill = bill_of(self)
        self.supervision = DirectSupervision(
            items=lambda: [item for _, item in following.items],
            is_answering=lambda: following.activity == "responding",
            write=self._write,
        )
        self._keep(following.begin())
        self._sideband = follow(self)

    # --- The door (documented at `SessionDoor`) ------------------------------

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
        assert not owns, "its owner is the call, which the other server holds"
        if self._closing is not None:
            connection.close(CloseCode.NORMAL, SESSION_ENDED)
            return
        is_told_all = self._attendance.join(connection, may_send, owns=False, after=after)
        created = server.SessionCreated(event_id=_event_id(), session=self._shown())
        self._attendance.welcome(connection.id, created)
        if not is_told_all:
            self._show_items(connection)

    def being_heard(self) -> Sequence[ItemChanged]:
        return ()  # Its sound goes past us.

    def resume(self, *_: object, **__: object) -> NoReturn:
        raise AssertionError("it keeps no seat")

    def detach(self, connection: Connection, *, for_good: bool = False) -> None:
        self._attendance.leave(connection, for_good=for_good)

    def receive(self, connection: Connection, event: ClientEvent) -> None:
        if connection not in self._attendance or self._closing is not None:
            return
        try:
            self._attendance.check(connection, event)
            self._check(event)
        except ProtocolError as error:
            self.refuse(connection, error)
        else:
            self._sideband.write([event])

    def refuse(self, connection: Connection, error: ProtocolError) -> None:
        detail = ErrorDetail(
            code=error.code, message=error.message, param=error.param, event_id=error.event_id
        )
        event = server.Error(event_id=_event_id(), error=detail)
        self._attendance.send_to(connection.id, event)

    def hear(self, pcm: bytes) -> NoReturn:
        raise AssertionError(f"its media go elsewhere ({len(pcm)} bytes)")

    @property
    def awaits_silence(self) -> NoReturn:
        raise AssertionError("its media go elsewhere")

    def drained(self) -> NoReturn:
        raise AssertionError("its media go elsewhere")

    def move(self, *, model: str | None = None, voice: str | None = None) -> None:
        del voice
        raise Fault("not_in_direct_calls", NOT_MOVED, param=None if model is None else "model")

    @property
    def settings(self) -> Session:
        return self._following.session

    @property
    def state(self) -> Activity | Literal["ended"]:
        return "ended" if self._closing is not None else self._following.activity

    @property
    def connection_roles(self) -> Mapping[str, Literal["owner", "sideband"]]:
        roles: dict[str, Literal["owner", "sideband"]] = dict.fromkeys(self._attendance, "sideband")
        return {self.call_id: "owner", **roles}

    @property
    def keeps_a_seat(self) -> bool:
        return False

    def close(self, code: int, reason: str) -> None:
        self._end(code, reason, hangs_up=True)

    def warn(self, error: ProtocolError) -> None:
        """The call's own client is not connected here: only sidebands are told."""
        detail = ErrorDetail(code=error.code, message=error.message, param=error.param)
        event = server.Error(event_id=_event_id(), error=detail)
        for name in list(self._attendance):
            self._attendance.send_to(name, event)

    def be_taken_over(self) -> None:
        self.close(CloseCode.TAKEN_OVER, TAKEN_OVER_TEXT)

    async def ended(self) -> None:
        if self._closing is not None:
            await self._closing
            await self._attendance.emptied()

    # --- For the hub, and those who hold calls -------------------------------

    def shut_down(self) -> None:
        """End once the running response is done."""
        self._drains = True
        self._end_if_drained()

    async def hang_up(self) -> None:
        """Raises:
        CallRefused, NotReached: the call goes on.
        """
        await self._hang_up()
        self._end(CloseCode.NORMAL, SESSION_ENDED, hangs_up=False)

    # --- For the sideband ----------------------------------------------------

    @property
    def name(self) -> str:
        return self.id

    def on_joined(self, *, again: bool) -> None:
        log.info("session %s: its call is followed", self.id)
        if again:
            self._ask(self._following.rejoined())

    def on_unfollowed(self) -> None:
        log.warning("session %s: its call goes on unfollowed; what is said is missing", self.id)
        self._note_missing()

    def on_event(self, event: ServerEvent | Foreign) -> None:
        if self._closing is not None:
            return
        if isinstance(event, Foreign):
            _unknown_events.tell(event.type, "it is passed on to nobody")
            return
        before = self._following.session
        meaning = self._following.saw(event)
        self._keep(meaning.changes)
        if meaning.is_missing:
            self._note_missing()
        self._ask(meaning.asks)
        match event:
            case server.SessionCreated() | server.SessionUpdated():
                is_news = isinstance(event, server.SessionUpdated)
                if is_news or self._following.session != before:
                    told = server.SessionUpdated(event_id=event.event_id, session=self._shown())
                    self._attendance.send(told)
            case _ if not meaning.is_ours:
                self._attendance.send(event)
                self.supervision.saw(event)
        if self.bill is not None:
            self.bill.saw(event, self._following.session)
        self._end_if_drained()

    def on_over(self, code: int, reason: str) -> None:
        self._end(code, reason, hangs_up=False)

    # --- For its bill --------------------------------------------------------

    def on_budget(self, standing: Standing) -> None:
        """Only sidebands are told: the call's own client is not connected here."""
        assert standing.stage is not None, "there is something to tell"
        told = server.BudgetTold(
            event_id=_event_id(),
            stage=standing.stage,
            scope=standing.scope,
            period=standing.period,
            limit_nano_usd=standing.limit,
            spent_nano_usd=standing.spent,
        )
        self._attendance.send(told)

    def stop_answering(self) -> None:
        self._sideband.write([ResponseCancel()])

    def on_spent(self) -> None:
        if self._closing is not None:
            return
        detail = ErrorDetail(type="insufficient_quota", code="budget_exceeded", message=SPENT)
        self._attendance.send(server.Error(event_id=_event_id(), error=detail))
        log.info("session %s: its budget is spent, and its call is hung up", self.id)
        self.close(CloseCode.NORMAL, SPENT)

    # --- Steps ---------------------------------------------------------------

    def _check(self, event: ClientEvent) -> None:
        if isinstance(event, MoveSession):
            raise ProtocolError("not_in_direct_calls", NOT_MOVED, event_id=event.event_id)
        if not self._sideband.is_joined:
            raise ProtocolError("upstream_unavailable", NOT_JOINED, event_id=event.event_id)

    def _write(self, events: Collection[ClientEvent]) -> None:
        if not self._sideband.is_joined:
            raise Fault("upstream_unavailable", NOT_JOINED)
        self._sideband.write(list(events))

    def _shown(self) -> Session:
        return replace(self._following.session, antiphon=Answering(self.about.engine_name))

    def _show_items(self, connection: Connection) -> None:
        for previous, item in self._following.items:
            for kind in (server.ConversationItemAdded, server.ConversationItemDone):
                event = kind(event_id=_event_id(), previous_item_id=previous, item=item)
                self._attendance.send_to(connection.id, event)

    def _keep(self, changes: Collection[Change]) -> None:
        for change in changes:
            self._attendance.record(Record(change, 0))

    def _ask(self, asks: Collection[ConversationItemRetrieve]) -> None:
        self._sideband.write(asks)

    def _note_missing(self) -> None:
        if self._session_log is not None:
            self._session_log.missed()

    def _end_if_drained(self) -> None:
        if self._drains and self._following.activity != "responding":
            self.close(CloseCode.RESTART, "The server is restarting; connect again.")

    def _end(self, code: int, reason: str, *, hangs_up: bool) -> None:
        if self._closing is not None:
            return
        if self.bill is not None:
            self.bill.close()
        self._attendance.close(code, reason)
        self.supervision.close()
        self._closing = asyncio.get_running_loop().create_task(self._close(hangs_up=hangs_up))
        self._on_end(self)

    async def _close(self, *, hangs_up: bool) -> None:
        await self._sideband.aclose()
        if not hangs_up:
            return
        try:
            await self._hang_up()
        except (CallRefused, NotReached) as error:
            log.warning("session %s: its call may live on: %s", self.id, error)


def _event_id() -> str:
    return f"event_{secrets.token_hex(10)}"
