"""How well a call is heard: RTCP reports (RFC 3550, section 6), and what they tell.

Pure: datagrams are plain, before SRTP; wall time comes in, in seconds since 1970.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final, NamedTuple

from msgspec import Struct

from antiphon.transports.rtp.reception import Reception

SENDER_REPORT: Final = 200
RECEIVER_REPORT: Final = 201
SOURCE_DESCRIPTION: Final = 202
GOODBYE: Final = 203
REPORT_INTERVAL_S: Final = 2.5
"""RFC 3550, 6.2: 5 s, or less where the bandwidth allows; half of it for the first one."""

_NTP_EPOCH_S: Final = 2_208_988_800
_BLOCK: Final = struct.Struct("!IIIIII")
_SENDER: Final = struct.Struct("!IIIII")
_CNAME: Final = 1


class CallQuality(Struct, frozen=True, kw_only=True):
    """Since the call began; `since` gives what happened in between."""

    packets_received: int = 0
    packets_lost: int = 0
    """Never came, or too late to be heard."""
    packets_late: int = 0
    packets_refused: int = 0
    """Not authentic, or malformed."""
    packets_sent: int = 0
    peer_packets_lost: int = 0
    """Of ours, as the peer's last report says."""
    jitter_s: float = 0.0
    peer_jitter_s: float = 0.0
    rtt_s: float | None = None
    """None until the peer has answered one of our reports."""
    media_silent_s: float = 0.0
    """Since the last packet of media, or report on it, came."""

    def since(self, earlier: CallQuality) -> CallQuality:
        """Counts become differences; jitter and round trip stay what they are now."""
        return CallQuality(
            packets_received=self.packets_received - earlier.packets_received,
            packets_lost=self.packets_lost - earlier.packets_lost,
            packets_late=self.packets_late - earlier.packets_late,
            packets_refused=self.packets_refused - earlier.packets_refused,
            packets_sent=self.packets_sent - earlier.packets_sent,
            peer_packets_lost=self.peer_packets_lost - earlier.peer_packets_lost,
            jitter_s=self.jitter_s,
            peer_jitter_s=self.peer_jitter_s,
            rtt_s=self.rtt_s,
            media_silent_s=self.media_silent_s,
        )


class Sent(NamedTuple):
    """What has been sent so far, for a sender report."""

    packets: int
    payload_bytes: int
    timestamp: int
    """The RTP timestamp of now."""


class ReportBlock(NamedTuple):
    ssrc: int
    fraction_lost: float
    packets_lost: int
    jitter: int
    """In RTP clock units."""
    last_report: int
    """The middle 32 bits of the NTP time of the last sender report; 0 if there was none."""
    delay_s: float


@dataclass(frozen=True, slots=True)
class Reports:
    """What one compound packet says."""

    sender_ntp: int | None = None
    """The middle 32 bits of the sender report's NTP time."""
    blocks: tuple[ReportBlock, ...] = ()
    goodbye: bool = False


def ntp(now_s: float) -> int:
    """64 bits of NTP time."""
    return int((now_s + _NTP_EPOCH_S) * (1 << 32))


def parse_rtcp(data: bytes) -> Reports:
    """Reads as far as a compound packet makes sense; what is of no use here is skipped."""
    sender_ntp: int | None = None
    blocks: list[ReportBlock] = []
    goodbye = False
    at = 0
    while at + 8 <= len(data):
        first, kind, words = struct.unpack_from("!BBH", data, at)
        end = at + 4 * (words + 1)
        if first >> 6 != 2 or end > len(data):
            break
        body = at + 8
        if kind == SENDER_REPORT and end >= body + _SENDER.size:
            high, low, *_ = _SENDER.unpack_from(data, body)
            sender_ntp = ((high << 32 | low) >> 16) & 0xFFFFFFFF
            body += _SENDER.size
        if kind in (SENDER_REPORT, RECEIVER_REPORT):
            for _ in range(first & 31):
                if body + _BLOCK.size > end:
                    break
                blocks.append(_block(data, body))
                body += _BLOCK.size
        goodbye = goodbye or kind == GOODBYE
        at = end
    return Reports(sender_ntp, tuple(blocks), goodbye)


def _block(data: bytes, at: int) -> ReportBlock:
    ssrc, loss, _, jitter, last, delay = _BLOCK.unpack_from(data, at)
    lost = loss & 0xFFFFFF
    if lost & 0x800000:  # 24 bits, signed: duplicates can make it negative
        lost -= 1 << 24
    return ReportBlock(ssrc, (loss >> 24) / 256, lost, jitter, last, delay / 65536)


class Reporter:
    """Both directions of one call's reports."""

    def __init__(self, ssrc: int, cname: str, rate_hz: int) -> None:
        self._ssrc = ssrc
        self._rate_hz = rate_hz
        name = cname.encode()[:255]
        item = struct.pack("!IBB", ssrc, _CNAME, len(name)) + name
        item += bytes(4 - len(item) % 4)  # at least one null octet ends the list
        self._description = struct.pack("!BBH", 0x81, SOURCE_DESCRIPTION, len(item) // 4) + item
        self._peer_report = 0
        self._peer_report_at_s = 0.0
        self._expected_before = 0
        self._received_before = 0
        self.peer_packets_lost = 0
        self.peer_jitter_s = 0.0
        self.rtt_s: float | None = None

    def report(self, sent: Sent, peer_ssrc: int | None, heard: Reception, now_s: float) -> bytes:
        """A compound packet: sender (or receiver) report and our canonical name."""
        block = b"" if peer_ssrc is None else self._reception(peer_ssrc, heard, now_s)
        count = 0x80 | bool(block)
        if sent.packets:
            stamp = ntp(now_s)
            body = _SENDER.pack(
                stamp >> 32,
                stamp & 0xFFFFFFFF,
                sent.timestamp & 0xFFFFFFFF,
                sent.packets & 0xFFFFFFFF,
                sent.payload_bytes & 0xFFFFFFFF,
            )
            kind = SENDER_REPORT
        else:
            body, kind = b"", RECEIVER_REPORT
        words = 1 + (len(body) + len(block)) // 4
        head = struct.pack("!BBHI", count, kind, words, self._ssrc)
        return head + body + block + self._description

    def goodbye(self) -> bytes:
        empty = struct.pack("!BBHI", 0x80, RECEIVER_REPORT, 1, self._ssrc)
        return empty + self._description + struct.pack("!BBHI", 0x81, GOODBYE, 1, self._ssrc)

    def heard(self, reports: Reports, now_s: float) -> None:
        if reports.sender_ntp is not None:
            self._peer_report = reports.sender_ntp
            self._peer_report_at_s = now_s
        for block in reports.blocks:
            if block.ssrc == self._ssrc:
                self.peer_packets_lost = block.packets_lost
                self.peer_jitter_s = block.jitter / self._rate_hz
                if block.last_report:
                    self._measure_round_trip(block, now_s)

    def _measure_round_trip(self, block: ReportBlock, now_s: float) -> None:
        arrival = (ntp(now_s) >> 16) & 0xFFFFFFFF
        rtt_s = ((arrival - block.last_report) & 0xFFFFFFFF) / 65536 - block.delay_s
        if 0 <= rtt_s < 60:  # else the clocks, or the peer's sums, are wrong
            self.rtt_s = rtt_s

    def _reception(self, peer_ssrc: int, heard: Reception, now_s: float) -> bytes:
        expected = heard.highest_sequence - heard.first_sequence + 1
        lost = max(-(1 << 23), min(expected - heard.received, (1 << 23) - 1))
        expected_now = expected - self._expected_before
        lost_now = expected_now - (heard.received - self._received_before)
        self._expected_before, self._received_before = expected, heard.received
        fraction = lost_now * 256 // expected_now if expected_now > 0 and lost_now > 0 else 0
        delay_s = now_s - self._peer_report_at_s
        known = self._peer_report and 0 <= delay_s < 65536
        return _BLOCK.pack(
            peer_ssrc,
            (min(fraction, 255) << 24) | (lost & 0xFFFFFF),
            heard.highest_sequence & 0xFFFFFFFF,
            int(heard.jitter_s * self._rate_hz),
            self._peer_report if known else 0,
            int(delay_s * 65536) if known else 0,
        )
