"""What an SDP offer asks for, and what of it becomes a call.  Pure.

Of all sections at most three are of use: the one that brings the microphone, the one that takes
our voice (mostly the same), and the one of the data channel.  The others are declined.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final, NamedTuple

from antiphon.errors import AntiphonError
from antiphon.protocol.fitting import MIN_MESSAGE_BYTES
from antiphon.transports.rtp.codec import CodecName
from antiphon.transports.webrtc.sdp import Description, Section, read_sdp

MAX_OFFER_BYTES: Final = 64 * 1024
MAX_SECTIONS: Final = 8
MAX_CANDIDATES: Final = 50
DEFAULT_MAX_MESSAGE_BYTES: Final = 65_536
"""RFC 8841, 6.1: where the offer does not say."""
DEFAULT_SCTP_PORT: Final = 5000
"""RFC 8841, 5.2: the one that everybody names."""

_AUDIO_PROFILE: Final = re.compile(r"((UDP|TCP)/TLS/)?RTP/S?AVPF?")
"""RFC 8829, 5.1.2: all are taken for DTLS-SRTP, where there is a fingerprint."""
_DATA_PROFILES: Final = ("UDP/DTLS/SCTP", "TCP/DTLS/SCTP", "DTLS/SCTP")
_CODECS: Final[dict[str, CodecName]] = {
    "opus/48000/2": "opus",
    "opus/48000": "opus",
    "pcmu/8000": "PCMU",
    "pcmu/8000/1": "PCMU",
    "pcma/8000": "PCMA",
    "pcma/8000/1": "PCMA",
}
_STATIC: Final = {"0": "PCMU/8000", "8": "PCMA/8000"}
"""RFC 8866, 6.6: these need no rtpmap."""
_HASHES: Final = ("sha-256", "sha-384", "sha-512")
_CLIENT_SENDS: Final = ("sendrecv", "sendonly")
_CLIENT_LISTENS: Final = ("sendrecv", "recvonly")


class OfferError(AntiphonError):
    """The client's offer cannot be answered; the message says what is wrong with it."""


class Transport(NamedTuple):
    """How a section's packets travel, as the client says."""

    ice_username: str
    ice_password: str
    fingerprints: tuple[str, ...]
    """Of the DTLS certificate, "sha-256 ab:cd…", in lower case: who the peer is."""
    setup: str
    candidates: tuple[str, ...]
    """UDP addresses.  Without any, the client's own checks show us where it is."""


class Audio(NamedTuple):
    """One direction of the sound."""

    section: int
    codec: CodecName
    payload_type: int
    rtpmap: str
    """As offered, "opus/48000/2"."""


class Data(NamedTuple):
    section: int
    sctp_port: int


class Offer(NamedTuple):
    sections: tuple[Section, ...]
    transports: tuple[Transport | None, ...]
    """How each section travels, where it says all that is needed."""
    incoming: Audio | None
    """The first section in which the client sends sound that we understand."""
    outgoing: Audio | None
    """The first one in which it wants to hear."""
    data: Data | None
    max_message_bytes: int | None
    """What the peer takes in one message of its data channel; None: anything."""
    groups: tuple[tuple[int, ...], ...]
    """The sections of each BUNDLE group."""
    ice_lite: bool
    is_by_aiortc: bool
    """Which reads answers in a way of its own."""

    @property
    def has_channel(self) -> bool:
        return self.data is not None

    @property
    def accepted(self) -> list[int]:
        """The sections of use, in their order."""
        used = (self.incoming, self.outgoing, self.data)
        return sorted({one.section for one in used if one is not None})

    def group(self, section: int) -> tuple[int, ...] | None:
        return next((group for group in self.groups if section in group), None)

    def carrier(self, section: int) -> int:
        """The section whose transport an accepted one uses: RFC 9143, 7.3.1.

        It may be one of which we want nothing else, the first of its group, where those that we
        want are bundle-only or show no address of their own: under the policy "max-bundle"
        browsers have one transport, that of the first, and Chromium breaks where it is declined.
        """
        group = self.group(section)
        if group is None:
            return section
        accepted = self.accepted
        able = [i for i in group if self.sections[i].port and self.transports[i]]
        if able[0] in accepted:
            return able[0]
        return next((i for i in able if i in accepted and self._stands_alone(i)), able[0])

    def _stands_alone(self, section: int) -> bool:
        """Whether it has an address of its own; 9 is the port of none (RFC 8840, 4.1.1)."""
        return self.sections[section].port != 9 or bool(self.sections[section].own("candidate"))

    def transport(self, section: int) -> Transport:
        """Of a section that is a carrier, with all addresses of its group."""
        transport = self.transports[section]
        assert transport is not None
        known = dict.fromkeys(transport.candidates)
        for member in self.group(section) or ():
            other = self.transports[member]
            if other is not None and other.ice_username == transport.ice_username:
                known |= dict.fromkeys(other.candidates)
        return transport._replace(candidates=tuple(known)[:MAX_CANDIDATES])


def read_offer(sdp: str) -> Offer:
    """Refuse what is no offer of a call.

    Raises:
        OfferError: too large, no SDP, or without audio, ICE or DTLS.
    """
    description = read_sections(sdp)
    sections = description.sections
    audio = [i for i, section in enumerate(sections) if section.kind == "audio"]
    if not audio:
        raise OfferError("The SDP offer has no audio section (m=audio).")
    groups = _groups(description)
    for section in sections:
        _candidates(section)
    transports = tuple(map(_transport, sections))
    layout = _Layout(sections, transports, groups)
    usable = [i for i in audio if _complaint(i, layout) is None]
    if not usable:
        raise OfferError(str(_complaint(audio[0], layout)))
    data = _data(layout)
    offer = Offer(
        sections,
        transports,
        incoming=_audio(sections, usable, _CLIENT_SENDS),
        outgoing=_audio(sections, usable, _CLIENT_LISTENS),
        data=data,
        max_message_bytes=_max_message_bytes(sections[data.section]) if data else None,
        groups=groups,
        ice_lite="ice-lite" in description.attributes,
        is_by_aiortc=_is_by_aiortc(description),
    )
    accepted = offer.accepted
    for carrier in map(offer.carrier, accepted):
        if carrier not in accepted and sections[carrier].kind == "application":
            # RFC 8841, 10.2: one association at most goes by one transport.
            raise OfferError(
                "The SDP offer has two data sections in one group, and its transport in the one "
                "that is not used: offer one m=application section."
            )
    return offer


def read_sections(sdp: str) -> Description:
    """Any SDP that is not too much of it.

    Raises:
        OfferError: it is too much, or none.
    """
    if len(sdp) > MAX_OFFER_BYTES or len(sdp.encode(errors="replace")) > MAX_OFFER_BYTES:
        raise OfferError(f"The SDP offer is larger than {MAX_OFFER_BYTES} bytes.")
    if sdp.strip().split("\n")[0].rstrip() != "v=0":
        raise OfferError("The SDP offer must begin with 'v=0'.")
    try:
        description = read_sdp(sdp)
    except ValueError as error:
        raise OfferError(f"The SDP offer cannot be understood: {error}.") from None
    if len(description.sections) > MAX_SECTIONS:
        raise OfferError(f"The SDP offer has more than {MAX_SECTIONS} media sections.")
    return description


def transport_of(description: Description, section: int) -> Transport | None:
    """How one of the sections travels, where it says all that is needed."""
    known = description.sections[section : section + 1]
    return _transport(known[0]) if known else None


def _is_by_aiortc(description: Description) -> bool:
    origin = re.fullmatch(r"- (\d{10}) \1 IN IP4 0\.0\.0\.0", description.origin)
    return origin is not None and description.all("msid-semantic") == ["WMS *"]


# --- BUNDLE (RFC 9143) --------------------------------------------------------


def _groups(description: Description) -> tuple[tuple[int, ...], ...]:
    sections: dict[str, int] = {}
    for i, section in enumerate(description.sections):
        if section.mid is not None:
            if section.mid in sections:
                raise OfferError(f"Two sections of the SDP offer have the mid '{section.mid}'.")
            sections[section.mid] = i
    groups: list[tuple[int, ...]] = []
    grouped: set[str] = set()
    for value in description.all("group"):
        semantics, *mids = value.split() or [""]
        if semantics != "BUNDLE":
            continue
        for mid in mids:
            if mid not in sections:
                raise OfferError(
                    f"The BUNDLE group of the SDP offer names '{mid}', but no section has that mid"
                    " (a=mid)."
                )
            if mid in grouped:
                raise OfferError(f"The SDP offer has the section '{mid}' in BUNDLE groups twice.")
            grouped.add(mid)
        if mids:
            groups.append(tuple(sections[mid] for mid in mids))
    return tuple(groups)


class _Layout(NamedTuple):
    sections: tuple[Section, ...]
    transports: tuple[Transport | None, ...]
    groups: tuple[tuple[int, ...], ...]

    def carriers(self, i: int) -> list[int]:
        """The sections whose transport may carry one, itself among them."""
        section = self.sections[i]
        group = next((group for group in self.groups if i in group), (i,))
        if section.port == 0 and not section.has("bundle-only"):
            return []  # RFC 3264, 5.1: offered, but not wanted (any more).
        return [member for member in group if self.sections[member].port]

    def can_travel(self, i: int) -> bool:
        return any(self.transports[one] is not None for one in self.carriers(i))


# --- Audio --------------------------------------------------------------------


def _audio(
    sections: tuple[Section, ...], usable: list[int], directions: tuple[str, ...]
) -> Audio | None:
    for i in usable:
        codec = _codec(sections[i])
        if codec is not None and _direction(sections[i]) in directions:
            return codec._replace(section=i)
    return None


def _complaint(i: int, layout: _Layout) -> str | None:
    """Why an audio section is of no use; None if it is."""
    section = layout.sections[i]
    where = "The audio section of the SDP offer"
    carriers = layout.carriers(i)
    if not carriers:
        return f"{where} is disabled (its port is 0)."
    if not layout.can_travel(i):
        return _missing(layout.sections[carriers[0]])
    if not _AUDIO_PROFILE.fullmatch(section.profile):
        return f"{where} has the profile '{section.profile[:40]}', not one of RTP over DTLS."
    if not section.has("rtcp-mux"):
        return f"{where} has no a=rtcp-mux: RTP and RTCP must share a port."
    if _direction(section) == "inactive":
        return f"{where} is inactive."
    if _codec(section) is None:
        return f"{where} has neither Opus, PCMU nor PCMA."
    return None


def _direction(section: Section) -> str:
    for attribute in (*section.attributes, *section.inherited):
        if attribute in ("sendrecv", "sendonly", "recvonly", "inactive"):
            return attribute
    return "sendrecv"


def _codec(section: Section) -> Audio | None:
    """The first that we know, in the client's order."""
    maps = dict(_STATIC)
    for value in section.own("rtpmap"):
        number, _, rtpmap = value.partition(" ")
        maps[number] = rtpmap.strip()
    for number in section.formats:
        rtpmap = maps.get(number, "")
        codec = _CODECS.get(rtpmap.lower())
        if codec is not None and _is_payload_type(number):
            return Audio(-1, codec, int(number), rtpmap)
    return None


def _is_payload_type(number: str) -> bool:
    """RFC 5761, 4: those from 64 to 95 would look like RTCP."""
    return bool(re.fullmatch(r"\d{1,3}", number)) and int(number) in (*range(64), *range(96, 128))


# --- The data channel ---------------------------------------------------------


def _data(layout: _Layout) -> Data | None:
    # Bundle-only ones last: one of the others may have to carry them.
    for i, section in sorted(enumerate(layout.sections), key=lambda one: one[1].port == 0):
        if (
            section.kind == "application"
            and section.profile in _DATA_PROFILES
            and layout.can_travel(i)
        ):
            return Data(i, _sctp_port(section))
    return None


def _sctp_port(section: Section) -> int:
    """``a=sctp-port``; before RFC 8841 it was the format, with an ``a=sctpmap``."""
    for text in (*section.own("sctp-port"), *section.formats):
        if re.fullmatch(r"\d{1,5}", text) and 0 < int(text) <= 65_535:
            return int(text)
    return DEFAULT_SCTP_PORT


def _max_message_bytes(section: Section) -> int | None:
    for value in section.own("max-message-size"):
        if re.fullmatch(r"\d{1,12}", value):
            size = int(value)
            if 0 < size < MIN_MESSAGE_BYTES:
                raise OfferError(
                    f"The data channel of the SDP offer takes messages of {size} bytes"
                    f" (a=max-message-size); events need {MIN_MESSAGE_BYTES}."
                )
            return size or None  # RFC 8841, 6.1: 0 is any size
    return DEFAULT_MAX_MESSAGE_BYTES


# --- How they travel ----------------------------------------------------------

_NEEDED: Final = {
    "ice-ufrag": "ICE user name",
    "ice-pwd": "ICE password",
    "fingerprint": "DTLS fingerprint",
    "setup": "DTLS role",
}


def _transport(section: Section) -> Transport | None:
    if _missing(section) is not None:
        return None
    return Transport(
        section.first("ice-ufrag") or "",
        section.first("ice-pwd") or "",
        tuple(_fingerprints(section)),
        section.first("setup") or "",
        _candidates(section),
    )


def _missing(section: Section) -> str | None:
    for attribute, meaning in _NEEDED.items():
        if not section.first(attribute):
            return f"The SDP offer has no {meaning} (a={attribute})."
    if not any(_fingerprints(section)):
        return f"The DTLS fingerprint of the SDP offer must be one of {', '.join(_HASHES)}."
    if section.first("setup") not in ("actpass", "active", "passive"):
        return "The DTLS role of the SDP offer (a=setup) must be actpass, active or passive."
    return None


def _fingerprints(section: Section) -> Iterator[str]:
    """Those whose hash is worth something today (RFC 8122, 5)."""
    for value in section.all("fingerprint"):
        found = re.fullmatch(r"(\S+) +([0-9a-f]{2}(?::[0-9a-f]{2})*)", value.lower())
        if found and found[1] in _HASHES:
            yield f"{found[1]} {found[2]}"


def _candidates(section: Section) -> tuple[str, ...]:
    """UDP, and addresses: names to look up by multicast (``….local``) we need not resolve, and
    TCP we do not speak.

    Raises:
        OfferError: a line is no candidate at all.
    """
    known: list[str] = []
    for value in section.own("candidate")[:MAX_CANDIDATES]:
        fields = value.split()
        numbers = [fields[i] for i in (1, 3, 5)] if len(fields) >= 8 else ["none"]
        if not all(re.fullmatch(r"\d{1,10}", number) for number in numbers):
            raise OfferError(f"'a=candidate:{value[:80]}' of the SDP offer is no ICE candidate.")
        foundation, component, protocol, priority, address, port, _, kind = fields[:8]
        if (
            protocol.lower() == "udp"
            and component == "1"
            and kind in ("host", "srflx", "prflx", "relay")
            and 0 < int(port) <= 65_535
            and _is_address(address)
        ):
            known.append(f"{foundation[:32]} 1 udp {priority} {address} {port} typ {kind}")
    return tuple(known)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return "%" not in text  # The zone of an IPv6 address means nothing to us.
