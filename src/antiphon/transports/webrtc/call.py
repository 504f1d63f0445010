"""One call: a peer, its microphone and its ear, and the session they belong to."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Collection, Coroutine
from typing import Final, Literal

from antiphon.errors import ProtocolError
from antiphon.protocol.client import ClientEvent
from antiphon.protocol.dialect import Dialect
from antiphon.runtime.door import SessionDoor
from antiphon.transports.webrtc.channel import EventsChannel
from antiphon.transports.webrtc.clock import PacingClock
from antiphon.transports.webrtc.codec import (
    FRAME_MS,
    CodecName,
    Decoder,
    Encoder,
    G711Decoder,
    G711Encoder,
)
from antiphon.transports.webrtc.jitter import Conceal, Frame, JitterBuffer, Piece, Recover, Silence
from antiphon.transports.webrtc.offer import Offer, read_offer
from antiphon.transports.webrtc.opus import OpusDecoder, OpusEncoder
from antiphon.transports.webrtc.peer import Agreed, Peer
from antiphon.transports.webrtc.playback import PacedPlayback
from antiphon.transports.webrtc.rtcp import (
    REPORT_INTERVAL_S,
    CallQuality,
    Reporter,
    Sent,
    parse_rtcp,
)
from antiphon.transports.webrtc.rtp import pack_rtp, parse_rtp
from antiphon.transports.webrtc.settings import WebRtcSettings

log = logging.getLogger(__name__)

MAX_MESSAGE_BYTES: Final = 262_144
"""Of an event from the client: what our answers announce."""
MAX_STREAMS: Final = 16
"""How often a client may begin its microphone afresh under a new SSRC."""
MEDIA_LOST_S: Final = 10.0
"""Even a muted browser reports (RTCP) more often than this."""
REPORT_SLOTS: Final = round(REPORT_INTERVAL_S * 1000 / FRAME_MS)

CallState = Literal["connecting", "connected", "ended"]


def _coder(name: CodecName) -> tuple[Encoder, Decoder, int]:
    """And the RTP clock's rate."""
    if name == "opus":
        return OpusEncoder(), OpusDecoder(), 48_000
    return G711Encoder(name), G711Decoder(name), 8_000


class Call:
    """Made in steps, since each may fail: `take_offer`, `begin`, `answer`.  Ends itself.

    The session ends with the call, and the call with the session.  It ends too where the
    client closes the data channel, and where it is not up within the set-up time.

    Media may die while the data channel lives (a client that stops all its tracks, a fault in
    its sender).  The call then goes on, as with a muted microphone: the session hears
    silence.  It is logged, and `quality.media_silent_s` tells.  A dead network kills both,
    and ICE notices within half a minute.
    """

    def __init__(
        self,
        call_id: str,
        clock: PacingClock,
        settings: WebRtcSettings,
        dialect: Dialect,
        on_end: Callable[[Call], None],
    ) -> None:
        self.id = call_id
        self.state: CallState = "connecting"
        self.session: SessionDoor | None = None
        self._clock = clock
        self._settings = settings
        self._dialect = dialect
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._peer = Peer(self, settings)
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended = asyncio.Event()
        # The rest is known once there is an offer.
        self._agreed: Agreed
        self._decoder: Decoder
        self._channel: EventsChannel
        self._heard: JitterBuffer
        self._reporter: Reporter
        self.playback: PacedPlayback
        self._rate_hz = 0
        self._peer_ssrc: int | None = None
        self._streams = 0
        self._sequence = secrets.randbelow(1 << 15)
        self._timestamp = secrets.randbits(32)
        self._timestamp_now = self._timestamp
        self._sent_packets = self._sent_bytes = 0
        self._received = self._refused = self._lost_before = self._late_before = 0
        self._last_media_s = 0.0
        self._media_lost = False
        self._slots_to_report = REPORT_SLOTS // 2

    # --- Its life ------------------------------------------------------------

    async def take_offer(self, sdp: str) -> None:
        """Raises OfferError."""
        offer = read_offer(sdp)
        self._agreed = await self._peer.take_offer(offer)
        encoder, self._decoder, self._rate_hz = _coder(self._agreed.codec)
        self.playback = PacedPlayback(encoder, self._on_drained)
        self._heard = JitterBuffer(self._rate_hz)
        self._reporter = Reporter(self._peer.ssrc, self.id, self._rate_hz)
        self._channel = self._events_channel(offer)

    def _events_channel(self, offer: Offer) -> EventsChannel:
        return EventsChannel(
            self.id,
            self._peer,
            dialect=self._dialect,
            max_message_bytes=offer.max_message_bytes,
            expected=offer.has_channel,
            on_close=self._on_session_close,
        )

    def begin(self, session: SessionDoor, may_send: Collection[str] | None = None) -> None:
        """Belong to a session that was opened with our `playback`."""
        self.session = session
        session.attach(self._channel, may_send=may_send)

    async def answer(self) -> str:
        sdp = await self._peer.answer()
        self._timer = self._loop.call_later(self._settings.setup_timeout_s, self._on_timeout)
        log.info(
            "call %s: answered for session %s, %s",
            self.id,
            self.session.id if self.session else "none",
            self._agreed.codec,
        )
        return sdp

    def restart(self, sdp: str) -> str:
        """The answer to an offer that restarts ICE, in the middle of the call.

        Raises:
            OfferError: it is none of this call's peer.
        """
        answer = self._peer.restart(read_offer(sdp))
        log.info("call %s: the client's network has changed", self.id)
        return answer

    @property
    def codec(self) -> CodecName:
        return self._agreed.codec

    def hang_up(self, reason: str = "hung up") -> None:
        """End the call now; `ended` waits until all is freed."""
        if self.state == "ended":
            return
        if self.state == "connected":
            self._clock.leave(self)
            self._peer.send_rtcp(self._reporter.goodbye())
        self.state = "ended"
        if self._timer is not None:
            self._timer.cancel()
        if self.session is not None:
            self.session.detach(self._channel)
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
        self._spawn(self._close_after_delivery(code, reason))

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(work)
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
            self.hang_up("no media connection within the set-up time")
        else:
            self.hang_up("no data channel within the set-up time")

    # --- What the peer tells -------------------------------------------------

    def on_connected(self) -> None:
        if self.state != "connecting":
            return
        self.state = "connected"
        self._last_media_s = time.monotonic()
        self._heard.start_clock(self._last_media_s)
        self._clock.join(self)
        self._cancel_timer_when_up()

    def on_channel_open(self) -> None:
        self._channel.opened()
        self._cancel_timer_when_up()

    def _cancel_timer_when_up(self) -> None:
        up = self.state == "connected" and (self._channel.is_open or not self._channel.is_expected)
        if up and self._timer is not None:
            self._timer.cancel()

    def on_channel_closed(self) -> None:
        self.hang_up("the client closed the data channel")

    def on_lost(self, reason: str) -> None:
        self.hang_up(reason)

    def on_refused(self) -> None:
        self._refused += 1

    def on_message(self, data: str | bytes) -> None:
        session = self.session
        if session is None or self.state == "ended":
            return
        try:
            event = self._read(data)
        except ProtocolError as error:
            session.refuse(self._channel, error)
        else:
            session.receive(self._channel, event)

    def _read(self, data: str | bytes) -> ClientEvent:
        if len(data) > MAX_MESSAGE_BYTES:
            raise ProtocolError(
                "invalid_event",
                f"The message is longer than {MAX_MESSAGE_BYTES} bytes, which is what the"
                " answer's max-message-size allows.",
            )
        return self._dialect.decode(data)

    def on_rtp(self, packet: bytes) -> None:
        parsed = parse_rtp(packet)
        if parsed is None or parsed.payload_type != self._agreed.payload_type:
            self._refused += 1
            return
        samples = self._decoder.samples(parsed.payload)
        if not samples:
            self._refused += bool(parsed.payload)  # Empty ones only keep a path open.
            return
        if parsed.ssrc != self._peer_ssrc and not self._hear_stream(parsed.ssrc):
            return
        now_s = time.monotonic()
        self._note_media(now_s)
        self._received += 1
        self._heard.put(
            parsed.sequence,
            parsed.timestamp,
            samples,
            parsed.payload,
            now_s,
            pauses=self._decoder.announces_pause(parsed.payload),
        )
        self._hear(self._heard.take(now_s))

    def _hear_stream(self, ssrc: int) -> bool:
        if self._streams >= MAX_STREAMS:
            self._refused += 1
            return False
        if self._peer_ssrc is not None:
            self._lost_before += self._heard.lost
            self._late_before += self._heard.late
            self._heard = JitterBuffer(self._rate_hz)
            self._heard.start_clock(time.monotonic())
        self._peer_ssrc = ssrc
        self._streams += 1
        return True

    def on_rtcp(self, packet: bytes) -> None:
        reports = parse_rtcp(packet)
        self._note_media(time.monotonic())
        self._reporter.heard(reports, time.time())
        if reports.goodbye:
            log.info("call %s: the client says that its microphone is gone", self.id)

    def _note_media(self, now_s: float) -> None:
        self._last_media_s = now_s
        if self._media_lost:
            self._media_lost = False
            log.info("call %s: media is back", self.id)

    # --- Every 20 ms ---------------------------------------------------------

    def tick(self, slot: int) -> None:
        if self.state != "connected":
            return  # Ended by another call, in this very round.
        self._timestamp_now = self._timestamp + slot * (self._rate_hz * FRAME_MS // 1000)
        frame = self.playback.next_frame()
        if frame is not None and self._agreed.sends:
            self._peer.send_rtp(
                pack_rtp(
                    self._agreed.payload_type,
                    self._sequence,
                    self._timestamp_now,
                    self._peer.ssrc,
                    frame.payload,
                    marker=frame.begins,
                )
            )
            self._sequence += 1
            self._sent_packets += 1
            self._sent_bytes += len(frame.payload)
        self.playback.encode_ahead()
        now_s = time.monotonic()
        if self._agreed.receives:  # Else there is no microphone, not one that is silent.
            self._hear(self._heard.take(now_s))
        self._slots_to_report -= 1
        if self._slots_to_report <= 0:
            self._slots_to_report = REPORT_SLOTS
            self._report(now_s)

    def _hear(self, pieces: list[Piece]) -> None:
        session = self.session
        if session is None:
            return
        for piece in pieces:
            match piece:
                case Frame():
                    pcm = self._decoder.decode(piece.payload)
                case Silence():
                    pcm = self._decoder.silence(piece.samples)
                case Conceal():
                    pcm = self._decoder.conceal(piece.samples)
                case Recover():
                    pcm = self._decoder.recover(piece.next_payload, piece.samples)
            if pcm:
                session.hear(pcm)

    def _on_drained(self) -> None:
        if self.session is not None:
            self.session.drained()

    def _report(self, now_s: float) -> None:
        sent = Sent(self._sent_packets, self._sent_bytes, self._timestamp_now)
        self._peer.send_rtcp(self._reporter.report(sent, self._peer_ssrc, self._heard, time.time()))
        if not self._media_lost and now_s - self._last_media_s > MEDIA_LOST_S:
            self._media_lost = True
            log.warning("call %s: no media for %g s, but it is connected", self.id, MEDIA_LOST_S)

    @property
    def quality(self) -> CallQuality:
        connected = self.state == "connected"
        return CallQuality(
            packets_received=self._received,
            packets_lost=self._lost_before + self._heard.lost,
            packets_late=self._late_before + self._heard.late,
            packets_refused=self._refused,
            packets_sent=self._sent_packets,
            peer_packets_lost=self._reporter.peer_packets_lost,
            jitter_s=self._heard.jitter_s,
            peer_jitter_s=self._reporter.peer_jitter_s,
            rtt_s=self._reporter.rtt_s,
            media_silent_s=time.monotonic() - self._last_media_s if connected else 0.0,
        )
