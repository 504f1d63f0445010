"""Our way into libsrtp, beside pylibsrtp's own."""

from __future__ import annotations

import pytest
from pylibsrtp import Policy, Session

from antiphon.transports.rtp.packets import pack_rtp
from antiphon.transports.webrtc.srtp import MAX_DATAGRAM_BYTES, SrtpKeys

PROFILES = {
    Policy.SRTP_PROFILE_AES128_CM_SHA1_80: 30,
    Policy.SRTP_PROFILE_AEAD_AES_128_GCM: 28,
}
REPORT = bytes.fromhex("80c90001") + bytes(4)


def session(profile: int, ssrc_type: int) -> Session:
    key = bytes(range(PROFILES[profile]))
    return Session(Policy(key=key, ssrc_type=ssrc_type, srtp_profile=profile))


@pytest.fixture(params=PROFILES)
def profile(request: pytest.FixtureRequest) -> int:
    found: int = request.param
    return found


def rtp(sequence: int, payload: bytes = b"sound") -> bytes:
    return pack_rtp(111, sequence, 960 * sequence, 7, payload, marker=False)


def test_it_protects_as_pylibsrtp_does(profile: int) -> None:
    ours = SrtpKeys(session(profile, Policy.SSRC_ANY_OUTBOUND), inbound=False)
    theirs = session(profile, Policy.SSRC_ANY_OUTBOUND)
    for sequence in range(3):
        assert ours.rtp(rtp(sequence)) == theirs.protect(rtp(sequence))
        assert ours.rtcp(REPORT) == theirs.protect_rtcp(REPORT)


def test_it_opens_what_is_authentic_and_nothing_else(profile: int) -> None:
    sender = session(profile, Policy.SSRC_ANY_OUTBOUND)
    keys = SrtpKeys(session(profile, Policy.SSRC_ANY_INBOUND), inbound=True)
    first, second = sender.protect(rtp(1)), sender.protect(rtp(2))
    assert keys.rtp(first) == rtp(1)
    assert keys.rtp(first) is None, "a replay"
    assert keys.rtp(second[:-1] + bytes([second[-1] ^ 1])) is None
    assert keys.rtp(second) == rtp(2)
    report = sender.protect_rtcp(REPORT)
    assert keys.rtcp(report[:-1]) is None
    assert keys.rtcp(report) == REPORT
    assert keys.rtp(b"") is None


def test_what_is_too_long_is_refused(profile: int) -> None:
    keys = SrtpKeys(session(profile, Policy.SSRC_ANY_OUTBOUND), inbound=False)
    most = MAX_DATAGRAM_BYTES - len(rtp(1, b""))
    protected = keys.rtp(rtp(1, bytes(most)))
    assert protected is not None
    assert len(protected) > MAX_DATAGRAM_BYTES
    assert keys.rtp(rtp(2, bytes(most + 1))) is None
