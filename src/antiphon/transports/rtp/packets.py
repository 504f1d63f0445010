"""RTP packets (RFC 3550, section 5.1), and numbers that wrap around."""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

_HEADER: Final = struct.Struct("!BBHII")
HEADER_BYTES: Final = _HEADER.size
VERSION_2: Final = 0x80
MARKER: Final = 0x80


class RtpPacket(NamedTuple):
    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


def parse_rtp(data: bytes) -> RtpPacket | None:
    """The packet without padding, CSRCs and header extensions; None if it is malformed."""
    if len(data) < HEADER_BYTES:
        return None
    first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(data)
    if first == VERSION_2:  # Nearly all: nothing but the header.
        return RtpPacket(
            second & 0x7F, second > 0x7F, sequence, timestamp, ssrc, data[HEADER_BYTES:]
        )
    if first >> 6 != 2:
        return None
    start, end = HEADER_BYTES + 4 * (first & 15), len(data)
    if first & 0x10:  # an extension: its length stands in its second half, in words
        if end < start + 4:
            return None
        start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4], "big")
    if first & 0x20:  # padding: its last byte counts it, itself included
        end -= data[-1]
    if start > end or (first & 0x20 and not data[-1]):
        return None
    return RtpPacket(
        second & 0x7F, bool(second & MARKER), sequence, timestamp, ssrc, data[start:end]
    )


def pack_rtp(
    payload_type: int, sequence: int, timestamp: int, ssrc: int, payload: bytes, *, marker: bool
) -> bytes:
    second = payload_type | MARKER if marker else payload_type
    return (
        _HEADER.pack(VERSION_2, second, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc) + payload
    )


def is_rtcp(datagram: bytes) -> bool:
    """Of a datagram with an RTP or RTCP header (RFC 5761, section 4)."""
    return len(datagram) > 1 and 192 <= datagram[1] <= 223


def unwrap(wrapped: int, near: int, bits: int) -> int:
    """The number closest to ``near`` whose lowest ``bits`` bits are ``wrapped``."""
    half = 1 << (bits - 1)
    return near + ((wrapped - near + half) & ((1 << bits) - 1)) - half
