"""One call: a peer, its media, its events, and the session they belong to."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine
from typing import Literal

from antiphon.errors import ProtocolError
from antiphon.protocol.closes import CloseCode
from antiphon.protocol.dialect import Dialect
from antiphon.runtime.door import SessionDoor
from antiphon.runtime.throttle import TOO_FAST, Throttle, too_fast
from antiphon.transports.rtp.clock import MediaClock
from antiphon.transports.rtp.codec import CodecName
from antiphon.transports.rtp.coders import RATES_HZ, decoder, encoder
from antiphon.transports.rtp.incoming import IncomingStream
from antiphon.transports.rtp.outgoing import OutgoingStream
from antiphon.transports.rtp.playback import PacedPlayback
from antiphon.transports.rtp.rtcp import CallQuality, Reporter
from antiphon.transports.rtp.session import RtpSession
from antiphon.transports.webrtc.channel import EventsChannel
from antiphon.transports.webrtc.peer import Peer
from antiphon.transports.webrtc.settings import WebRtcSettings

log = logging.getLogger(__name__)

CallState = Literal["connecting", "connected", "ended"]


class Call:
    """Made with a peer whose offer can be answered; then `begin` and `answer`.  Ends itself.

    The session ends with the call, and the call with the session.  It ends too where the
    client closes the data channel, and where its media are not up within the set-up time.  Where
    the client is one that ``lingers``, only a data channel that it closes is a goodbye: its whole
    connection may go without one, as when a page is loaded anew, and the session waits.  A
    channel that opens late finds all events of before; one that never does is missed by nobody.

    Media may die while the data channel lives (a client that stops all its tracks, a fault in
    its sender).  The call then goes on, as with a muted microphone: the session hears
    silence.  It is logged, and `quality.media_silent_s` tells.  A dead network kills both,
    and ICE notices within half a minute.
    """

    def __init__(
        self,
        call_id: str,
        peer: Peer,
        clock: MediaClock,
        settings: WebRtcSettings,
        dialect: Dialect,
        on_end: Callable[[Call], None],
    ) -> None:
        self.id = call_id
        self.state: CallState = "connecting"
        self.session: SessionDoor | None = None
        self._peer = peer
        self._clock = clock
        self._settings = settings
        self._on_end = on_end
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended = asyncio.Event()
        self.came_back = False
        """To a session that another call had."""
        self.throttle: Throttle | None = None
        self.lingers = False
        self._is_over = False
        """The session is done with us; it may go on with another call."""
        self._media = self._rtp_session()
        self._channel = EventsChannel(
            call_id,
            peer.channels,
            dialect=dialect,
            max_message_bytes=peer.offer.max_message_bytes,
            expected=peer.offer.has_channel,
            on_close=self._on_session_close,
        )

    def _rtp_session(self) -> RtpSession:
        offer, peer = self._peer.offer, self._peer
        # A way that is not offered is coded as the other one, and goes nowhere.
        incoming, outgoing = offer.incoming or offer.outgoing, offer.outgoing or offer.incoming
        assert incoming is not None
        assert outgoing is not None
        playback = PacedPlayback(encoder(outgoing.codec), self._on_drained)
        rate_hz, ssrc = RATES_HZ[outgoing.codec], peer.voice.ssrc
        send = None if offer.outgoing is None else peer.send_rtp
        return RtpSession(
            self.id,
            IncomingStream(
                incoming.payload_type,
                decoder(incoming.codec),
                RATES_HZ[incoming.codec],
                self._hear,
                self._awaits_silence,
            ),
            OutgoingStream(playback, outgoing.payload_type, rate_hz, ssrc, send),
            Reporter(ssrc, peer.voice.cname, rate_hz),
            peer.send_rtcp,
            receives=offer.incoming is not None,
        )

    def begin(self, session: SessionDoor, may_send: Collection[str] | None = None) -> None:
        """Belong to a session that was opened with our `playback`."""
        self.session = session
        session.attach(self._channel, may_send=may_send)

    def go_on(
        self,
        session: SessionDoor,
        may_send: Collection[str] | None,
        *,
        token: str,
        after: str,
        shows_items: bool,
        played: int | None,
    ) -> None:
        """Belong to a session that another call had (`SessionDoor.resume`)."""
        self.session = session
        self.came_back = True
        session.resume(
            self._channel,
            token=token,
            may_send=may_send,
            after=after,
            shows_items=shows_items,
            playback=self.playback,
            played=played,
        )

    async def answer(self) -> str:
        sdp = await self._peer.answer(self)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._settings.setup_timeout_s, self._on_timeout)
        log.info(
            "call %s: answered for session %s, %s",
            self.id,
            self.session.id if self.session else "none",
            self.codec,
        )
        return sdp

    def restart(self, sdp: str) -> str:
        """The answer to an offer that restarts ICE, in the middle of the call.

        Raises:
            OfferError: it is none of this call's peer.
        """
        answer = self._peer.restart(sdp)
        log.info("call %s: the client's network has changed", self.id)
        return answer

    @property
    def playback(self) -> PacedPlayback:
        return self._media.playback

    @property
    def codec(self) -> CodecName:
        """Of what is heard; of what is said, where nothing is."""
        way = self._peer.offer.incoming or self._peer.offer.outgoing
        assert way is not None
        return way.codec

    def hang_up(self, reason: str = "hung up", *, for_good: bool = True) -> None:
        """End the call now; `ended` waits until all is freed.

        ``for_good``: the session need not wait for another call.
        """
        if self.state == "ended":
            return
        if self.state == "connected":
            self._clock.catch_up()
            self._clock.leave(self._media)
            self._media.stop()
        self.state = "ended"
        if self._timer is not None:
            self._timer.cancel()
        if self.session is not None:
            self.session.detach(self._channel, for_good=for_good)
        log.info("call %s: ended: %s", self.id, reason)
        self._spawn(self._close())

    async def ended(self) -> None:
        await self._ended.wait()

    async def _close(self) -> None:
        try:
            await self._peer.close()
        finally:
            self._ended.set()
            self._on_end(self)

    def _on_session_close(self, code: int, reason: str) -> None:
        """The last events (the reason among them) may still be on their way."""
        self._is_over = True
        self._spawn(self._close_after_delivery(code, reason))

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _close_after_delivery(self, code: int, reason: str) -> None:
        try:
            async with asyncio.timeout(self._settings.close_timeout_s):
                await self._peer.delivered()
        except TimeoutError:
            log.info("call %s: its last events did not arrive", self.id)
        self.hang_up(f"closed by its session ({code}: {reason})")

    def _on_timeout(self) -> None:
        if self.state == "connecting":
            # Of one who comes back the next try may succeed.
            reason = "no media connection within the set-up time"
            self.hang_up(reason, for_good=not self.came_back)
        else:
            log.info("call %s: media is up, but no data channel so far", self.id)

    # --- What the peer tells -------------------------------------------------

    def on_connected(self) -> None:
        if self.state != "connecting":
            return
        self.state = "connected"
        self._media.start()
        self._clock.join(self._media)
        self._cancel_timer_when_up()

    def _cancel_timer_when_up(self) -> None:
        up = self.state == "connected" and (self._channel.is_open or not self._channel.is_expected)
        if up and self._timer is not None:
            self._timer.cancel()

    def on_channel_open(self) -> None:
        self._channel.opened()
        self._cancel_timer_when_up()

    def on_channel_settled(self) -> None:
        self._channel.settled()

    def on_channel_lost(self) -> None:
        self._channel.lost()

    def on_channel_closed(self) -> None:
        self.hang_up("the client closed the data channel")

    def on_channel_torn(self) -> None:
        self.hang_up("the client is gone", for_good=not self.lingers)

    def on_left(self) -> None:
        self.hang_up("the peer left", for_good=not self.lingers)

    def on_lost(self, reason: str) -> None:
        self.hang_up(reason, for_good=False)

    def on_refused(self) -> None:
        self._media.refuse()

    def on_message(self, data: str | bytes) -> None:
        session = self.session
        if session is None or self.state == "ended":
            return
        self._clock.catch_up(self._media)
        try:
            event = self._channel.read(data)
        except ProtocolError as error:
            session.refuse(self._channel, error)
            return
        # SCTP would go on to take in what we do not read, so nothing is held back here.
        if self.throttle is None or self.throttle.wait_s(len(data), can_wait=False) is not None:
            session.receive(self._channel, event)
        elif self.throttle.is_over:
            self._on_session_close(CloseCode.NOT_SERVED, TOO_FAST)
        else:
            session.refuse(self._channel, too_fast(event.event_id))

    def on_rtp(self, packet: bytes) -> None:
        self._clock.file(self._media, packet)

    def on_sealed_rtp(self, datagram: bytes) -> None:
        self._clock.file(self._media, datagram, self._opened)

    def on_rtcp(self, packet: bytes) -> None:
        self._media.on_rtcp(packet)

    # --- Its sound -----------------------------------------------------------

    def _opened(self, datagram: bytes) -> bytes | None:
        packet = self._peer.open_rtp(datagram)
        if packet is None:
            self._media.refuse()
        return packet

    def _hear(self, pcm: bytes) -> None:
        if self.session is not None and not self._is_over:
            self.session.hear(pcm)

    def _awaits_silence(self) -> bool:
        return self.session is None or self.session.awaits_silence

    def _on_drained(self) -> None:
        if self.session is not None and not self._is_over:
            self.session.drained()

    @property
    def quality(self) -> CallQuality:
        return self._media.quality
