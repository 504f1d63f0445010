"""The other end of a call, reached through aiortc.  Only this and `transport` know aiortc.

aiortc does what is done seldom: ICE (aioice), the DTLS handshake and SCTP with its data channels.
It never sees the client's offer, but a plain one that asks for the same (`answer`); and its RTP
sender and receiver are never started: their ``send`` and ``receive`` are replaced, on this
connection alone, by functions that do nothing.

That uses private parts of aiortc 1.16 and aioice 0.13; what is not merely read is in `transport`
and the functions at the end.  The version is pinned, and the tests hold calls with an unpatched
peer.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from typing import Any, Final, Protocol

from aiortc import (
    RTCBundlePolicy,
    RTCCertificate,
    RTCConfiguration,
    RTCIceServer,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.rtcdtlstransport import (
    SRTP_PROFILES,
    RTCDtlsFingerprint,
    RTCDtlsTransport,
    SRTPProtectionProfile,
)
from aiortc.rtcrtptransceiver import RTCRtpTransceiver
from OpenSSL import SSL

from antiphon.transports.webrtc.answer import Voice, plain_offer, write_answer
from antiphon.transports.webrtc.channels import ChannelEvents, Channels
from antiphon.transports.webrtc.offer import (
    Offer,
    OfferError,
    Transport,
    read_sections,
    transport_of,
)
from antiphon.transports.webrtc.sdp import Section, read_sdp
from antiphon.transports.webrtc.settings import WebRtcSettings
from antiphon.transports.webrtc.transport import MediaTransport, RefusedPacket

log = logging.getLogger(__name__)

FLUSH_POLL_S: Final = 0.02
RENEWED_BEFORE: Final = timedelta(days=29)
"""aiortc's certificates are good for thirty days."""


class PeerEvents(ChannelEvents, Protocol):
    """What a peer tells.  All are called on the event loop; none may wait."""

    def on_connected(self) -> None:
        """Media can flow."""
        ...

    def on_rtp(self, packet: bytes) -> None: ...

    def on_sealed_rtp(self, datagram: bytes) -> None:
        """The same, for `Peer.open_rtp`: many are opened in less time together."""
        ...

    def on_rtcp(self, packet: bytes) -> None: ...

    def on_refused(self) -> None:
        """A media packet was not authentic, or too long."""
        ...

    def on_left(self) -> None:
        """The peer has said goodbye."""
        ...

    def on_lost(self, reason: str) -> None:
        """The connection has failed, or the peer has closed it."""
        ...


class Identity:
    """What we prove to be, to all peers: a certificate, renewed once a day."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self._made: _Certificate | None = None

    @property
    def certificate(self) -> RTCCertificate:
        if self._made is None or self._made.expires - self._now() < RENEWED_BEFORE:
            self._made = _Certificate.generateCertificate()
        return self._made


class Peer:
    """One peer connection: `offered`, `answer`, media and events, `close`."""

    def __init__(
        self, offer: Offer, connection: RTCPeerConnection, transports: dict[int, MediaTransport]
    ) -> None:
        """As `offered` makes it, with the transport of each section of use."""
        self.offer = offer
        self.voice = Voice(secrets.randbits(32), secrets.token_hex(8), secrets.token_hex(16))
        self.channels = Channels()
        self._connection = connection
        self._transports = transports
        ways = [one for one in (offer.outgoing, offer.incoming) if one is not None]
        self._media = [transports[one.section] for one in ways]
        """Where sound goes out, and where it comes in; mostly the same."""
        self._ours: dict[int, Section] = {}
        self._session_id = secrets.randbits(62)
        self._answers = 0
        self._closed = False

    @classmethod
    async def offered(
        cls, offer: Offer, settings: WebRtcSettings, identity: Identity | None = None
    ) -> Peer:
        """The peer that made an offer; ``identity`` is shared with the others.

        Raises:
            OfferError: the stack does not understand it.
        """
        # Without the list, aiortc would ask a public STUN server.
        servers = [
            RTCIceServer(urls=list(s.urls), username=s.username, credential=s.credential)
            for s in settings.ice_servers
        ]
        connection = RTCPeerConnection(
            RTCConfiguration(iceServers=servers, bundlePolicy=RTCBundlePolicy.MAX_COMPAT)
        )
        try:
            dtls = await _take(connection, offer, identity or Identity())
        except BaseException:
            await connection.close()
            raise
        made = {one: MediaTransport(one, settings) for one in set(dtls.values())}
        return cls(offer, connection, {i: made[one] for i, one in dtls.items()})

    async def answer(self, events: PeerEvents) -> str:
        """The SDP answer, with all our candidates in it; from now on ICE is on its way."""
        connection = self._connection
        connection.on("datachannel", partial(self.channels.add, events))
        connection.on("connectionstatechange", partial(self._on_connection_state, events))
        _tell_of_failure(connection, partial(self._on_setup_failure, events))
        for transport in set(self._media):
            transport.on_state(partial(self._on_transport_state, events))
        await connection.setLocalDescription(await connection.createAnswer())
        for transport in set(self._media):
            transport.pick_out_media(partial(self._on_datagram, events, transport))
        ours = read_sdp(connection.localDescription.sdp).sections
        self._ours = dict(zip(self.offer.accepted, ours, strict=True))
        return self._write_answer()

    def restart(self, sdp: str) -> str:
        """Take the ICE credentials of a new offer, for a client whose network has changed.

        Returns the answer: the first one, with new credentials of ours.  Keys, codec and
        channel stay as they are.

        Raises:
            OfferError: it is not of the peer whose call this is, or no restart.
        """
        news = self._read_restart(sdp)
        for transport, theirs in news.items():
            username, password = transport.restart(theirs.ice_username, theirs.ice_password)
            for i in self.offer.accepted:
                if self._transports[i] is transport:
                    credentials = {"ice-ufrag": username, "ice-pwd": password}
                    self._ours[i] = self._ours[i].changed(credentials)
        return self._write_answer()

    def _read_restart(self, sdp: str) -> dict[MediaTransport, Transport]:
        description = read_sections(sdp)
        news: dict[MediaTransport, Transport] = {}
        for i, transport in self._transports.items():
            carrier = self.offer.carrier(i)
            before, theirs = self.offer.transport(carrier), transport_of(description, carrier)
            if theirs is None:
                raise OfferError("The SDP offer lacks a section of the call, or its transport.")
            if theirs.fingerprints != before.fingerprints:
                raise OfferError(
                    "The SDP offer has another DTLS fingerprint than that of the call."
                )
            if theirs.ice_username == transport.ice_username:
                raise OfferError("The SDP offer has the ICE credentials that the call has already.")
            news[transport] = theirs
        return news

    def _write_answer(self) -> str:
        self._answers += 1
        return write_answer(
            self.offer, self._ours, self.voice, session_id=self._session_id, version=self._answers
        )

    def open_rtp(self, datagram: bytes) -> bytes | None:
        """The packet; None: it is not authentic, or too long."""
        return self._media[-1].open_rtp(datagram)

    def send_rtp(self, packet: bytes) -> None:
        if not self._closed:
            self._media[0].send_rtp(packet)

    def send_rtcp(self, packet: bytes) -> None:
        if not self._closed:
            self._media[0].send_rtcp(packet)

    async def delivered(self) -> None:
        """Wait until the peer has acknowledged all that was sent to it on its channels."""
        while not self._closed and (  # noqa: ASYNC110
            self.channels.queued_bytes or _unacknowledged(self._connection)
        ):
            await asyncio.sleep(FLUSH_POLL_S)  # SCTP tells nobody.

    async def close(self) -> None:
        self._closed = True
        self.channels.close()
        for transport in set(self._transports.values()):
            transport.ask_no_consent()
        await self._connection.close()

    # --- What aiortc tells ---------------------------------------------------

    def _on_transport_state(self, events: PeerEvents) -> None:
        if not self._closed and all(transport.is_connected for transport in self._media):
            events.on_connected()

    def _on_connection_state(self, events: PeerEvents) -> None:
        state = self._connection.connectionState
        if self._closed:
            return
        if state == "failed":
            events.on_lost("ICE or DTLS failed")
        elif state == "closed":
            events.on_left()

    def _on_setup_failure(self, events: PeerEvents, error: Exception) -> None:
        if not self._closed:
            log.warning("a connection could not be set up: %s: %s", type(error).__name__, error)
            events.on_lost("the connection could not be set up")

    def _on_datagram(
        self,
        events: PeerEvents,
        transport: MediaTransport,
        datagram: bytes,
        address: tuple[Any, ...],
    ) -> None:
        if self._closed:
            return
        if transport is self._media[-1] and transport.may_wait(datagram, address):
            events.on_sealed_rtp(datagram)
            return
        try:
            opened = transport.open(datagram)
        except RefusedPacket:
            events.on_refused()
            return
        if opened is None:
            return
        packet, is_rtcp = opened
        if is_rtcp:
            events.on_rtcp(packet)
        else:
            events.on_rtp(packet)
        transport.follow(address)


# --- Private parts of aiortc --------------------------------------------------


class _Certificate(RTCCertificate):
    """aiortc knows but one kind of certificate, its own: a peer whose key is RSA (libpeer,
    GStreamer, older Firefox) could only be the DTLS client.

    All calls of an `Identity` share one, and so what is dear to make of it.
    """

    CIPHERS: Final = ":".join(
        f"ECDHE-{key}-{cipher}"
        for cipher in ("AES128-GCM-SHA256", "CHACHA20-POLY1305", "AES128-SHA", "AES256-SHA")
        for key in ("ECDSA", "RSA")
    )

    @cached_property
    def _fingerprints(self) -> list[RTCDtlsFingerprint]:
        return super().getFingerprints()

    def getFingerprints(self) -> list[RTCDtlsFingerprint]:  # noqa: N802
        return list(self._fingerprints)

    @cached_property
    def _context(self) -> SSL.Context:
        context = super()._create_ssl_context(SRTP_PROFILES)
        context.set_cipher_list(self.CIPHERS.encode())
        # Nobody resumes a DTLS session of ours; each would be kept for five minutes.
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        return context

    def _create_ssl_context(self, srtp_profiles: list[SRTPProtectionProfile]) -> SSL.Context:
        assert srtp_profiles == SRTP_PROFILES, "aiortc asks for all that it knows"
        return self._context


async def _take(
    connection: RTCPeerConnection, offer: Offer, identity: Identity
) -> dict[int, RTCDtlsTransport]:
    """The transports of the sections of use, once aiortc has taken the offer."""
    inside: Any = connection
    inside._RTCPeerConnection__certificates = [identity.certificate]
    used = {one.section for one in (offer.incoming, offer.outgoing) if one is not None}
    transceivers = {i: connection.addTransceiver("audio", "sendrecv") for i in sorted(used)}
    for transceiver in transceivers.values():
        _leave_media_to_us(transceiver)
    try:
        plain = RTCSessionDescription(plain_offer(offer), "offer")
        await connection.setRemoteDescription(plain)
    except Exception as error:
        # aiortc asserts and indexes its way through SDP: anything may come out of it.
        detail = f": {error}" if str(error) else ""
        raise OfferError(f"The SDP offer cannot be understood{detail}.") from error
    transports = {i: one.receiver.transport for i, one in transceivers.items()}
    if offer.data is not None and connection.sctp is not None:
        transports[offer.data.section] = connection.sctp.transport
    return transports


def _leave_media_to_us(transceiver: RTCRtpTransceiver) -> None:
    async def leave_it(_: object) -> None:
        """Where aiortc would start to encode, to decode and to report."""

    sender: Any = transceiver.sender
    receiver: Any = transceiver.receiver
    sender.send = receiver.receive = leave_it


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
