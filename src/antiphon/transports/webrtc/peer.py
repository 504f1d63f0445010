"""The other end of a call, reached through aiortc.  Nothing else here knows aiortc.

aiortc does what is done seldom: SDP, ICE (aioice), the DTLS handshake and SCTP with its data
channel.  What is done for each packet it does at a cost of tasks and threads (a decoder
thread a call, an encoder job in a pool a packet), so media is taken from it:

* its RTP sender and receiver are never started: their ``send`` and ``receive`` are
  replaced, on this connection alone, by functions that do nothing;
* datagrams that RFC 7983 tells to be SRTP or SRTCP are picked out where they come from the
  socket and never reach aioice; all others go on as before;
* outgoing packets go straight to the socket of the candidate pair that ICE has nominated.

That uses private parts of aiortc 1.16 and aioice 0.13; what is not merely read is in `_Inside`
and the functions before it.  The version is pinned, and the tests hold calls with an unpatched
peer.
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
from collections.abc import Callable
from functools import partial
from typing import Any, Final, NamedTuple, Protocol

import pylibsrtp
from aioice.ice import CandidatePair
from aiortc import (
    RTCConfiguration,
    RTCDataChannel,
    RTCIceServer,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtcrtptransceiver import RTCRtpTransceiver

from antiphon.transports.rtp.codec import CodecName
from antiphon.transports.rtp.packets import is_rtcp
from antiphon.transports.webrtc.candidates import gather
from antiphon.transports.webrtc.offer import Offer, OfferError
from antiphon.transports.webrtc.settings import WebRtcSettings

log = logging.getLogger(__name__)

EVENTS_LABEL: Final = "oai-events"
MAX_DATAGRAM_BYTES: Final = 1500
"""pylibsrtp's limit; no larger one crosses the internet whole."""
MAX_UNSENT_BYTES: Final = 64 * 1024
"""In a socket's own queue; media beyond is dropped: it would be late anyway."""
FLUSH_POLL_S: Final = 0.02

_CODECS: Final[dict[tuple[str, int], CodecName]] = {
    ("audio/opus", 48_000): "opus",
    ("audio/pcmu", 8_000): "PCMU",
    ("audio/pcma", 8_000): "PCMA",
}
_ASKED_OF_OPUS: Final = {"minptime": 10, "useinbandfec": 1, "usedtx": 1}
"""RFC 7587, 6.1: what we, as the receiver, would like."""


class Agreed(NamedTuple):
    """The media that offer and answer have in common."""

    codec: CodecName
    payload_type: int
    sends: bool
    receives: bool


class PeerEvents(Protocol):
    """What a peer tells.  All are called on the event loop; none may wait."""

    def on_connected(self) -> None:
        """Media can flow."""
        ...

    def on_rtp(self, packet: bytes) -> None: ...

    def on_rtcp(self, packet: bytes) -> None: ...

    def on_refused(self) -> None:
        """A media packet was not authentic, or too long."""
        ...

    def on_channel_open(self) -> None: ...

    def on_message(self, data: str | bytes) -> None: ...

    def on_channel_closed(self) -> None: ...

    def on_lost(self, reason: str) -> None:
        """The connection has failed, or the peer has closed it."""
        ...


class Peer:
    """One peer connection: `offered`, `answer`, media and events, `close`."""

    def __init__(
        self, offer: Offer, connection: RTCPeerConnection, transceiver: RTCRtpTransceiver
    ) -> None:
        """As `offered` makes it."""
        self.offer = offer
        self.agreed = _agree(transceiver)
        self._connection = connection
        self._transceiver = transceiver
        self._inside = _Inside(transceiver)
        self._channel: RTCDataChannel | None = None
        self._writable = asyncio.Event()
        self._closed = False

    @classmethod
    async def offered(cls, offer: Offer, settings: WebRtcSettings) -> Peer:
        """The peer that made an offer, once it is settled what there is to agree upon.

        Raises:
            OfferError: nothing fits, or the SDP cannot be understood.
        """
        # Without the list, aiortc would ask a public STUN server.
        servers = [
            RTCIceServer(urls=list(s.urls), username=s.username, credential=s.credential)
            for s in settings.ice_servers
        ]
        connection = RTCPeerConnection(RTCConfiguration(iceServers=servers))
        try:
            transceiver = connection.addTransceiver("audio", "sendrecv")
            await _take_offer(connection, offer.sdp)
            for other in connection.getTransceivers():
                if other is not transceiver:
                    other.direction = "inactive"
            peer = cls(offer, connection, transceiver)
        except BaseException:
            await connection.close()
            raise
        peer._inside.take_over_media(settings)
        return peer

    @property
    def ssrc(self) -> int:
        """Of what we send, as the answer says."""
        return self._transceiver.sender._ssrc

    async def answer(self, events: PeerEvents) -> str:
        """The SDP answer, with all our candidates in it; from now on ICE is on its way."""
        connection = self._connection
        connection.on("datachannel", partial(self._on_channel, events))
        connection.on("connectionstatechange", partial(self._on_connection_state, events))
        _tell_of_failure(connection, partial(self._on_setup_failure, events))
        self._inside.dtls.on("statechange", partial(self._on_dtls_state, events))
        await connection.setLocalDescription(await connection.createAnswer())
        self._inside.pick_out_media(partial(self._on_media, events))
        return str(connection.localDescription.sdp)

    def restart(self, offer: Offer) -> str:
        """Take the ICE credentials of a new offer, for a client whose network has changed.

        Returns the answer: the first one, with new credentials of ours.  Keys, codec and
        channel stay as they are.

        Raises:
            OfferError: it is not of the peer whose call this is, or no restart.
        """
        if offer.fingerprint != self.offer.fingerprint:
            raise OfferError("The SDP offer has another DTLS fingerprint than that of the call.")
        username, password = self._inside.restart_ice(offer)
        sdp = str(self._connection.localDescription.sdp)
        for name, value in (("ice-ufrag", username), ("ice-pwd", password)):
            sdp = re.sub(rf"(?m)^a={name}:.*?(?=\r?$)", f"a={name}:{value}", sdp)
        return sdp

    def send_rtp(self, packet: bytes) -> None:
        if not self._closed:
            self._inside.send_rtp(packet)

    def send_rtcp(self, packet: bytes) -> None:
        if not self._closed:
            self._inside.send_rtcp(packet)

    # --- The data channel ----------------------------------------------------

    @property
    def queued_bytes(self) -> int:
        return 0 if self._channel is None else int(self._channel.bufferedAmount)

    def send_text(self, text: str) -> None:
        """Nothing is sent once the channel is closing.

        Raises:
            ValueError: larger than the peer takes.
        """
        if self._channel is not None and self._channel.readyState == "open":
            self._writable.clear()
            self._channel.send(text)

    async def writable(self) -> None:
        """Wait until the channel has passed all to SCTP, or there is none any more."""
        while self.queued_bytes and not self._closed:
            self._writable.clear()
            await self._writable.wait()

    async def delivered(self) -> None:
        """Wait until the peer has acknowledged all that was sent on the channel."""
        while not self._closed and (self.queued_bytes or _unacknowledged(self._connection)):  # noqa: ASYNC110
            await asyncio.sleep(FLUSH_POLL_S)  # SCTP tells nobody.

    async def close(self) -> None:
        self._closed = True
        self._writable.set()
        self._inside.ask_no_consent()
        await self._connection.close()

    # --- What aiortc tells ---------------------------------------------------

    def _on_channel(self, events: PeerEvents, channel: RTCDataChannel) -> None:
        if self._channel is not None:
            log.info("a data channel '%.20s' beside the first one is not used", channel.label)
            return
        self._channel = channel
        channel.on("message", events.on_message)
        channel.on("bufferedamountlow", self._writable.set)
        channel.on("close", partial(self._on_channel_closed, events))
        events.on_channel_open()

    def _on_channel_closed(self, events: PeerEvents) -> None:
        self._writable.set()
        if not self._closed:
            events.on_channel_closed()

    def _on_dtls_state(self, events: PeerEvents) -> None:
        if self._inside.dtls.state == "connected" and not self._closed:
            events.on_connected()

    def _on_connection_state(self, events: PeerEvents) -> None:
        state = self._connection.connectionState
        if state in ("failed", "closed") and not self._closed:
            events.on_lost("ICE or DTLS failed" if state == "failed" else "the peer left")

    def _on_setup_failure(self, events: PeerEvents, error: Exception) -> None:
        if not self._closed:
            log.warning("a connection could not be set up: %s: %s", type(error).__name__, error)
            events.on_lost("the connection could not be set up")

    def _on_media(self, events: PeerEvents, datagram: bytes, address: tuple[Any, ...]) -> None:
        inside = self._inside
        if self._closed or not inside.has_keys:
            return
        try:
            if is_rtcp(datagram):
                events.on_rtcp(inside.open_rtcp(datagram))
            else:
                events.on_rtp(inside.open_rtp(datagram))
        except (pylibsrtp.Error, _TooLongError):
            events.on_refused()
            return
        if address[1] != inside.address[1] or address[0] != inside.address[0]:
            inside.follow(address)


async def _take_offer(connection: RTCPeerConnection, sdp: str) -> None:
    try:
        await connection.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
    except Exception as error:
        # aiortc asserts and indexes its way through SDP: anything may come out of it.
        detail = f": {error}" if str(error) else ""
        raise OfferError(f"The SDP offer cannot be understood{detail}.") from error


def _agree(transceiver: RTCRtpTransceiver) -> Agreed:
    codec, payload_type = _choose_codec(transceiver)
    direction = transceiver._offerDirection  # aiortc has turned it to our side
    agreed = Agreed(
        codec,
        payload_type,
        direction in ("sendonly", "sendrecv"),
        direction in ("recvonly", "sendrecv"),
    )
    if not (agreed.sends or agreed.receives):
        raise OfferError("The audio section of the SDP offer is inactive.")
    return agreed


def _choose_codec(transceiver: RTCRtpTransceiver) -> tuple[CodecName, int]:
    """The first that we know, in the client's order; the answer names no other."""
    for codec in transceiver._codecs:
        name = _CODECS.get((codec.mimeType.lower(), codec.clockRate))
        if name is not None and codec.payloadType is not None:
            if name == "opus":
                codec.parameters = dict(_ASKED_OF_OPUS)
            transceiver._codecs = [codec]
            return name, codec.payloadType
    raise OfferError("The audio section of the SDP offer has neither Opus, PCMU nor PCMA.")


class _TooLongError(Exception):
    pass


def _tell_of_failure(
    connection: RTCPeerConnection, on_failure: Callable[[Exception], None]
) -> None:
    """What aiortc's own task for ICE, DTLS and SCTP raises would only be logged, and late."""
    inside: Any = connection
    connect = inside._RTCPeerConnection__connect

    async def connect_and_tell() -> None:
        try:
            await connect()
        except Exception as error:
            on_failure(error)

    inside._RTCPeerConnection__connect = connect_and_tell


def _unacknowledged(connection: RTCPeerConnection) -> bool:
    sctp: Any = connection.sctp
    return sctp is not None and bool(sctp._outbound_queue or sctp._sent_queue)


class _Inside:
    """The private parts of aiortc and aioice that we touch, and all of them."""

    def __init__(self, transceiver: RTCRtpTransceiver) -> None:
        self._transceiver = transceiver
        self.dtls: RTCDtlsTransport = transceiver.receiver.transport
        self._ice: Any = self.dtls.transport._connection
        self._pair: Any = None
        self.address: tuple[str, int] = ("", 0)
        """Where we send to."""

    @property
    def has_keys(self) -> bool:
        return self.dtls._rx_srtp is not None

    def take_over_media(self, settings: WebRtcSettings) -> None:
        async def leave_it(_: object) -> None:
            """Where aiortc would start to encode, to decode and to report."""

        sender: Any = self._transceiver.sender
        receiver: Any = self._transceiver.receiver
        sender.send = receiver.receive = leave_it
        ice = self._ice

        async def gather_candidates() -> None:
            if ice._local_candidates_start:
                return
            ice._local_candidates_start = True
            await gather(ice, settings)
            ice._local_candidates_end = True

        ice.gather_candidates = gather_candidates

    def pick_out_media(self, on_media: Callable[[bytes, tuple[Any, ...]], None]) -> None:
        """For all sockets that were opened for our candidates."""
        for protocol in self._ice._protocols:
            control: Callable[[bytes, tuple[Any, ...]], None] = protocol.datagram_received

            def datagram_received(
                data: bytes,
                address: tuple[Any, ...],
                control: Callable[[bytes, tuple[Any, ...]], None] = control,
            ) -> None:
                # RFC 7983, 7.  An empty datagram would end aiortc's receiving task.
                if data:
                    if 127 < data[0] < 192:
                        on_media(data, address)
                    else:
                        control(data, address)

            protocol.datagram_received = datagram_received

    def follow(self, address: tuple[Any, ...]) -> None:
        """Media has come, authentic, from another address than we send to.

        The client's network has changed, or the port that its NAT lends it.  Not every client
        nominates the new way: so we do, once ICE has checked that the answer goes there too.
        """
        current = self._ice._nominated.get(1)
        if current is None or current.remote_addr == address[:2]:
            return
        for pair in self._ice._check_list:
            if pair.remote_addr == address[:2] and pair.state is CandidatePair.State.SUCCEEDED:
                pair.nominated = True
                self._ice._nominated[1] = pair
                return

    def restart_ice(self, offer: Offer) -> tuple[str, str]:
        """Our new user name and password (RFC 8445, 9).  The sockets stay, and so does the
        way that is in use until the client has nominated another.
        """
        ice = self._ice
        if offer.ice_username == ice.remote_username:
            raise OfferError("The SDP offer has the ICE credentials that the call has already.")
        ice.remote_username, ice.remote_password = offer.ice_username, offer.ice_password
        ice._local_username = secrets.token_hex(4)
        ice._local_password = secrets.token_hex(16)
        return ice._local_username, ice._local_password

    def ask_no_consent(self) -> None:
        """Where ICE completes while it is closed, its `connect` may only notice once all is
        closed, and would then begin to ask for consent for ever.
        """

        async def ask_nobody() -> None: ...

        self._ice.query_consent = ask_nobody

    def open_rtp(self, datagram: bytes) -> bytes:
        if len(datagram) > MAX_DATAGRAM_BYTES:
            raise _TooLongError
        packet: bytes = self.dtls._rx_srtp.unprotect(datagram)
        return packet

    def open_rtcp(self, datagram: bytes) -> bytes:
        if len(datagram) > MAX_DATAGRAM_BYTES:
            raise _TooLongError
        packet: bytes = self.dtls._rx_srtp.unprotect_rtcp(datagram)
        return packet

    def send_rtp(self, packet: bytes) -> None:
        if self.dtls._tx_srtp is not None:
            self._send(self.dtls._tx_srtp.protect(packet))

    def send_rtcp(self, packet: bytes) -> None:
        if self.dtls._tx_srtp is not None:
            self._send(self.dtls._tx_srtp.protect_rtcp(packet))

    def _send(self, datagram: bytes) -> None:
        pair = self._ice._nominated.get(1)
        if pair is None:
            return  # consent was lost
        if pair is not self._pair:
            self._pair, self.address = pair, pair.remote_addr
        transport = pair.protocol.transport
        # A relay's has no such count: aioice hands each packet to a task of its own.
        queued = getattr(transport, "get_write_buffer_size", None)
        if queued is None or queued() <= MAX_UNSENT_BYTES:
            transport.sendto(datagram, self.address)
