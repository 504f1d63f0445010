from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.transports.webrtc.offer import (
    DEFAULT_MAX_MESSAGE_BYTES,
    MAX_CANDIDATES,
    MAX_OFFER_BYTES,
    MAX_SECTIONS,
    Audio,
    Data,
    OfferError,
    read_offer,
)

LINES = [
    "v=0",
    "o=- 1 1 IN IP4 0.0.0.0",
    "a=ice-ufrag:abcd",
    "a=ice-pwd:abcdefghijklmnopqrstuv",
    "a=fingerprint:sha-256 00:11",
    "a=setup:actpass",
    "m=audio 9 UDP/TLS/RTP/SAVPF 111 0 8",
    "a=rtcp-mux",
    "a=rtpmap:111 opus/48000/2",
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
]


def sdp(*more: str, end: str = "\r\n") -> str:
    return end.join([*LINES, *more]) + end


@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_an_offer_says_which_sections_are_of_use(end: str) -> None:
    offer = read_offer(
        sdp(
            "a=max-message-size:262144",
            "a=candidate:1 1 udp 1 0b1c2d.local 5000 typ host",
            "a=candidate:2 1 udp 1 192.0.2.1 5000 typ host",
            "a=candidate:3 1 tcp 1 192.0.2.1 9 typ host tcptype active",
            end=end,
        )
    )
    assert offer.incoming == offer.outgoing == Audio(0, "opus", 111, "opus/48000/2")
    assert offer.data == Data(1, 5000)
    assert offer.max_message_bytes == 262_144
    assert offer.transport(1).candidates == ("2 1 udp 1 192.0.2.1 5000 typ host",)


def test_what_the_peer_takes_in_one_message() -> None:
    assert read_offer(sdp()).max_message_bytes == DEFAULT_MAX_MESSAGE_BYTES
    assert read_offer(sdp("a=max-message-size:0")).max_message_bytes is None


def test_candidates_are_bounded_and_each_is_taken_once() -> None:
    many = [f"a=candidate:2 1 udp 1 192.0.2.1 {5000 + i // 2} typ host" for i in range(500)]
    candidates = read_offer(sdp(*many)).transport(1).candidates
    assert len(set(candidates)) == len(candidates) == MAX_CANDIDATES // 2
    assert len(read_offer(sdp(*many[::2])).transport(1).candidates) == MAX_CANDIDATES


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "must begin"),
        ("{}", "must begin"),
        (sdp().replace("m=audio", "m=video"), "no audio"),
        (sdp().replace("a=ice-pwd", "a=x"), "ICE password"),
        (sdp().replace("a=setup", "a=x"), "DTLS role"),
        (sdp(*["m=video 9 UDP/TLS/RTP/SAVPF 96"] * MAX_SECTIONS), "more than"),
        (sdp("a=x" * MAX_OFFER_BYTES), "larger than"),
        (sdp("é" * (MAX_OFFER_BYTES // 2)), "larger than"),
    ],
)
def test_what_is_no_offer_of_a_call(text: str, complaint: str) -> None:
    with pytest.raises(OfferError, match=complaint):
        read_offer(text)


@given(st.text(max_size=200))
def test_any_text_is_refused_or_read(text: str) -> None:
    for candidate in (text, "v=0\n" + text, sdp(text)):
        try:
            read_offer(candidate)
        except OfferError as error:
            assert "offer" in str(error)


def test_a_group_that_travels_by_a_second_data_section_is_refused() -> None:
    """One association goes by one transport, and that of the tagged section is used for all."""
    travels = (
        "a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\na=setup:actpass\r\n"
        "a=fingerprint:sha-256 " + ":".join(["AB"] * 32) + "\r\n"
    )
    data = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=sctp-port:5000\r\n"
    sdp = (
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 2 1 0\r\n"
        "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=rtcp-mux\r\na=mid:0\r\na=bundle-only\r\n"
        f"{travels}{data}a=mid:1\r\na=bundle-only\r\n{travels}{data}a=mid:2\r\n{travels}"
    )
    with pytest.raises(OfferError, match="two data sections"):
        read_offer(sdp)
