from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from antiphon.transports.rtp.packets import is_rtcp, pack_rtp, parse_rtp, unwrap


@given(
    st.integers(0, 127),
    st.integers(0, 65_535),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
    st.binary(max_size=200),
    st.booleans(),
)
def test_what_is_packed_is_parsed(
    payload_type: int, sequence: int, timestamp: int, ssrc: int, payload: bytes, marker: bool
) -> None:
    data = pack_rtp(payload_type, sequence, timestamp, ssrc, payload, marker=marker)
    assert parse_rtp(data) == (payload_type, marker, sequence, timestamp, ssrc, payload)


def test_csrcs_extensions_and_padding_are_left_out() -> None:
    head = struct.pack("!BBHII", 0x80 | 0x20 | 0x10 | 2, 111, 7, 960, 42)
    extension = struct.pack("!HHI", 0xBEDE, 1, 0x10_30_00_00)
    parsed = parse_rtp(head + bytes(8) + extension + b"voice" + b"\0\0\3")
    assert parsed is not None
    assert (parsed.payload_type, parsed.sequence, parsed.payload) == (111, 7, b"voice")


@given(st.binary(max_size=60))
def test_garbage_is_none_or_a_packet_within_its_bounds(data: bytes) -> None:
    parsed = parse_rtp(data)
    assert parsed is None or parsed.payload in data


def test_padding_longer_than_the_packet_is_malformed() -> None:
    packet = bytearray(pack_rtp(0, 1, 2, 3, b"\0\0\xff", marker=False))
    packet[0] |= 0x20
    assert parse_rtp(bytes(packet)) is None


@given(st.integers(-(2**40), 2**40), st.integers(-32_768, 32_767))
def test_unwrapping_finds_the_number_nearby(near: int, away: int) -> None:
    assert unwrap((near + away) & 0xFFFF, near, 16) == near + away


def test_rtcp_is_told_by_its_second_byte() -> None:
    assert is_rtcp(b"\x80\xc8")
    assert not is_rtcp(b"\x80\x6f")
    assert not is_rtcp(b"\x80")
