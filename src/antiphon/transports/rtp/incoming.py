"""The microphone of a call: from packets to sound."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from antiphon.transports.rtp.codec import Decoder
from antiphon.transports.rtp.jitter import Conceal, Frame, JitterBuffer, Piece, Recover, Silence
from antiphon.transports.rtp.packets import parse_rtp

log = logging.getLogger(__name__)

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
    """Packets in, as they come, and the time; what is to be heard out, in order and without gaps.

    Args:
        payload_type: what was agreed upon; other packets are refused.
        rate_hz: of the codec's RTP clock.
        hear: takes 16-bit mono at `MEDIA_RATE_HZ`; called by `give_out`.
        awaits_silence: whether anything may follow from a silence as it passes.
    """

    def __init__(
        self,
        payload_type: int,
        decoder: Decoder,
        rate_hz: int,
        hear: Callable[[bytes], None],
        awaits_silence: Callable[[], bool] = lambda: True,
    ) -> None:
        self._payload_type = payload_type
        self._decoder = decoder
        self.hear = hear
        self._awaits_silence = awaits_silence
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

    def put(self, packet: bytes, now_s: float, found: Found) -> bool:
        """Whether the packet was one of the microphone's; what it brings goes to ``found``."""
        parsed = parse_rtp(packet)
        if parsed is None:
            self.refused += 1
            return False
        payload_type, _, sequence, timestamp, ssrc, payload = parsed
        if payload_type != self._payload_type:
            self.refused += 1
            return False
        decoder = self._decoder
        samples = decoder.samples(payload)
        if not samples:
            self.refused += bool(payload)  # Empty ones only keep a path open.
            return False
        if ssrc != self.ssrc and not self._follow(ssrc, now_s):
            self.refused += 1
            return False
        self.received += 1
        pauses = decoder.announces_pause(payload)
        if self.buffer.passes(sequence, timestamp, samples, now_s, pauses=pauses):
            found.append((self, payload))
            return True
        self.buffer.put(sequence, timestamp, samples, payload, now_s, pauses=pauses)
        self.tick(now_s, found)
        return True

    def tick(self, now_s: float, found: Found, *, all_silence: bool = False) -> None:
        """What can be heard by now; ``all_silence``: some follows from it though nobody waits."""
        buffer = self.buffer
        if buffer.is_full(now_s):
            return
        awaited = all_silence or self._awaits_silence()
        for piece in buffer.take(now_s, silence_awaited=awaited):
            found.append((self, piece.payload if type(piece) is Frame else piece))

    def _follow(self, ssrc: int, now_s: float) -> bool:
        """Whether another stream may take the place of the one that was heard."""
        if self.ssrc is not None:
            if not self._restarts.take(now_s):
                return False
            self.buffer.restart(now_s)
        self.ssrc = ssrc
        return True

    def decoded(self, piece: bytes | Piece) -> bytes:
        """Each piece once, in its order."""
        match piece:
            case bytes():
                return self._decoder.decode(piece)
            case Frame():
                return self._decoder.decode(piece.payload)
            case Silence():
                return self._decoder.silence(piece.samples)
            case Conceal():
                return self._decoder.conceal(piece.samples)
            case Recover():
                return self._decoder.recover(piece.next_payload, piece.samples)


Found = list[tuple[IncomingStream, bytes | Piece]]
"""What is to be decoded, in order: mostly payloads as they came."""


def give_out(found: Found) -> None:
    """Decode all of it; then let it be heard."""
    heard: list[tuple[Callable[[bytes], None], bytes]] = []
    for stream, piece in found:
        try:
            if pcm := stream.decoded(piece):
                heard.append((stream.hear, pcm))
        except Exception:
            log.exception("a packet could not be decoded")
    for hear, pcm in heard:
        try:
            hear(pcm)
        except Exception:
            # A bug of one call must not deafen the others.
            log.exception("a call's sound could not be heard")
