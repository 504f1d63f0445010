"""A call's sound, cheap enough that one core plays a hundred callers (the extra ``webrtc``).

aiortc keeps a task, a thread and a jitter buffer for each track.  Here its senders and receivers
are never started, as in the server (`antiphon.transports.webrtc.peer`): what a caller says is
encoded and sent when it is said, and a packet is heard when it comes.  Nothing waits in between, so
times are those of the packets.
"""

from __future__ import annotations

import re
from typing import Any, Final

from antiphon.audio.pcm import BYTES_PER_SAMPLE
from antiphon.talk.call_sound import FRAME_BYTES, RATE_HZ, Hear
from antiphon.transports.rtp.codec import FRAME_MS, CodecName, Decoder
from antiphon.transports.rtp.coders import RATES_HZ, decoder, encoder
from antiphon.transports.rtp.packets import pack_rtp, parse_rtp, unwrap
from antiphon.transports.webrtc.settings import WebRtcSettings
from antiphon.transports.webrtc.transport import MediaTransport, RefusedPacket
from antiphon.upstream.connection import CannotConnect

QUIET: Final = bytes(FRAME_BYTES)
MAX_GAP_S: Final = 60
"""A longer pause on the server's clock is one of this length."""


class LeanSound:
    """A `CallSound` that is there for its times, not for a network that loses and reorders: what
    comes behind a later packet is dropped, what is lost is silent.
    """

    def __init__(self) -> None:
        self._peer: Any = None
        self._transceiver: Any = None
        self._hear: Hear | None = None
        self._transport: MediaTransport | None = None
        self._incoming: Incoming | None = None
        self._outgoing: Outgoing | None = None

    def join(self, peer: Any, hear: Hear) -> None:
        async def leave_it(_: object) -> None: ...

        self._peer, self._hear = peer, hear
        self._transceiver = peer.addTransceiver("audio", "sendrecv")
        self._transceiver.sender.send = self._transceiver.receiver.receive = leave_it

    def begin(self) -> None:
        assert self._hear is not None, "it has joined a call"
        codecs = agreed_codecs(self._peer.remoteDescription.sdp)
        self._incoming = Incoming(codecs, self._hear)
        payload_type, codec = next(iter(codecs.items()))
        ssrc = announced_ssrc(self._peer.localDescription.sdp)
        self._outgoing = Outgoing(codec, payload_type, ssrc)
        self._transport = MediaTransport(self._transceiver.sender.transport, WebRtcSettings())
        self._transport.pick_out_media(self._on_datagram)

    def put(self, pcm: bytes) -> None:
        if self._transport is None or self._outgoing is None:
            return  # Nobody is there yet.
        for at in range(0, len(pcm), FRAME_BYTES):
            frame = pcm[at : at + FRAME_BYTES].ljust(FRAME_BYTES, b"\0")
            self._transport.send_rtp(self._outgoing.packet(frame))

    async def drained(self) -> None:
        """It is on its way at once."""

    async def quality(self) -> None:
        """Nobody asks a load how its line is."""

    async def close(self) -> None:
        self._transport = None

    def _on_datagram(self, datagram: bytes, _: object) -> None:
        if self._transport is None or self._incoming is None:
            return
        try:
            opened = self._transport.open(datagram)
        except RefusedPacket:
            return
        if opened is not None and not opened[1]:
            self._incoming.take(opened[0])


class Outgoing:
    """What a caller says, as packets."""

    def __init__(self, codec: CodecName, payload_type: int, ssrc: int) -> None:
        self._encoder = encoder(codec)
        self._payload_type = payload_type
        self._ssrc = ssrc
        self._units = RATES_HZ[codec] * FRAME_MS // 1000
        self._sent = 0

    def packet(self, frame: bytes) -> bytes:
        """Of 20 ms."""
        sent = self._sent
        self._sent += 1
        payload = self._encoder.silence if frame == QUIET else self._encoder.encode(frame)
        return pack_rtp(
            self._payload_type, sent, sent * self._units, self._ssrc, payload, marker=not sent
        )


class Incoming:
    """What the server says, heard packet by packet; pauses of its clock are silence."""

    def __init__(self, codecs: dict[int, CodecName], hear: Hear) -> None:
        """``codecs``: by payload type."""
        self._codecs = codecs
        self._hear = hear
        self._decoders: dict[int, Decoder] = {}
        self._next = 0
        """The timestamp that follows what was heard."""
        self._has_begun = False

    def take(self, packet: bytes) -> None:
        parsed = parse_rtp(packet)
        if parsed is None or not parsed.payload or parsed.payload_type not in self._codecs:
            return
        rate_hz = RATES_HZ[self._codecs[parsed.payload_type]]
        coder = self._decoder(parsed.payload_type)
        if not self._has_begun:
            self._has_begun, self._next = True, parsed.timestamp
        timestamp = unwrap(parsed.timestamp, self._next, 32)
        gap = timestamp - self._next
        if gap < 0:
            return
        if gap:
            samples = min(gap * RATE_HZ // rate_hz, MAX_GAP_S * RATE_HZ)
            self._hear(bytes(BYTES_PER_SAMPLE * samples))
        self._next = timestamp + coder.samples(parsed.payload)
        self._hear(coder.decode(parsed.payload))

    def _decoder(self, payload_type: int) -> Decoder:
        if (found := self._decoders.get(payload_type)) is None:
            found = self._decoders[payload_type] = decoder(self._codecs[payload_type])
        return found


# --- What the descriptions say ------------------------------------------------

_NAMES: Final[dict[str, CodecName]] = {"opus": "opus", "pcmu": "PCMU", "pcma": "PCMA"}
_STATIC: Final[dict[int, CodecName]] = {0: "PCMU", 8: "PCMA"}


def agreed_codecs(answer: str) -> dict[int, CodecName]:
    """By payload type, the preferred one first; of the codecs that we speak.

    Raises:
        CannotConnect: there is none.
    """
    section = re.search(r"^m=audio \d+ \S+ ([\d ]+?)\r?$(.*?)(?=^m=|\Z)", answer, re.M | re.S)
    found: dict[int, CodecName] = {}
    if section is not None:
        maps = dict(re.findall(r"^a=rtpmap:(\d+) ([^/\s]+)/", section[2], re.M))
        for number in section[1].split():
            name = _NAMES.get(maps.get(number, "").lower()) or _STATIC.get(int(number))
            if name is not None:
                found[int(number)] = name
    if not found:
        raise CannotConnect("the server's answer has no audio in Opus or G.711")
    return found


def announced_ssrc(offer: str) -> int:
    """Of our own stream."""
    found = re.search(r"^a=ssrc:(\d+) ", offer, re.M)
    assert found is not None, "aiortc announces it"
    return int(found[1])
