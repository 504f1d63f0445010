"""Our reports as aiortc reads them, and the other way round."""

from __future__ import annotations

import random
import statistics

import pytest
from aiortc.rtp import (
    RtcpByePacket,
    RtcpPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpSdesPacket,
    RtcpSenderInfo,
    RtcpSrPacket,
)
from hypothesis import given
from hypothesis import strategies as st

from antiphon.transports.rtp.jitter import JitterBuffer
from antiphon.transports.rtp.reception import Reception
from antiphon.transports.rtp.rtcp import CallQuality, Reporter, Sent, ntp, parse_rtcp

OURS, THEIRS = 0xAAAA, 0xBBBB
NOW_S = 1_700_000_000.0


def heard(*, received: int, lost: frozenset[int] = frozenset()) -> JitterBuffer:
    buffer = JitterBuffer(48_000)
    for i in range(received):
        if i not in lost:
            buffer.put((65_500 + i) & 0xFFFF, i * 960, 960, b"x", i * 0.02)
            buffer.take(i * 0.02)
    return buffer


def test_a_sender_report_says_what_was_sent_and_how_they_are_heard() -> None:
    reporter = Reporter(OURS, "rtc_1", 48_000)
    buffer = heard(received=100, lost=frozenset({7, 8, 9, 10}))
    data = reporter.report(Sent(50, 5000, 123_456), THEIRS, buffer.reception, NOW_S)
    report, description = RtcpPacket.parse(data)
    assert isinstance(report, RtcpSrPacket)
    assert report.ssrc == OURS
    info = report.sender_info
    assert (info.packet_count, info.octet_count, info.rtp_timestamp) == (50, 5000, 123_456)
    assert info.ntp_timestamp == ntp(NOW_S)
    [block] = report.reports
    assert (block.ssrc, block.packets_lost, block.fraction_lost) == (THEIRS, 4, 4 * 256 // 100)
    assert block.highest_sequence == 65_500 + 99
    assert (block.lsr, block.dlsr) == (0, 0)
    assert isinstance(description, RtcpSdesPacket)
    assert description.chunks[0].ssrc == OURS
    assert description.chunks[0].items == [(1, b"rtc_1")]


def test_the_fraction_lost_is_of_the_time_since_the_last_report() -> None:
    reporter = Reporter(OURS, "rtc_1", 48_000)
    buffer = heard(received=100, lost=frozenset(range(20, 60)))
    reporter.report(Sent(0, 0, 0), THEIRS, buffer.reception, NOW_S)
    for i in range(100, 120):
        buffer.put((65_500 + i) & 0xFFFF, i * 960, 960, b"x", i * 0.02)
    [report, _] = RtcpPacket.parse(reporter.report(Sent(0, 0, 0), THEIRS, buffer.reception, NOW_S))
    assert isinstance(report, RtcpRrPacket), "nothing was sent, so no sender report"
    assert report.reports[0].packets_lost == 40
    assert report.reports[0].fraction_lost == 0


def test_the_jitter_is_that_of_the_rfc_whoever_overtakes_whom() -> None:
    """Of delays within 20 ms of 30, two of which differ by 13 on average."""
    dice, reception = random.Random(3), Reception(48_000)
    told_s: list[float] = []
    sent = [(i * 0.02 + 0.03 + dice.uniform(-0.02, 0.02), i) for i in range(3_000)]
    before_s = jitter_s = 0.0
    for arrival_s, i in sorted(sent):
        reception.count(i * 960, arrival_s)
        transit_s = arrival_s - i * 0.02
        jitter_s += (abs(transit_s - before_s) - jitter_s) / 16 if told_s else 0.0
        before_s = transit_s
        assert reception.jitter_s == pytest.approx(jitter_s, abs=1e-9)
        told_s.append(reception.jitter_s)
    assert statistics.mean(told_s[100:]) == pytest.approx(0.0133, abs=0.001)


def test_before_anything_came_the_report_is_empty() -> None:
    data = Reporter(OURS, "x" * 300, 8000).report(Sent(0, 0, 0), None, Reception(8000), NOW_S)
    [report, _] = RtcpPacket.parse(data)
    assert isinstance(report, RtcpRrPacket)
    assert report.reports == []


def test_the_goodbye_is_understood() -> None:
    *_, goodbye = RtcpPacket.parse(Reporter(OURS, "rtc_1", 8000).goodbye())
    assert isinstance(goodbye, RtcpByePacket)
    assert goodbye.sources == [OURS]
    assert parse_rtcp(bytes(goodbye)).goodbye


def test_the_round_trip_is_measured_by_the_peers_echo() -> None:
    reporter = Reporter(OURS, "rtc_1", 48_000)
    reporter.report(Sent(1, 1, 0), None, Reception(48_000), NOW_S)
    echo = RtcpRrPacket(
        ssrc=THEIRS,
        reports=[
            RtcpReceiverInfo(
                ssrc=OURS,
                fraction_lost=0,
                packets_lost=-3,
                highest_sequence=0,
                jitter=480,
                lsr=(ntp(NOW_S) >> 16) & 0xFFFFFFFF,
                dlsr=int(1.5 * 65536),
            )
        ],
    )
    reporter.heard(parse_rtcp(bytes(echo)), NOW_S + 1.6)
    assert reporter.rtt_s == pytest.approx(0.1, abs=1e-3)
    assert reporter.peer_packets_lost == -3
    assert reporter.peer_jitter_s == 0.01


def test_their_report_is_echoed_with_its_age() -> None:
    reporter = Reporter(OURS, "rtc_1", 48_000)
    theirs = RtcpSrPacket(
        ssrc=THEIRS,
        sender_info=RtcpSenderInfo(
            ntp_timestamp=ntp(NOW_S), rtp_timestamp=0, packet_count=0, octet_count=0
        ),
    )
    reporter.heard(parse_rtcp(bytes(theirs)), NOW_S)
    data = reporter.report(Sent(0, 0, 0), THEIRS, heard(received=5).reception, NOW_S + 2)
    [report, _] = RtcpPacket.parse(data)
    assert isinstance(report, RtcpRrPacket)
    assert report.reports[0].lsr == (ntp(NOW_S) >> 16) & 0xFFFFFFFF
    assert report.reports[0].dlsr == 2 * 65536


@given(st.binary(max_size=120))
def test_any_bytes_are_read_as_far_as_they_make_sense(data: bytes) -> None:
    parse_rtcp(b"\x81\xc8" + data)
    parse_rtcp(b"\x9f\xc9\x00\x20" + data)


def test_quality_since_an_earlier_one() -> None:
    before = CallQuality(packets_received=10, packets_lost=1, jitter_s=0.5)
    after = CallQuality(packets_received=30, packets_lost=4, jitter_s=0.25, rtt_s=0.1)
    assert after.since(before) == CallQuality(
        packets_received=20, packets_lost=3, jitter_s=0.25, rtt_s=0.1
    )
