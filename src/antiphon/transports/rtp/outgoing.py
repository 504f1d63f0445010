"""The assistant's voice as a stream of packets."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from antiphon.transports.rtp.codec import FRAME_MS
from antiphon.transports.rtp.packets import pack_rtp
from antiphon.transports.rtp.playback import PacedPlayback
from antiphon.transports.rtp.rtcp import Sent


class OutgoingStream:
    """A packet every 20 ms, while there is something to say.

    Args:
        rate_hz: of the codec's RTP clock.
        send: takes a packet, in the clear; None: nobody listens, the voice passes unheard.
    """

    def __init__(
        self,
        playback: PacedPlayback,
        payload_type: int,
        rate_hz: int,
        ssrc: int,
        send: Callable[[bytes], None] | None,
    ) -> None:
        self.playback = playback
        self._payload_type = payload_type
        self._ssrc = ssrc
        self._samples_per_slot = rate_hz * FRAME_MS // 1000
        self._send = send
        # RFC 3550, 5.1: both begin anywhere; in the lower half, so as not to wrap at once.
        self._sequence = secrets.randbelow(1 << 15)
        self._first_timestamp = self._timestamp = secrets.randbits(32)
        self._packets = self._payload_bytes = 0

    @property
    def sent(self) -> Sent:
        return Sent(self._packets, self._payload_bytes, self._timestamp)

    def tick(self, slot: int) -> None:
        self._timestamp = self._first_timestamp + slot * self._samples_per_slot
        frame = self.playback.next_frame()
        if frame is not None and self._send is not None:
            self._send(
                pack_rtp(
                    self._payload_type,
                    self._sequence,
                    self._timestamp,
                    self._ssrc,
                    frame.payload,
                    marker=frame.begins,
                )
            )
            self.playback.sent(self._timestamp)
            self._sequence += 1
            self._packets += 1
            self._payload_bytes += len(frame.payload)
