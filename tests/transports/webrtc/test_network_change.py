"""A client whose network changes in the middle of a call."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from antiphon.transports.webrtc.calls import Calls
from antiphon.transports.webrtc.offer import OfferError
from tests.transports.webrtc.client import Client, restarted, until


class _Half(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.transport: Any = None
        self.other: _Half | None = None
        self.to: tuple[str, int] | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        if self.to is None:
            self.to = address
        if self.other is not None and self.other.to is not None:
            self.other.transport.sendto(data, self.other.to)


class Nat:
    """Between a client and the server; `rebind` lends the client another port."""

    def __init__(self) -> None:
        self._inside = _Half()
        self._outside = _Half()

    async def open(self, server_port: int) -> int:
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: self._inside, local_addr=("127.0.0.1", 0))
        await self._lend(server_port)
        return int(self._inside.transport.get_extra_info("sockname")[1])

    async def rebind(self) -> None:
        old = self._outside
        assert old.to is not None
        await self._lend(old.to[1])
        old.transport.close()

    async def _lend(self, server_port: int) -> None:
        self._outside = _Half()
        self._outside.to = ("127.0.0.1", server_port)
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: self._outside, local_addr=("127.0.0.1", 0))
        self._outside.other, self._inside.other = self._inside, self._outside

    def close(self) -> None:
        self._inside.transport.close()
        self._outside.transport.close()


@pytest.fixture
async def nat() -> AsyncIterator[Nat]:
    nat = Nat()
    yield nat
    nat.close()


async def test_the_server_follows_a_client_to_its_new_port(calls: Calls, nat: Nat) -> None:
    client = Client(calls, way=nat)
    await client.call()
    await client.event("session.created")
    await nat.rebind()
    # ICE asks again every few seconds whether we are there, now from the new port.
    client.send("response.create")
    await client.event("response.done")
    before = client.heard_samples
    client.send("response.create")
    await client.event("output_audio_buffer.started")
    await client.listen(before + 48_000)
    await client.hang_up()


@asynccontextmanager
async def calling(calls: Calls) -> AsyncIterator[Client]:
    client = Client(calls)
    await client.call()
    await client.event("session.created")
    try:
        yield client
    finally:
        await client.hang_up()


async def test_an_offer_that_restarts_ice_is_answered_with_new_credentials(calls: Calls) -> None:
    async with calling(calls) as client:
        call = calls.get(client.call_id)
        assert call is not None
        first = client.connection.remoteDescription.sdp
        answer = call.restart(restarted(client.connection.localDescription.sdp))
        for attribute in ("ice-ufrag", "ice-pwd"):
            values = set(re.findall(rf"a={attribute}:(\S+)", answer))
            assert len(values) == 1, "the same in each section"
            assert values.isdisjoint(re.findall(rf"a={attribute}:(\S+)", first))
        fingerprints = re.findall(r"a=fingerprint:\S+ \S+", answer)
        assert set(fingerprints) <= set(re.findall(r"a=fingerprint:\S+ \S+", first))
        assert call.state == "connected"


async def test_an_offer_of_someone_else_or_without_news_restarts_nothing(calls: Calls) -> None:
    async with calling(calls) as client:
        call = calls.get(client.call_id)
        assert call is not None
        with pytest.raises(OfferError, match="credentials that the call has already"):
            call.restart(client.connection.localDescription.sdp)
        stranger = Client(calls)
        with pytest.raises(OfferError, match="another DTLS fingerprint"):
            call.restart(restarted(await stranger.offer()))
        await stranger.hang_up()
        client.send("response.create")
        await client.event("response.done")


async def test_what_became_of_the_microphone_is_told_by_the_call(calls: Calls) -> None:
    async with calling(calls) as client:
        call = calls.get(client.call_id)
        assert call is not None
        await until(lambda: call.quality.packets_received > 10)
        quality = call.quality
        assert (quality.packets_lost, quality.packets_refused) == (0, 0)
        await until(lambda: call.quality.since(quality).packets_received > 10)
