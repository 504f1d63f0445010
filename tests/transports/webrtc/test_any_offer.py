"""Any offer at all: a valid answer, or a refusal that says why; no exception, and no leak."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from antiphon.runtime.hub import Hub
from antiphon.transports.webrtc.answer import Voice, plain_offer, write_answer
from antiphon.transports.webrtc.calls import Calls
from antiphon.transports.webrtc.offer import Offer, OfferError, read_offer
from antiphon.transports.webrtc.sdp import Section, read_sdp
from antiphon.transports.webrtc.settings import WebRtcSettings
from tests.transports.webrtc.client import LOCALHOST, SayingEngine, until
from tests.transports.webrtc.judge import judge
from tests.transports.webrtc.leftovers import leave_out_what_is_there, leftovers

DEEP = os.environ.get("ANTIPHON_LAWS") == "deep"
FINGERPRINT = "sha-256 " + ":".join(["AB"] * 32)
MAPS = {
    "111": "opus/48000/2",
    "96": "OPUS/48000/2",
    "0": "PCMU/8000",
    "8": "PCMA/8000",
    "9": "G722/8000",
    "103": "telephone-event/8000",
    "40": "opus/48000",
}
AUDIO_PROFILES = [
    "UDP/TLS/RTP/SAVPF",
    "UDP/TLS/RTP/SAVP",
    "TCP/TLS/RTP/SAVPF",
    "RTP/SAVPF",
    "RTP/AVP",
    "RTP/AVPF",
    "UDP/TLS/RTP",
]
DATA = [
    ("UDP/DTLS/SCTP", "webrtc-datachannel", "a=sctp-port:5000"),
    ("TCP/DTLS/SCTP", "webrtc-datachannel", "a=sctp-port:5001"),
    ("DTLS/SCTP", "5000", "a=sctpmap:5000 webrtc-datachannel 256"),
    ("UDP/BFCP", "*", "a=floorctrl:c-only"),
]
CANDIDATES = [
    "a=candidate:1 1 udp 2113937151 192.0.2.1 50000 typ host",
    "a=candidate:1 2 UDP 2113937150 192.0.2.1 50001 typ host",
    "a=candidate:2 1 udp 2113937151 5b1f.local 50000 typ host",
    "a=candidate:3 1 tcp 1518280447 192.0.2.7 9 typ host tcptype active",
    "a=candidate:4 1 udp 1 2001:db8::1 50000 typ srflx raddr :: rport 0",
    "a=candidate:5 1 udp 1 fe80::1%eth0 50000 typ host",
    "a=candidate:nonsense",
    "a=end-of-candidates",
]


@st.composite
def audio_sections(draw: st.DrawFn) -> list[str]:
    formats = draw(st.lists(st.sampled_from(sorted(MAPS)), min_size=1, max_size=4, unique=True))
    profile = draw(st.sampled_from(AUDIO_PROFILES))
    port = draw(st.sampled_from(["9", "0", "50000", "50001", "9/2"]))
    lines = [f"m=audio {port} {profile} {' '.join(formats)}"]
    lines += [f"a=rtpmap:{number} {MAPS[number]}" for number in formats if draw(st.booleans())]
    lines += draw(st.sampled_from([["a=rtcp-mux"]] * 9 + [[]]))
    ways = ("sendrecv", "sendonly", "recvonly", "inactive")
    lines += draw(st.sampled_from([*([f"a={way}"] for way in ways), []]))
    return lines


@st.composite
def data_sections(draw: st.DrawFn) -> list[str]:
    profile, formats, attribute = draw(st.sampled_from(DATA))
    lines = [f"m=application {draw(st.sampled_from(['9', '0', '50000']))} {profile} {formats}"]
    size = draw(st.sampled_from([None, "0", "500", "65536", "262144", "many"]))
    return [*lines, attribute, *([] if size is None else [f"a=max-message-size:{size}"])]


@st.composite
def other_sections(draw: st.DrawFn) -> list[str]:
    kind = draw(st.sampled_from(["video", "text", "message"]))
    return [
        f"m={kind} {draw(st.sampled_from(['9', '0', '50002']))} UDP/TLS/RTP/SAVPF 97 98",
        "a=rtpmap:97 VP8/90000",
        "a=rtpmap:98 H265/90000",
        "a=rtcp-mux",
    ]


@st.composite
def travels(draw: st.DrawFn) -> list[str]:
    lines = draw(
        st.sampled_from(
            [["a=ice-ufrag:abcd", "a=ice-pwd:abcdefghijklmnopqrstuv"]] * 5
            + [["a=ice-ufrag:wxyz", "a=ice-pwd:zyxwvutsrqponmlkjihgfe"], ["a=ice-ufrag:abcd"], []]
        )
    )
    lines = lines + draw(
        st.sampled_from([[f"a=fingerprint:{FINGERPRINT}"]] * 6 + [["a=fingerprint:sha-1 AB"], []])
    )
    setup = draw(st.sampled_from(["actpass"] * 4 + ["active", "passive", "holdconn", ""]))
    return [*lines, *([f"a=setup:{setup}"] if setup else [])]


@st.composite
def offers(draw: st.DrawFn) -> str:
    kinds = st.one_of(audio_sections(), audio_sections(), data_sections(), other_sections())
    sections = draw(st.lists(kinds, max_size=5))
    shared = draw(travels())
    at_session = draw(st.booleans())
    mids: list[str] = []
    body: list[str] = []
    for i, section in enumerate(sections):
        body += section
        if draw(st.sampled_from([True] * 6 + [False])):
            mids.append(draw(st.sampled_from([str(i)] * 9 + ["0"])))
            body.append(f"a=mid:{mids[-1]}")
        if draw(st.sampled_from([True] + [False] * 5)):
            body.append("a=bundle-only")
        body += (
            draw(travels())
            if draw(st.sampled_from([True] + [False] * 5))
            else ([] if at_session else shared)
        )
        body += draw(st.lists(st.sampled_from(CANDIDATES[:6] + CANDIDATES[7:]), max_size=2))
    body += draw(st.sampled_from([[]] * 19 + [["a=candidate:nonsense"], ["m=nonsense"]]))
    bundles: list[str] = []
    if draw(st.sampled_from([True] * 3 + [False])):
        members = draw(st.permutations(mids)) if draw(st.booleans()) else mids
        members = members[: draw(st.integers(0, len(members)))] if draw(st.booleans()) else members
        missing = draw(st.sampled_from([[]] * 9 + [["missing"]]))
        bundles.append(f"a=group:BUNDLE {' '.join([*members, *missing])}".rstrip())
    origin = draw(st.sampled_from(["o=- 1 1 IN IP4 127.0.0.1", "o=- 1234567890 2 IN IP4 0.0.0.0"]))
    head = ["v=0", origin, "s=-", "t=0 0", *bundles]
    end = draw(st.sampled_from(["\r\n", "\n"]))
    return end.join([*head, *(shared if at_session else []), *body]) + end


def ours(offer: Offer) -> dict[int, Section]:
    """As the stack would say how each section of use travels."""
    made: dict[int, Section] = {}
    for i in offer.accepted:
        carrier = offer.carrier(i)
        role = {"active": "passive"}.get(offer.transport(carrier).setup, "active")
        attributes = (
            f"candidate:1 1 udp 1 192.0.2.9 {40_000 + carrier} typ host",
            "end-of-candidates",
            "ice-ufrag:ours",
            "ice-pwd:0123456789012345678901",
            f"fingerprint:{FINGERPRINT}",
            f"setup:{role}",
        )
        made[i] = Section("x", 40_000 + carrier, "x", ("0",), "IN IP4 192.0.2.9", attributes, ())
    return made


@settings(max_examples=2_000 if DEEP else 150, deadline=None, derandomize=not DEEP)
@given(offers())
@example("v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n")
def test_an_offer_is_answered_by_the_rules_or_refused_with_a_reason(sdp: str) -> None:
    try:
        offer = read_offer(sdp)
    except OfferError as error:
        assert "offer" in str(error)
        return
    judge(sdp, write_answer(offer, ours(offer), Voice(1, "name", "stream"), session_id=1))
    plain = read_sdp(plain_offer(offer))
    assert [int(section.mid or -1) for section in plain.sections] == offer.accepted


@settings(max_examples=2_000 if DEEP else 100, deadline=None, derandomize=not DEEP)
@given(st.data())
def test_a_spoilt_offer_is_answered_or_refused(data: st.DataObject) -> None:
    """Lines left out, doubled, swapped or cut."""
    lines = data.draw(offers()).splitlines()
    for _ in range(data.draw(st.integers(1, 4))):
        i = data.draw(st.integers(0, len(lines) - 1))
        match data.draw(st.sampled_from(["drop", "double", "swap", "cut"])):
            case "drop" if len(lines) > 1:
                lines.pop(i)
            case "double":
                lines.insert(i, lines[i])
            case "swap":
                lines[0 if i == 0 else i - 1], lines[i] = lines[i], lines[0 if i == 0 else i - 1]
            case _:
                lines[i] = lines[i][: data.draw(st.integers(0, len(lines[i])))]
    try:
        offer = read_offer("\r\n".join(lines) + "\r\n")
    except OfferError as error:
        assert "offer" in str(error)
    else:
        write_answer(offer, ours(offer), Voice(1, "name", "stream"), session_id=1)
        plain_offer(offer)


@settings(max_examples=12, deadline=None, derandomize=True)
@given(st.lists(offers(), min_size=1, max_size=2))
def test_calls_answer_any_offer_and_leak_nothing(made: list[str]) -> None:
    asyncio.run(_call_with(made))


async def _call_with(made: list[str]) -> None:
    hub = Hub(lambda _: SayingEngine())
    calls = Calls(hub, WebRtcSettings(host_addresses=LOCALHOST))
    before = leave_out_what_is_there()
    for sdp in made:
        try:
            answer: Any = await calls.answer(sdp, model="test")
        except OfferError as error:
            assert "offer" in str(error)
        else:
            judge(sdp, answer.sdp)
    await calls.aclose()
    await until(lambda: not hub.sessions)
    await until(lambda: not leftovers() - before)
    await hub.aclose()
