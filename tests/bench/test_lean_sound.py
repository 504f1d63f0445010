"""What lean callers send and hear, packet by packet."""

from __future__ import annotations

import pytest

from antiphon.bench.lean_sound import Incoming, Outgoing, agreed_codecs, announced_ssrc
from antiphon.talk.call_sound import FRAME_BYTES
from antiphon.testing.conformance.sound import square_wave
from antiphon.transports.rtp.coders import encoder
from antiphon.transports.rtp.packets import pack_rtp, parse_rtp
from antiphon.upstream.connection import CannotConnect

FRAME_UNITS = 960
ANSWER = """v=0\r
m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r
m=audio 9 UDP/TLS/RTP/SAVPF 96 9 0 101\r
a=rtpmap:96 opus/48000/2\r
a=rtpmap:9 G722/8000\r
a=rtpmap:101 telephone-event/8000\r
m=video 0 UDP/TLS/RTP/SAVPF 8\r
a=rtpmap:8 VP8/90000\r
"""


def opus(number: int, *, at: int | None = None, payload: bytes | None = None) -> bytes:
    said = encoder("opus").encode(square_wave(20)) if payload is None else payload
    timestamp = number * FRAME_UNITS if at is None else at
    return pack_rtp(96, number, timestamp, 7, said, marker=False)


def heard_of(*packets: bytes) -> list[int]:
    """The length of each piece, in frames."""
    heard: list[bytes] = []
    incoming = Incoming({96: "opus", 0: "PCMU"}, heard.append)
    for packet in packets:
        incoming.take(packet)
    return [round(len(piece) / FRAME_BYTES) for piece in heard]


def test_codecs_are_those_of_the_audio_section_that_we_speak() -> None:
    assert agreed_codecs(ANSWER) == {96: "opus", 0: "PCMU"}
    assert next(iter(agreed_codecs(ANSWER.replace("96 9 0", "8 96")).values())) == "PCMA"
    with pytest.raises(CannotConnect, match=r"Opus or G\.711"):
        agreed_codecs(ANSWER.replace("96 9 0 101", "9"))
    with pytest.raises(CannotConnect):
        agreed_codecs("v=0\r\n")


def test_our_stream_is_the_one_that_was_announced() -> None:
    assert announced_ssrc("m=audio\r\na=ssrc:1234 cname:x\r\na=ssrc:99 cname:y\r\n") == 1234


def test_what_is_said_goes_out_by_the_clock_of_the_codec() -> None:
    out = Outgoing("PCMU", 0, 7)
    packets = [parse_rtp(out.packet(square_wave(20))) for _ in range(3)]
    assert [(p.sequence, p.timestamp, p.marker, len(p.payload)) for p in packets if p] == [
        (0, 0, True, 160),
        (1, 160, False, 160),
        (2, 320, False, 160),
    ]


def test_packets_are_heard_as_they_come() -> None:
    assert heard_of(opus(5), opus(6), opus(7)) == [1, 1, 1]


def test_a_pause_of_the_clock_is_silence_of_its_length() -> None:
    assert heard_of(opus(0), opus(4, at=11 * FRAME_UNITS)) == [1, 10, 1]


def test_a_clock_that_leaps_gives_a_minute_at_most() -> None:
    assert heard_of(opus(0), opus(1, at=2**30)) == [1, 3_000, 1]


def test_what_comes_behind_a_later_packet_is_dropped() -> None:
    assert heard_of(opus(0), opus(2), opus(1), opus(2), opus(3)) == [1, 1, 1, 1]


def test_the_clock_may_wrap_around() -> None:
    end = 2**32 - FRAME_UNITS
    assert heard_of(opus(65_535, at=end), opus(0, at=0)) == [1, 1]


def test_what_nobody_agreed_on_or_is_no_packet_is_not_heard() -> None:
    foreign = pack_rtp(101, 1, 0, 7, b"event", marker=False)
    assert heard_of(b"", b"short", foreign, opus(1, payload=b""), opus(2)) == [1]
