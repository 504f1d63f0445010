"""What our stack is asked, and what the client is told.  Pure.

aiortc understands the offers of some clients, and its answer suits few of them.  So it is given an
offer of our own making, with the sections of use and no more; and what it says of its transports
goes into an answer that has a section for each that was offered (RFC 3264, 8829, 9143).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from antiphon.transports.webrtc.channel import MAX_MESSAGE_BYTES
from antiphon.transports.webrtc.offer import DEFAULT_SCTP_PORT, Audio, Data, Offer
from antiphon.transports.webrtc.sdp import Section

ASKED_OF_OPUS: Final = "minptime=10;useinbandfec=1;usedtx=1"
"""RFC 7587, 6.1: what we, as the receiver, would like."""
NO_ADDRESS: Final = "IN IP4 0.0.0.0"
MAX_SCTP_STREAMS: Final = 65_535


class Voice(NamedTuple):
    """Our own stream, as the answer announces it."""

    ssrc: int
    cname: str
    stream_id: str


# --- What our stack is asked --------------------------------------------------


def plain_offer(offer: Offer) -> str:
    """The sections of use, each with its index as its mid.

    The codec says nothing: media never pass through the stack.  No end of candidates is told:
    what a client does not tell (mDNS, TCP, what comes later) its own checks will show.
    """
    lines = ["v=0", f"o=- 1 1 {NO_ADDRESS}", "s=-", "t=0 0"]
    if offer.ice_lite:
        lines.append("a=ice-lite")
    for group in offer.groups:
        members = _together(offer, group)
        if len(members) > 1:
            lines.append(f"a=group:BUNDLE {' '.join(map(str, members))}")
    for i in offer.accepted:
        if offer.data is not None and offer.data.section == i:
            lines += _plain_data(offer, offer.data)
        else:
            lines += ["m=audio 9 UDP/TLS/RTP/SAVPF 0", f"c={NO_ADDRESS}", "a=sendrecv"]
            lines += [f"a=rtcp:9 {NO_ADDRESS}", "a=rtcp-mux", "a=rtpmap:0 PCMU/8000"]
        lines.append(f"a=mid:{i}")
        lines += _plain_transport(offer, i)
    return "\r\n".join(lines) + "\r\n"


def _together(offer: Offer, group: tuple[int, ...]) -> list[int]:
    """The sections of a group that are of use; the one whose transport they share is the first."""
    members = [i for i in group if i in offer.accepted]
    carrier = offer.carrier(members[0]) if members else -1
    return sorted(members, key=lambda i: i != carrier)


def _plain_data(offer: Offer, data: Data) -> list[str]:
    return [
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        f"c={NO_ADDRESS}",
        f"a=sctp-port:{data.sctp_port}",
        f"a=max-message-size:{offer.max_message_bytes or 0}",
    ]


def _plain_transport(offer: Offer, section: int) -> list[str]:
    transport = offer.transport(offer.carrier(section))
    return [
        f"a=ice-ufrag:{transport.ice_username}",
        f"a=ice-pwd:{transport.ice_password}",
        *(f"a=fingerprint:{fingerprint}" for fingerprint in transport.fingerprints),
        f"a=setup:{transport.setup}",
        *(f"a=candidate:{candidate}" for candidate in transport.candidates),
    ]


# --- What the client is told --------------------------------------------------


def write_answer(
    offer: Offer, ours: Mapping[int, Section], voice: Voice, *, session_id: int, version: int = 1
) -> str:
    """Args:
    ours: how each section of use travels, as our stack says.
    version: counts the answers to one client.
    """
    lines = ["v=0", f"o=- {session_id} {version} {NO_ADDRESS}", "s=-", "t=0 0"]
    for group in offer.groups:
        mids = [offer.sections[i].mid or "" for i in _kept(offer, group)]
        if mids:
            lines.append(f"a=group:BUNDLE {' '.join(mids)}")
    lines.append("a=msid-semantic:WMS *")
    for i, section in enumerate(offer.sections):
        if i in offer.accepted:
            lines += _accepted(offer, i, ours[i], voice)
        elif (carried := _carried(offer, i)) is not None:
            lines += _carrying(section, ours[carried])
        else:
            lines += _declined(offer, section, ours)
    return "\r\n".join(lines) + "\r\n"


def _kept(offer: Offer, group: tuple[int, ...]) -> list[int]:
    """The sections of a group that stay in it: RFC 9143, 7.3.3, the first is the one whose
    transport all use.
    """
    members = _together(offer, group)
    if not members:
        return []
    if (carrier := offer.carrier(members[0])) not in members:
        members.insert(0, carrier)
    if offer.is_by_aiortc:
        members += [i for i in group if i not in members]
    return members


def _carried(offer: Offer, section: int) -> int | None:
    """A section of use that goes by the transport of this one, which is of no other use."""
    return next((i for i in offer.accepted if offer.carrier(i) == section), None)


def _accepted(offer: Offer, i: int, ours: Section, voice: Voice) -> Iterator[str]:
    section = offer.sections[i]
    if offer.data is not None and offer.data.section == i:
        port = ours.first("sctp-port") or str(DEFAULT_SCTP_PORT)
        is_old = section.formats[0].isdigit()  # RFC 8841's drafts: until Firefox 62, in 2018
        formats = (port,) if is_old else section.formats
        yield from _media_line(section, ours.port, formats, ours.connection)
        if is_old:
            yield f"a=sctpmap:{port} webrtc-datachannel {MAX_SCTP_STREAMS}"
        else:
            yield f"a=sctp-port:{port}"
        yield f"a=max-message-size:{MAX_MESSAGE_BYTES}"
    else:
        yield from _accepted_audio(offer, i, ours, voice)
    with_candidates = offer.carrier(i) == i or offer.is_by_aiortc
    yield from _transport(ours, with_candidates=with_candidates)


def _accepted_audio(offer: Offer, i: int, ours: Section, voice: Voice) -> Iterator[str]:
    ways = {one for one in (offer.incoming, offer.outgoing) if one and one.section == i}
    audio: Audio = next(iter(ways))
    sends, receives = offer.outgoing in ways, offer.incoming in ways
    yield from _media_line(
        offer.sections[i], ours.port, (str(audio.payload_type),), ours.connection
    )
    yield f"a={_DIRECTIONS[sends, receives]}"
    if sends:
        yield f"a=msid:{voice.stream_id} {voice.stream_id}"
    yield f"a=rtcp:9 {NO_ADDRESS}"
    yield "a=rtcp-mux"
    if sends:
        yield f"a=ssrc:{voice.ssrc} cname:{voice.cname}"
    yield f"a=rtpmap:{audio.payload_type} {audio.rtpmap}"
    if audio.codec == "opus":
        yield f"a=fmtp:{audio.payload_type} {ASKED_OF_OPUS}"


_DIRECTIONS: Final = {
    (True, True): "sendrecv",
    (True, False): "sendonly",
    (False, True): "recvonly",
}
"""Whether we send, and whether we receive."""


def _carrying(section: Section, ours: Section) -> Iterator[str]:
    """Of no use but for its transport: there, and silent."""
    yield from _media_line(section, ours.port, section.formats, ours.connection)
    yield "a=inactive"
    yield from _formats(section)
    yield from _transport(ours, with_candidates=True)


# aiortc (1.16) reads no port.  A section that is declined it takes for a transport of its own,
# unless it is in the group; that one fails, and with it the whole connection.  It wants codecs and
# a transport there too, and of a group it reads the candidates of the last section.


def _declined(offer: Offer, section: Section, ours: Mapping[int, Section]) -> Iterator[str]:
    yield from _media_line(section, 0, section.formats, NO_ADDRESS)
    yield "a=inactive"
    if offer.is_by_aiortc:
        yield from _formats(section)
        yield from _transport(next(iter(ours.values())), with_candidates=True)


def _media_line(
    section: Section, port: int, formats: tuple[str, ...], connection: str
) -> Iterator[str]:
    """The profile is that of the offer: RFC 8829, 5.1.2."""
    yield f"m={section.kind} {port} {section.profile} {' '.join(formats)}"
    yield f"c={connection}"
    if section.mid is not None:
        yield f"a=mid:{section.mid}"


def _formats(section: Section) -> Iterator[str]:
    if section.has("rtcp-mux"):
        yield "a=rtcp-mux"
    for name in ("rtpmap", "fmtp"):
        yield from (f"a={name}:{value}" for value in section.own(name))


def _transport(ours: Section, *, with_candidates: bool) -> Iterator[str]:
    """In a group only the first has candidates; the rest stands in each, as browsers have it."""
    names = ["candidate", "end-of-candidates"] if with_candidates else []
    for name in (*names, "ice-ufrag", "ice-pwd", "fingerprint", "setup"):
        yield from (f"a={name}:{value}" if value else f"a={name}" for value in ours.own(name))
