"""The offers of many stacks (tests/data/offers): each becomes a call, or is refused with the
reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from antiphon.runtime.hub import Hub
from antiphon.transports.webrtc.calls import Calls
from antiphon.transports.webrtc.offer import OfferError
from tests.transports.webrtc.client import SayingEngine, until
from tests.transports.webrtc.dressed import DressedClient
from tests.transports.webrtc.judge import judge

OFFERS = Path(__file__).parents[2] / "data" / "offers"
TAKEN = sorted(path.stem for path in (OFFERS / "taken").glob("*.sdp"))
REFUSED = {
    "a_candidate_that_is_none": "'a=candidate:nonsense .*' of the SDP offer is no ICE candidate",
    "bundle_names_a_missing_section": "BUNDLE group of the SDP offer names '2', but no section",
    "bundle_twice": "has the section '1' in BUNDLE groups twice",
    "disabled": "audio section of the SDP offer is disabled",
    "hold": "DTLS role of the SDP offer .* must be actpass, active or passive",
    "inactive": "audio section of the SDP offer is inactive",
    "no_common_codec": "has neither Opus, PCMU nor PCMA",
    "no_mux": "has no a=rtcp-mux",
    "only_sha_1": "DTLS fingerprint of the SDP offer must be one of sha-256",
    "only_video": "has no audio section",
    "plain_rtp": "has no ICE user name",
    "tiny_messages": "takes messages of 500 bytes",
    "two_sections_of_one_mid": "Two sections of the SDP offer have the mid '0'",
    "unknown_profile": "has the profile 'UDP/QUIC/RTP/AVPF'",
}


def offered(folder: str, name: str) -> str:
    return (OFFERS / folder / f"{name}.sdp").read_bytes().decode()


@pytest.mark.parametrize("name", TAKEN)
async def test_the_answer_suits_the_offer(calls: Calls, name: str) -> None:
    offer = offered("taken", name)
    judge(offer, (await calls.answer(offer, model="test")).sdp)


@pytest.mark.parametrize("name", TAKEN)
async def test_a_peer_that_offers_so_hears_is_heard_and_gets_events(
    calls: Calls, engine: SayingEngine, name: str
) -> None:
    caller = DressedClient(calls, offered("taken", name))
    await caller.call()
    if caller.channel is not None:
        await caller.event("session.created")
        caller.send("response.create")
        await caller.event("output_audio_buffer.started")
        await until(lambda: bool(caller.heard.size) and int(np.abs(caller.heard).max()) > 1000)
    call = calls.get(caller.call_id)
    assert call is not None
    await until(lambda: call.quality.packets_received > 5)
    await until(lambda: len(engine.sessions[-1].heard) > 4800)
    assert call.quality.packets_refused == 0
    await caller.hang_up()


@pytest.mark.parametrize("name", REFUSED)
async def test_what_is_no_call_is_refused_with_the_reason(
    calls: Calls, hub: Hub, name: str
) -> None:
    with pytest.raises(OfferError, match=REFUSED[name]):
        await calls.answer(offered("refused", name), model="test")
    assert not calls.calls
    assert not hub.sessions


def test_every_offer_that_is_refused_has_its_reason_here() -> None:
    assert sorted(REFUSED) == sorted(path.stem for path in (OFFERS / "refused").glob("*.sdp"))
