"""Both streams of a call and the reports on them: an RTP session (RFC 3550, section 3)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from antiphon.transports.rtp.clock import SYSTEM_CLOCK, Clock
from antiphon.transports.rtp.codec import FRAME_MS
from antiphon.transports.rtp.incoming import Found, IncomingStream
from antiphon.transports.rtp.outgoing import OutgoingStream
from antiphon.transports.rtp.playback import PacedPlayback
from antiphon.transports.rtp.rtcp import REPORT_INTERVAL_S, CallQuality, Reporter, parse_rtcp

log = logging.getLogger(__name__)

MEDIA_LOST_S: Final = 10.0
"""Even a muted browser reports (RTCP) more often than this."""
REPORT_SLOTS: Final = round(REPORT_INTERVAL_S * 1000 / FRAME_MS)


class RtpSession:
    """A `Member` of a `MediaClock` between `start` and `stop`; its packets are in the clear.

    Args:
        name: of the call, for the log.
        send_rtcp: takes a compound packet, in the clear.
        receives: whether there is a microphone at all; else there is none that is silent.
    """

    def __init__(
        self,
        name: str,
        incoming: IncomingStream,
        outgoing: OutgoingStream,
        reporter: Reporter,
        send_rtcp: Callable[[bytes], None],
        *,
        receives: bool = True,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._name = name
        self._incoming = incoming
        self._outgoing = outgoing
        self._reporter = reporter
        self._send_rtcp = send_rtcp
        self._receives = receives
        self._clock = clock
        self._last_media_s: float | None = None
        self._media_lost = False
        self._slots_to_report = REPORT_SLOTS // 2

    @property
    def playback(self) -> PacedPlayback:
        return self._outgoing.playback

    def start(self) -> None:
        self._last_media_s = self._clock.monotonic_s()
        self._incoming.start(self._last_media_s)

    def stop(self) -> None:
        """Say goodbye."""
        self._last_media_s = None
        self._send_rtcp(self._reporter.goodbye())

    def refuse(self) -> None:
        """A packet came that was not authentic, or too long."""
        self._incoming.refused += 1

    def take_in(self, packet: bytes, now_s: float, found: Found) -> None:
        if self._incoming.put(packet, now_s, found):
            self._note_media(now_s)

    def on_rtcp(self, packet: bytes) -> None:
        reports = parse_rtcp(packet)
        self._note_media(self._clock.monotonic_s())
        self._reporter.heard(reports, self._clock.wall_s())
        if reports.goodbye:
            log.info("call %s: the client says that its microphone is gone", self._name)

    def send_due(self, slot: int) -> None:
        if self._last_media_s is None:
            return  # It was ended by another call, in this very round.
        self._outgoing.tick(slot)
        self._slots_to_report -= 1
        if self._slots_to_report <= 0:
            self._slots_to_report = REPORT_SLOTS
            self._report(self._clock.monotonic_s())

    def fill(self, now_s: float, found: Found, *, all_silence: bool = False) -> None:
        if self._receives and self._last_media_s is not None:
            self._incoming.tick(now_s, found, all_silence=all_silence)

    def encode_ahead(self) -> None:
        self._outgoing.playback.encode_ahead()

    @property
    def quality(self) -> CallQuality:
        incoming, buffer = self._incoming, self._incoming.buffer
        return CallQuality(
            packets_received=incoming.received,
            packets_lost=buffer.lost,
            packets_late=buffer.late,
            packets_refused=incoming.refused,
            packets_sent=self._outgoing.sent.packets,
            peer_packets_lost=self._reporter.peer_packets_lost,
            jitter_s=buffer.reception.jitter_s,
            peer_jitter_s=self._reporter.peer_jitter_s,
            rtt_s=self._reporter.rtt_s,
            media_silent_s=self._silent_s(self._clock.monotonic_s()),
        )

    def _silent_s(self, now_s: float) -> float:
        """Since media, or a report on it, came; 0 while there can be none."""
        return 0.0 if self._last_media_s is None else now_s - self._last_media_s

    def _note_media(self, now_s: float) -> None:
        self._last_media_s = now_s
        if self._media_lost:
            self._media_lost = False
            log.info("call %s: media is back", self._name)

    def _report(self, now_s: float) -> None:
        incoming = self._incoming
        reception = incoming.buffer.reception
        wall_s = self._clock.wall_s()
        self._send_rtcp(
            self._reporter.report(self._outgoing.sent, incoming.ssrc, reception, wall_s)
        )
        if not self._media_lost and self._silent_s(now_s) > MEDIA_LOST_S:
            self._media_lost = True
            log.warning("call %s: no media for %g s, but it is connected", self._name, MEDIA_LOST_S)
