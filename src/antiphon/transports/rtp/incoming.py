"""The microphone of a call: from packets to sound."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from antiphon.transports.rtp.codec import Decoder
from antiphon.transports.rtp.jitter import Conceal, Frame, JitterBuffer, Piece, Recover, Silence
from antiphon.transports.rtp.packets import parse_rtp

MAX_STREAMS: Final = 16
"""How often a client may begin its microphone afresh under a new SSRC."""


class IncomingStream:
    """Packets in, as they come, and the time; sound out, in order and without gaps.

    Args:
        payload_type: what was agreed upon; other packets are refused.
        rate_hz: of the codec's RTP clock.
        hear: takes 16-bit mono at `MEDIA_RATE_HZ`.
    """

    def __init__(
        self, payload_type: int, decoder: Decoder, rate_hz: int, hear: Callable[[bytes], None]
    ) -> None:
        self._payload_type = payload_type
        self._decoder = decoder
        self._hear = hear
        self._streams = 0
        self.buffer = JitterBuffer(rate_hz)
        self.ssrc: int | None = None
        """None until a packet has come."""
        self.received = 0
        """Packets that were taken, late ones and duplicates among them."""
        self.refused = 0

    def start(self, now_s: float) -> None:
        """From now on there is sound, be it silence."""
        self.buffer.start_clock(now_s)

    def put(self, packet: bytes, now_s: float) -> bool:
        """Whether the packet was one of the microphone's."""
        parsed = parse_rtp(packet)
        if parsed is None or parsed.payload_type != self._payload_type:
            self.refused += 1
            return False
        payload = parsed.payload
        samples = self._decoder.samples(payload)
        if not samples:
            self.refused += bool(payload)  # Empty ones only keep a path open.
            return False
        if parsed.ssrc != self.ssrc and not self._follow(parsed.ssrc, now_s):
            self.refused += 1
            return False
        self.received += 1
        pauses = self._decoder.announces_pause(payload)
        self.buffer.put(parsed.sequence, parsed.timestamp, samples, payload, now_s, pauses=pauses)
        self.tick(now_s)
        return True

    def tick(self, now_s: float) -> None:
        """Hear what can be heard by now."""
        for piece in self.buffer.take(now_s):
            if pcm := self._decoded(piece):
                self._hear(pcm)

    def _follow(self, ssrc: int, now_s: float) -> bool:
        """Whether another stream may take the place of the one that was heard."""
        if self._streams >= MAX_STREAMS:
            return False
        if self.ssrc is not None:
            self.buffer.restart(now_s)
        self.ssrc = ssrc
        self._streams += 1
        return True

    def _decoded(self, piece: Piece) -> bytes:
        match piece:
            case Frame():
                return self._decoder.decode(piece.payload)
            case Silence():
                return self._decoder.silence(piece.samples)
            case Conceal():
                return self._decoder.conceal(piece.samples)
            case Recover():
                return self._decoder.recover(piece.next_payload, piece.samples)
