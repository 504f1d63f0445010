"""Looking over an SDP offer before anything is built for it."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from antiphon.errors import AntiphonError

MAX_OFFER_BYTES: Final = 64 * 1024
MAX_SECTIONS: Final = 8
MAX_CANDIDATES: Final = 50
DEFAULT_MAX_MESSAGE_BYTES: Final = 65_536
"""RFC 8841, 6.1: where the offer does not say."""


class OfferError(AntiphonError):
    """The client's offer cannot be answered; the message says what is wrong with it."""


class Offer(NamedTuple):
    sdp: str
    """Tidied: without what we neither need nor want to act upon."""
    has_channel: bool
    ice_username: str
    ice_password: str
    fingerprint: str
    """Of the DTLS certificate, with the name of its hash: who the peer is."""
    max_message_bytes: int | None
    """What the peer takes in one message of its data channel; None: anything."""


def read_offer(sdp: str) -> Offer:
    """Refuse what is no offer of a call.

    Raises:
        OfferError: too large, no SDP, or without audio, ICE or DTLS.
    """
    if len(sdp) > MAX_OFFER_BYTES or len(sdp.encode()) > MAX_OFFER_BYTES:
        raise OfferError(f"The SDP offer is larger than {MAX_OFFER_BYTES} bytes.")
    lines = [line.rstrip("\r") for line in sdp.strip().split("\n")]
    if lines[0] != "v=0":
        raise OfferError("The SDP offer must begin with 'v=0'.")
    sections = [line for line in lines if line.startswith("m=")]
    if not any(section.startswith("m=audio ") for section in sections):
        raise OfferError("The SDP offer has no audio section (m=audio).")
    if len(sections) > MAX_SECTIONS:
        raise OfferError(f"The SDP offer has more than {MAX_SECTIONS} media sections.")
    for attribute, meaning in (
        ("a=ice-ufrag:", "ICE user name"),
        ("a=ice-pwd:", "ICE password"),
        ("a=fingerprint:", "DTLS fingerprint"),
        ("a=setup:", "DTLS role"),
    ):
        if not any(line.startswith(attribute) for line in lines):
            raise OfferError(f"The SDP offer has no {meaning} ({attribute[:-1]}).")
    return Offer(
        "\r\n".join(_tidied(lines)) + "\r\n",
        any(section.startswith("m=application ") for section in sections),
        _first(lines, "a=ice-ufrag:"),
        _first(lines, "a=ice-pwd:"),
        _first(lines, "a=fingerprint:").lower(),
        _max_message_bytes(lines),
    )


def _first(lines: list[str], attribute: str) -> str:
    return next(line.removeprefix(attribute) for line in lines if line.startswith(attribute))


def _max_message_bytes(lines: list[str]) -> int | None:
    for line in lines:
        if found := re.fullmatch(r"a=max-message-size:(\d{1,12})", line):
            return int(found[1]) or None  # RFC 8841, 6.1: 0 is any size
    return DEFAULT_MAX_MESSAGE_BYTES


_STATIC: Final = {"0": "a=rtpmap:0 PCMU/8000", "8": "a=rtpmap:8 PCMA/8000"}


def _tidied(lines: list[str]) -> list[str]:
    """Static payload types get their rtpmap; names to look up by multicast are left out.

    Browsers hide their addresses behind ``….local`` names.  We need not resolve them: the
    client's own checks show us where it is.
    """
    known = {line.split(" ")[0] for line in lines if line.startswith("a=rtpmap:")}
    tidied: list[str] = []
    candidates = 0
    for line in lines:
        if line.startswith("a=candidate:"):
            candidates += 1
            if candidates > MAX_CANDIDATES or re.search(r" \S+\.local ", line):
                continue
        tidied.append(line)
        if line.startswith("m=audio "):
            for number in line.split(" ")[3:]:
                if number in _STATIC and f"a=rtpmap:{number}" not in known:
                    tidied.append(_STATIC[number])
    return tidied
