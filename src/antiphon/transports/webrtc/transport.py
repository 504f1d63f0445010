"""One ICE and DTLS transport, and the private parts of aiortc and aioice that media need.

What is done for each packet aiortc does at a cost of tasks and threads, so datagrams that
RFC 7983 tells to be SRTP or SRTCP are picked out where they come from the socket and never reach
aioice; all others go on as before.  Outgoing packets go straight to the socket of the candidate
pair that ICE has nominated.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aioice.ice import CandidatePair
from aiortc.rtcdtlstransport import RTCDtlsTransport

from antiphon.transports.rtp.packets import is_rtcp
from antiphon.transports.webrtc.candidates import gather
from antiphon.transports.webrtc.settings import WebRtcSettings
from antiphon.transports.webrtc.srtp import SrtpKeys

MAX_UNSENT_BYTES: Final = 64 * 1024
"""In a socket's own queue; media beyond is dropped: it would be late anyway."""


class RefusedPacket(Exception):
    """It is not authentic, or too long."""


class MediaTransport:
    """Sends and receives the media of one `RTCDtlsTransport`."""

    def __init__(self, dtls: RTCDtlsTransport, settings: WebRtcSettings) -> None:
        self._dtls = dtls
        self._ice: Any = dtls.transport._connection
        self._pair: Any = None
        self._address: tuple[str, int] = ("", 0)
        """Where we send to."""
        self._received: SrtpKeys | None = None
        self._sent: SrtpKeys | None = None
        self._gather_by(settings)
        self._lose_what_cannot_be_sent()

    @property
    def is_connected(self) -> bool:
        return self._dtls.state == "connected"

    def on_state(self, tell: Callable[[], None]) -> None:
        self._dtls.on("statechange", tell)

    def _lose_what_cannot_be_sent(self) -> None:
        """As a network does.  When a client vanishes, aiortc's SCTP may be sending once more, in a
        task that nobody waits for.
        """
        dtls: Any = self._dtls
        dtls.transport._send = _lossy(dtls.transport._send)
        dtls._send_data = _lossy(dtls._send_data)

    def _gather_by(self, settings: WebRtcSettings) -> None:
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
        """Media has come, authentic, from there: it may be another address than we send to.

        The client's network has changed, or the port that its NAT lends it.  Not every client
        nominates the new way: so we do, once ICE has checked that the answer goes there too.
        """
        if address[1] == self._address[1] and address[0] == self._address[0]:
            return
        current = self._ice._nominated.get(1)
        if current is None or current.remote_addr == address[:2]:
            return
        for pair in self._ice._check_list:
            if pair.remote_addr == address[:2] and pair.state is CandidatePair.State.SUCCEEDED:
                pair.nominated = True
                self._ice._nominated[1] = pair
                return

    @property
    def ice_username(self) -> str:
        """The client's."""
        return str(self._ice.remote_username)

    def restart(self, username: str, password: str) -> tuple[str, str]:
        """Take the client's new ICE credentials; returns ours (RFC 8445, 9).  The sockets stay,
        and so does the way that is in use until the client has nominated another.
        """
        ice = self._ice
        ice.remote_username, ice.remote_password = username, password
        ice._local_username = secrets.token_hex(4)
        ice._local_password = secrets.token_hex(16)
        return ice._local_username, ice._local_password

    def ask_no_consent(self) -> None:
        """Where ICE completes while it is closed, its `connect` may only notice once all is
        closed, and would then begin to ask for consent for ever.
        """

        async def ask_nobody() -> None: ...

        self._ice.query_consent = ask_nobody

    # --- Packets, in the clear -----------------------------------------------

    def may_wait(self, datagram: bytes, address: tuple[Any, ...]) -> bool:
        """Whether it is one to `open_rtp` later: as media that have come before, from the address
        that we send to.
        """
        return (
            self._received is not None
            and address[1] == self._address[1]
            and address[0] == self._address[0]
            and not is_rtcp(datagram)
        )

    def open_rtp(self, datagram: bytes) -> bytes | None:
        """The packet of one that could wait; None: it is not authentic, or too long."""
        assert self._received is not None, "it may wait once there are keys"
        return self._received.rtp(datagram)

    def open(self, datagram: bytes) -> tuple[bytes, bool] | None:
        """The packet in an SRTP or SRTCP datagram, and whether it is RTCP; None before there are
        keys.

        Raises:
            RefusedPacket
        """
        keys = self._received
        if keys is None:
            if self._dtls._rx_srtp is None:
                return None
            keys = self._received = SrtpKeys(self._dtls._rx_srtp, inbound=True)
        rtcp = is_rtcp(datagram)
        packet = keys.rtcp(datagram) if rtcp else keys.rtp(datagram)
        if packet is None:
            raise RefusedPacket
        return packet, rtcp

    def send_rtp(self, packet: bytes) -> None:
        keys = self._sent or self._keys_to_send()
        if keys is not None and (datagram := keys.rtp(packet)) is not None:
            self._send(datagram)

    def send_rtcp(self, packet: bytes) -> None:
        keys = self._sent or self._keys_to_send()
        if keys is not None and (datagram := keys.rtcp(packet)) is not None:
            self._send(datagram)

    def _keys_to_send(self) -> SrtpKeys | None:
        if self._dtls._tx_srtp is not None:
            self._sent = SrtpKeys(self._dtls._tx_srtp, inbound=False)
        return self._sent

    def _send(self, datagram: bytes) -> None:
        pair = self._ice._nominated.get(1)
        if pair is None:
            return  # consent was lost
        if pair is not self._pair:
            self._pair, self._address = pair, pair.remote_addr
        transport = pair.protocol.transport
        # A relay's has no such count: aioice hands each packet to a task of its own.
        queued = getattr(transport, "get_write_buffer_size", None)
        if queued is None or queued() <= MAX_UNSENT_BYTES:
            transport.sendto(datagram, self._address)


def _lossy(send: Callable[[bytes], Awaitable[None]]) -> Callable[[bytes], Awaitable[None]]:
    async def send_if_connected(data: bytes) -> None:
        with contextlib.suppress(ConnectionError):
            await send(data)

    return send_if_connected
