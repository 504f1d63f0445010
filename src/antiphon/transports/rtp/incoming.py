"""The microphone of a call: from packets to sound."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from antiphon.transports.rtp.codec import Decoder
from antiphon.transports.rtp.jitter import Conceal, Frame, JitterBuffer, Piece, Recover, Silence
from antiphon.transports.rtp.packets import parse_rtp

MAX_RESTARTS: Final = 16
RESTARTS_PER_S: Final = 2.0
"""How often a client may begin its microphone afresh under a new SSRC: so many times at once, and
so many in the long run.  What comes faster is two streams at once, and of those one is heard.
"""


class _Allowance:
    """A token bucket: so many at once, and so many a second."""

    def __init__(self, most: int, per_s: float) -> None:
        self._most = most
        self._per_s = per_s
        self._left = float(most)
        self._at_s: float | None = None

    def take(self, now_s: float) -> bool:
        if self._at_s is not None:
            self._left = min(self._most, self._left + (now_s - self._at_s) * self._per_s)
        self._at_s = now_s
        if self._left < 1:
            return False
        self._left -= 1
        return True


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
        self._restarts = _Allowance(MAX_RESTARTS, RESTARTS_PER_S)
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
        sequence, timestamp = parsed.sequence, parsed.timestamp
        pauses = self._decoder.announces_pause(payload)
        if self.buffer.passes(sequence, timestamp, samples, now_s, pauses=pauses):
            if pcm := self._decoder.decode(payload):
                self._hear(pcm)
            return True
        self.buffer.put(sequence, timestamp, samples, payload, now_s, pauses=pauses)
        self.tick(now_s)
        return True

    def tick(self, now_s: float) -> None:
        """Hear what can be heard by now."""
        for piece in self.buffer.take(now_s):
            if pcm := self._decoded(piece):
                self._hear(pcm)

    def _follow(self, ssrc: int, now_s: float) -> bool:
        """Whether another stream may take the place of the one that was heard."""
        if self.ssrc is not None:
            if not self._restarts.take(now_s):
                return False
            self.buffer.restart(now_s)
        self.ssrc = ssrc
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
