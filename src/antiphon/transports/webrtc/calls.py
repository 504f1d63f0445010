"""All calls of a process."""

from __future__ import annotations

import asyncio
import secrets
import string
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Final

from msgspec import Struct

from antiphon.core.causes import Ms
from antiphon.core.records import Past
from antiphon.errors import AntiphonError
from antiphon.identity.principal import ANYONE, Principal
from antiphon.protocol.dialect import GA, Dialect
from antiphon.protocol.session import SessionPatch
from antiphon.runtime.door import Retention, SessionDoor
from antiphon.runtime.hub import Hub, SessionKind
from antiphon.runtime.server_tools import ServerTools
from antiphon.runtime.throttle import Throttle
from antiphon.transports.rtp.clock import MediaClock
from antiphon.transports.webrtc.call import Call
from antiphon.transports.webrtc.candidates import NoPortFree
from antiphon.transports.webrtc.offer import OfferError, read_offer
from antiphon.transports.webrtc.peer import Identity, Peer
from antiphon.transports.webrtc.settings import WebRtcSettings

__all__ = ["Answer", "Call", "Calls", "NoPortFree", "OfferError", "TooManyCalls"]

_ALPHABET: Final = string.ascii_letters + string.digits


class TooManyCalls(AntiphonError):
    """This process holds as many calls as it may."""


class Answer(Struct, frozen=True):
    call_id: str
    """"rtc_…", for the `Location` header."""
    sdp: str


class Calls:
    """Answers offers with calls, finds them by id and ends them.

    Needs a running event loop, and the extra ``webrtc``.
    """

    def __init__(self, hub: Hub, settings: WebRtcSettings | None = None) -> None:
        self._hub = hub
        self._settings = settings or WebRtcSettings()
        self._clock = MediaClock(hub.score_complete)
        self._identity = Identity()
        self._calls: dict[str, Call] = {}
        self._offered = 0
        """Offers that are being looked at: calls to be."""

    @property
    def calls(self) -> Collection[Call]:
        """Those that hold anything, until the last byte is freed."""
        return self._calls.values()

    def get(self, call_id: str) -> Call | None:
        return self._calls.get(call_id)

    async def answer(
        self,
        offer_sdp: str,
        *,
        model: str,
        patch: SessionPatch | None = None,
        kind: SessionKind = "realtime",
        may_send: Collection[str] | None = None,
        principal: Principal = ANYONE,
        dialect: Dialect = GA,
        past: Past | None = None,
        sideband_wait_ms: Ms = 0,
        retention: Retention | None = None,
        throttle: Throttle | None = None,
        server_tools: ServerTools | None = None,
    ) -> Answer:
        """Open a session and begin a call to it; ``may_send`` as in `SessionDoor.attach`.

        ``dialect`` is that of the data channel; ``throttle`` says how fast its messages are taken.
        The others as in `Hub.open`.

        Raises:
            OfferError: the client's SDP is at fault; the message says how.
            TooManyCalls, NoPortFree: try again later.
            EngineUnavailable, Fault: as `Hub.open`.
        """
        async with self._begun(offer_sdp, dialect) as call:
            session = self._hub.open(
                kind=kind,
                model=model,
                patch=patch,
                playback=call.playback,
                principal=principal,
                past=past,
                sideband_wait_ms=sideband_wait_ms,
                retention=retention,
                server_tools=server_tools,
            )
            call.throttle = throttle
            call.begin(session, may_send)
            sdp = await call.answer()
        return Answer(call.id, sdp)

    async def go_on(
        self,
        offer_sdp: str,
        session: SessionDoor,
        *,
        token: str,
        after: str = "",
        shows_items: bool = False,
        played: int | None = None,
        may_send: Collection[str] | None = None,
        dialect: Dialect = GA,
        throttle: Throttle | None = None,
    ) -> Answer:
        """Another call to a session whose owner is back; arguments as of `SessionDoor.resume`.

        Raises:
            OfferError, TooManyCalls, NoPortFree: as `answer`.
        """
        async with self._begun(offer_sdp, dialect) as call:
            call.throttle = throttle
            call.go_on(
                session,
                may_send,
                token=token,
                after=after,
                shows_items=shows_items,
                played=played,
            )
            sdp = await call.answer()
        return Answer(call.id, sdp)

    @asynccontextmanager
    async def _begun(self, offer_sdp: str, dialect: Dialect) -> AsyncIterator[Call]:
        if len(self._calls) + self._offered >= self._settings.max_calls:
            raise TooManyCalls(f"All {self._settings.max_calls} calls are taken.")
        call = await self._offered_by(offer_sdp, dialect)
        try:
            yield call
        except BaseException:  # Also where whoever asked is gone (cancelled).
            call.hang_up("it could not be answered", for_good=not call.came_back)
            raise

    async def _offered_by(self, offer_sdp: str, dialect: Dialect) -> Call:
        self._offered += 1
        try:
            peer = await Peer.offered(read_offer(offer_sdp), self._settings, self._identity)
        finally:
            self._offered -= 1
        call_id = "rtc_" + "".join(secrets.choice(_ALPHABET) for _ in range(24))
        try:
            call = Call(call_id, peer, self._clock, self._settings, dialect, self._on_end)
        except BaseException:
            await peer.close()
            raise
        self._calls[call_id] = call
        return call

    def hang_up(self, call_id: str) -> bool:
        """Whether there was such a call, still up."""
        call = self.get(call_id)
        if call is None or call.state == "ended":
            return False
        call.hang_up("hung up by request")
        return True

    async def aclose(self) -> None:
        """End all calls, and wait until they are freed."""
        calls = list(self._calls.values())
        for call in calls:
            call.hang_up("the server goes away")
        await asyncio.gather(*(call.ended() for call in calls))

    def _on_end(self, call: Call) -> None:
        self._calls.pop(call.id, None)
