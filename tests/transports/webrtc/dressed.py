"""An aiortc peer that offers as another stack does.

aiortc's own offer lends its keys and credentials to one of the corpus (`dress`); of the answer to
that, aiortc is told what it would have been told, had it offered the like (`undress`).
"""

from __future__ import annotations

import re
from typing import Any

from aiortc import RTCBundlePolicy, RTCConfiguration, RTCPeerConnection

from antiphon.transports.webrtc.calls import Answer
from tests.transports.webrtc.client import Answers, Client
from tests.transports.webrtc.judge import Block, groups, judge, read

TRANSPORT = ("ice-ufrag", "ice-pwd", "fingerprint")


def is_used(block: Block) -> bool:
    return block.port > 0 and (block.kind == "application" or block.direction != "inactive")


class Dressed:
    """`Calls` that get the offers of another stack, and judge the answers."""

    def __init__(self, calls: Answers, offer: str) -> None:
        self._calls = calls
        self._offer = offer

    async def answer(self, offer_sdp: str, *, model: str, **options: Any) -> Answer:
        offer = dress(self._offer, offer_sdp)
        answer = await self._calls.answer(offer, model=model, **options)
        judge(offer, answer.sdp)
        return Answer(answer.call_id, undress(answer.sdp, offer_sdp))


class DressedClient(Client):
    """With the sections that an offer of the corpus has of use."""

    def __init__(self, calls: Answers, offer: str) -> None:
        ways = [block for block in read(offer)[1] if block.kind == "audio"]
        text = offer.lower()
        codec = next(name for name in ("opus", "PCMA", "PCMU") if name.lower() in text)
        channel = "m=application" in offer
        super().__init__(Dressed(calls, offer), codec=codec, channel=channel)
        if len(ways) > 1:
            mine, other = ("sendonly", "recvonly")
            if ways[0].direction == "recvonly":
                mine, other = other, mine
            self.connection.getTransceivers()[0].setCodecPreferences([])
            self.connection.getTransceivers()[0].direction = mine
            self.connection.addTransceiver("audio", other)
            if other == "sendonly":
                self.connection.getTransceivers()[1].sender.replaceTrack(self.microphone)
                self.connection.getTransceivers()[0].sender.replaceTrack(None)

    def _new_connection(self) -> RTCPeerConnection:
        return RTCPeerConnection(
            RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_COMPAT)
        )


def dress(offer: str, own: str) -> str:
    """The offer of the corpus, with our keys in it.  It ends lines as it did."""
    [first, *_] = read(own)[1]
    for name in TRANSPORT:
        value = first.value(name)
        offer = re.sub(rf"(?m)^a={name}:[^\r\n]*", f"a={name}:{value}", offer)
    return offer


def undress(answer: str, own: str) -> str:
    session, answered = read(answer)
    candidates: dict[str, list[str]] = {}
    for group in groups(session):
        carrier = next(block for block in answered if block.mid == group[0])
        for mid in group:
            candidates[mid] = [a for a in carrier.attributes if "candidate" in a.split(":")[0]]
    used = [block for block in answered if is_used(block)]
    lines = ["v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=-", "t=0 0"]
    mids: dict[str | None, str | None] = {}
    bodies: list[str] = []
    for mine in read(own)[1]:
        block = used.pop(next(i for i, one in enumerate(used) if one.kind == mine.kind))
        mids[block.mid] = mine.mid
        bodies += [block.line, "c=IN IP4 0.0.0.0", f"a=mid:{mine.mid}"]
        bodies += [f"a={a}" for a in block.attributes if not a.startswith(("mid:", "msid:"))]
        if not any(a.startswith("candidate:") for a in block.attributes):
            bodies += [f"a={a}" for a in candidates.get(block.mid or "", ())]
    assert not used, "sections that we have not offered"
    for group in groups(session):
        kept = [str(mids[mid]) for mid in group if mid in mids]
        lines.append(f"a=group:BUNDLE {' '.join(kept)}")
    return "\r\n".join([*lines, *bodies]) + "\r\n"
