"""All calls of a process that other servers hold."""

from __future__ import annotations

import logging
import random
import secrets
import string
import time
from collections.abc import Callable
from functools import partial

from aiohttp import BaseConnector
from msgspec import Struct

from antiphon.core.terms import Terms
from antiphon.direct.bill import CallBill
from antiphon.direct.following import Following
from antiphon.direct.session import DirectSession
from antiphon.direct.sideband import Sideband
from antiphon.direct.signalling import Answered, CallRefused, NotReached, Signalling
from antiphon.engines.relay.upstreams import Upstream, Upstreams
from antiphon.identity.principal import ANYONE, Principal
from antiphon.protocol.session import Session, SessionPatch
from antiphon.runtime.door import About, Retention
from antiphon.runtime.foreseen import Foreseen
from antiphon.runtime.hub import Hub, new_session_id
from antiphon.upstream.websocket import WebSocketConnector

log = logging.getLogger(__name__)
_ALPHABET = string.ascii_letters + string.digits


class CallWish(Struct, frozen=True, kw_only=True):
    """What a call shall be."""

    model: str
    patch: SessionPatch = SessionPatch()
    principal: Principal = ANYONE
    retention: Retention | None = None


class DirectCalls:
    """Args:
    hub: Where their sessions are found, listed, counted and drained.
    upstreams: Those that hold the models.
    engine_name: How the sessions' list calls what answers.
    serves: Whether a model's calls go there.
    draw: From 0 to 1, for the time between attempts.
    make_connector: Another way than TCP, as `Served.make_connector` is.
    """

    def __init__(
        self,
        hub: Hub,
        upstreams: Upstreams,
        *,
        engine_name: str,
        serves: Callable[[str], bool],
        draw: Callable[[], float] = random.random,
        make_connector: Callable[[], BaseConnector] | None = None,
    ) -> None:
        self.serves = serves
        self._hub = hub
        self._upstreams = upstreams
        self._engine_name = engine_name
        self._draw = draw
        self._make_connector = make_connector
        self._signalling = Signalling(make_connector)
        self._calls: dict[str, DirectSession] = {}
        """By our id of the call."""

    def get(self, name: str) -> DirectSession | None:
        """By our id of the call, or by the other server's id of the session."""
        if (found := self._calls.get(name)) is not None:
            return found
        return next((s for s in self._calls.values() if s.settings.id == name), None)

    async def answer(self, offer: str, wish: CallWish) -> Answered:
        """Let one of the upstreams answer, and follow the call.  The id is ours.

        Raises:
            Fault: its settings cannot be.
            CallRefused: none of the upstreams takes it.
            NotReached: none can be reached.
        """
        session = self._hub.rules.first_settings(
            "realtime",
            session_id=new_session_id(),
            model=wish.model,
            expires_at=int(time.time()) + self._hub.rules.session_max_ms // 1000,
            patch=wish.patch,
        )
        assert isinstance(session, Session), "that kind was asked for"
        upstream, answered = await self._offered(offer, wish)
        call_id = _new_id("rtc")
        self._calls[call_id] = self._opened(session, wish, call_id, upstream, answered.call_id)
        return Answered(call_id, answered.sdp)

    # --- Steps ---------------------------------------------------------------

    async def _offered(self, offer: str, wish: CallWish) -> tuple[Upstream, Answered]:
        tried: list[Upstream] = []
        while True:
            upstream = self._upstreams.pick(tried)
            assert upstream is not None, "there is one to begin with"
            try:
                answered = await self._signalling.offer(
                    upstream, offer, model=wish.model, patch=wish.patch
                )
            except (CallRefused, NotReached) as error:
                if isinstance(error, CallRefused) and not error.may_pass:
                    raise
                self._upstreams.failed(upstream)
                tried.append(upstream)
                if self._upstreams.pick(tried) is None:
                    raise
                log.warning("direct call: %s: %s; another is asked", upstream.place, error)
            else:
                self._upstreams.succeeded(upstream)
                return upstream, answered

    def _opened(
        self, session: Session, wish: CallWish, call_id: str, upstream: Upstream, their_id: str
    ) -> DirectSession:
        about = About(
            session_id=session.id,
            engine_name=self._engine_name,
            transport="webrtc",
            began_at=int(time.time()),
            conversation_id=_new_id("conv"),
            principal=wish.principal,
        )
        attendance, session_log = self._hub.attended(
            about, model=wish.model, retention=wish.retention
        )
        connect = WebSocketConnector(
            upstream.sideband_url(wish.model, their_id),
            upstream.bearer,
            upstream.headers,
            self._make_connector,
        )
        opened = DirectSession(
            about,
            call_id,
            Following(session, about.conversation_id),
            attendance=attendance,
            session_log=session_log,
            follow=lambda follower: Sideband(connect, follower, random=self._draw),
            hang_up=partial(self._signalling.hang_up, upstream, their_id, model=wish.model),
            on_end=self._forget,
            bill_of=partial(self._bill_of, session),
        )
        self._hub.adopt(opened, None if opened.bill is None else opened.bill.meter)
        return opened

    def _bill_of(self, settings: Session, session: DirectSession) -> CallBill | None:
        metering = self._hub.metering
        if metering is None:
            return None
        terms = Terms(
            session=settings,
            seed="",
            engine_name=self._engine_name,
            session_max_ms=self._hub.rules.session_max_ms,
        )
        meter = metering.meter(terms, session.about, lambda _: None)
        foreseen = Foreseen(meter.meter, metering.prices)
        return CallBill(session, meter, foreseen, metering.ledger)

    def _forget(self, session: DirectSession) -> None:
        self._calls.pop(session.call_id, None)
        self._hub.release(session)


def _new_id(prefix: str) -> str:
    return f"{prefix}_" + "".join(secrets.choice(_ALPHABET) for _ in range(24))
