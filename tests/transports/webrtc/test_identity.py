from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

pytest.importorskip("aiortc")

from aiortc.rtcdtlstransport import SRTP_PROFILES

from antiphon.transports.webrtc.peer import Identity


def test_all_calls_of_a_day_share_a_certificate_and_what_is_made_of_it() -> None:
    later = timedelta()
    identity = Identity(lambda: datetime.now(UTC) + later)
    first = identity.certificate
    later = timedelta(hours=22)
    assert identity.certificate is first
    assert first.getFingerprints() == first.getFingerprints()
    assert first._create_ssl_context(SRTP_PROFILES) is first._create_ssl_context(SRTP_PROFILES)
    later = timedelta(hours=25)
    renewed = identity.certificate
    assert renewed is not first
    assert renewed.getFingerprints() != first.getFingerprints()
    assert renewed._create_ssl_context(SRTP_PROFILES) is not first._create_ssl_context(
        SRTP_PROFILES
    )


def test_the_list_of_fingerprints_is_whose_it_was_given_to() -> None:
    certificate = Identity().certificate
    certificate.getFingerprints().clear()
    assert certificate.getFingerprints()
