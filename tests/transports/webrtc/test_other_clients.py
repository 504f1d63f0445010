"""What clients do otherwise than aiortc, by an aiortc that is made to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from aiortc import RTCCertificate, RTCPeerConnection
from aiortc.rtcdtlstransport import SRTPProtectionProfile, generate_certificate
from cryptography.hazmat.primitives.asymmetric import rsa
from OpenSSL import SSL

from antiphon.protocol.session import SessionPatch
from antiphon.runtime.hub import Hub
from antiphon.transports.webrtc.calls import Calls
from antiphon.transports.webrtc.candidates import NoPortFree
from antiphon.transports.webrtc.settings import WebRtcSettings
from tests.transports.webrtc.client import LOCALHOST, Client, SayingEngine, until
from tests.transports.webrtc.leftovers import leave_out_what_is_there, leftovers


class RsaCertificate(RTCCertificate):
    """As of libpeer, GStreamer or an older Firefox: its DTLS knows RSA alone."""

    def _create_ssl_context(self, srtp_profiles: list[SRTPProtectionProfile]) -> SSL.Context:
        context = super()._create_ssl_context(srtp_profiles)
        context.set_cipher_list(b"ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256")
        return context


class RsaClient(Client):
    setup = "actpass"

    def _new_connection(self) -> RTCPeerConnection:
        inside: Any = super()._new_connection()
        key: Any = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
        inside._RTCPeerConnection__certificates = [RsaCertificate(key, generate_certificate(key))]
        made: RTCPeerConnection = inside
        return made

    async def offer(self) -> str:
        return (await super().offer()).replace("a=setup:actpass", f"a=setup:{self.setup}")


@asynccontextmanager
async def calling(caller: Client, **options: Any) -> AsyncIterator[str]:
    try:
        yield await caller.call(**options)
    finally:
        await caller.hang_up()


@pytest.mark.parametrize("setup", ["actpass", "passive", "active"])
async def test_a_peer_with_an_rsa_certificate(calls: Calls, setup: str) -> None:
    caller = RsaClient(calls)
    caller.setup = setup
    async with calling(caller) as answer:
        assert f"a=setup:{'passive' if setup == 'active' else 'active'}" in answer
        await caller.event("session.created")


async def test_a_channel_that_opens_late_finds_all_events(hub: Hub) -> None:
    calls = Calls(hub, WebRtcSettings(host_addresses=LOCALHOST, setup_timeout_s=1))
    caller = Client(calls, channel=False)
    unused = caller.connection.createDataChannel("", negotiated=True, id=8)
    async with calling(caller):
        call = calls.get(caller.call_id)
        assert call is not None
        await asyncio.sleep(1.5)
        assert call.state == "connected", "media are alive, and so is the call"
        caller.channel = caller.connection.createDataChannel("oai-events")
        caller.channel.on("message", caller._on_message)
        await caller.event("session.created")
        unused.close()
        caller.send("response.create")
        await caller.event("response.done")
        assert call.state == "connected"
    await calls.aclose()


async def test_other_channels_may_come_first_and_close(calls: Calls) -> None:
    caller = Client(calls, channel=False)
    heard_beside: list[str] = []
    first = caller.connection.createDataChannel("chat")
    first.on("message", heard_beside.append)
    caller.channel = caller.connection.createDataChannel("oai-events")
    caller.channel.on("message", caller._on_message)
    async with calling(caller):
        await caller.event("session.created")
        first.close()
        await until(lambda: first.readyState == "closed")
        caller.send("response.create")
        await caller.event("response.done")
        assert heard_beside == []
        call = calls.get(caller.call_id)
        caller.channel.close()
        await until(lambda: call is not None and call.state == "ended")


async def test_a_peer_that_takes_little_at_once_gets_every_event(calls: Calls) -> None:
    class Small(Client):
        async def offer(self) -> str:
            return (await super().offer()).replace(":262144", ":65536")

    caller = Small(calls)
    long = "You are a clerk. " * 5000
    async with calling(caller, patch=SessionPatch(type="realtime", instructions=long)):
        created = await caller.event("session.created")
        assert created["session"]["instructions"].endswith("…")
        item = {"type": "function_call", "name": "f", "call_id": "call_1", "arguments": "{}"}
        caller.send("conversation.item.create", item=item)
        item = {"type": "function_call_output", "call_id": "call_1", "output": long}
        caller.send("conversation.item.create", item=item)
        for _ in range(2):
            done = await caller.event("conversation.item.done")
        assert len(json.dumps(done, ensure_ascii=False)) <= 66_000
        caller.send("session.update", session={"type": "realtime", "instructions": "short"})
        assert (await caller.event("session.updated"))["session"]["instructions"] == "short"


class NobodyAnswers(SayingEngine):
    def open(self, session_id: str) -> Any:
        raise RuntimeError("a bug of an engine")


@pytest.mark.parametrize("trouble", ["no port", "engine", "cancelled", "gathering"])
async def test_an_offer_that_cannot_be_answered_leaves_no_socket(trouble: str) -> None:
    engine = NobodyAnswers() if trouble == "engine" else SayingEngine()
    hub = Hub(lambda _: engine)
    settings = WebRtcSettings(host_addresses=LOCALHOST)
    if trouble == "no port":
        settings = WebRtcSettings(host_addresses=LOCALHOST * 3, port_min=45_100, port_max=45_100)
    calls = Calls(hub, settings)
    caller = Client(calls)
    offer = await caller.offer()
    before = leave_out_what_is_there()
    for steps in range(1 if trouble in ("no port", "engine") else 12):
        asked = asyncio.ensure_future(calls.answer(offer, model="test"))
        if trouble == "cancelled":
            for _ in range(steps):
                await asyncio.sleep(0)
            asked.cancel()
        elif trouble == "gathering":
            await asyncio.sleep(steps * 0.002)
            asked.cancel()
        expected = (NoPortFree, RuntimeError, asyncio.CancelledError)
        with suppress(*expected):
            calls.hang_up((await asked).call_id)
        del asked
    await until(lambda: not calls.calls)
    await until(lambda: not leftovers() - before)
    assert not hub.sessions
    await caller.hang_up()
