"""What an ICE and DTLS transport does with what cannot be sent."""

from __future__ import annotations

import pytest
from aiortc import RTCCertificate, RTCDtlsTransport, RTCIceGatherer, RTCIceTransport

from antiphon.transports.webrtc.settings import WebRtcSettings
from antiphon.transports.webrtc.transport import MediaTransport


async def test_what_is_sent_to_one_who_has_vanished_is_lost_without_an_error() -> None:
    ice = RTCIceTransport(RTCIceGatherer())
    dtls = RTCDtlsTransport(ice, [RTCCertificate.generateCertificate()])
    with pytest.raises(ConnectionError):  # As aiortc has it: in a task that nobody waits for.
        await ice._send(b"x")
    with pytest.raises(ConnectionError):
        await dtls._send_data(b"x")
    MediaTransport(dtls, WebRtcSettings())
    await ice._send(b"x")
    await dtls._send_data(b"x")
    await ice.stop()
