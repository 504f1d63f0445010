"""What the server offers as its addresses, and calls over ways that are not the plain one."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection, RTCSessionDescription
from aiortc.rtcconfiguration import RTCIceTransportPolicy

from antiphon.runtime.hub import Hub
from antiphon.transports.webrtc.calls import Calls, NoPortFree
from antiphon.transports.webrtc.settings import IceServer, WebRtcSettings
from tests.transports.webrtc.client import ALIKE, LOCALHOST, Client, SayingEngine, likeness, until
from tests.transports.webrtc.test_calls import BY_HAND, at_rate
from tests.transports.webrtc.turn_server import needs_turn_server, turn_server

Serve = Callable[..., Calls]
CANDIDATE = re.compile(r"a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ (\S+)")


@pytest.fixture
async def serve(hub: Hub) -> AsyncIterator[Serve]:
    async with AsyncExitStack() as ending:
        ending.push_async_callback(hub.aclose)

        def make(**settings: Any) -> Calls:
            calls = Calls(hub, WebRtcSettings(**({"host_addresses": LOCALHOST} | settings)))
            ending.push_async_callback(calls.aclose)
            return calls

        yield make


class CandidClient(Client):
    """Its offer tells its candidates; of the answer's it takes those of one kind."""

    def __init__(
        self, calls: Calls, *, takes: str, through: RTCIceServer | None = None, **options: Any
    ) -> None:
        self._takes = takes
        self._through = through
        super().__init__(calls, **options)

    def _new_connection(self) -> RTCPeerConnection:
        if self._through is None:
            return super()._new_connection()
        return RTCPeerConnection(
            RTCConfiguration(
                iceServers=[self._through], iceTransportPolicy=RTCIceTransportPolicy.RELAY
            )
        )

    async def offer(self) -> str:
        await self.connection.setLocalDescription(await self.connection.createOffer())
        return str(self.connection.localDescription.sdp)

    async def call(self, **options: Any) -> str:
        answer = await self._calls.answer(await self.offer(), model="test", **options)
        self.call_id = answer.call_id
        sdp = "\r\n".join(
            line
            for line in answer.sdp.split("\r\n")
            if not (found := CANDIDATE.match(line)) or found[3] == self._takes
        )
        await self.connection.setRemoteDescription(RTCSessionDescription(sdp, "answer"))
        return answer.sdp


async def candidates(calls: Calls) -> list[tuple[str, int, str]]:
    """(address, port, kind) of an answer; the call is given up at once."""
    client = Client(calls)
    answer = await calls.answer(await client.offer(), model="test")
    calls.hang_up(answer.call_id)
    await client.hang_up()
    found = [CANDIDATE.match(line) for line in answer.sdp.split("\r\n")]
    # Each media section repeats them.
    return list(dict.fromkeys((m[1], int(m[2]), m[3]) for m in found if m))


async def talk(client: Client, engine: SayingEngine, speech: bytes, question: bytes) -> None:
    """Both sides hear each other, and events cross."""
    await client.event("session.created")
    client.send("response.create")
    said = at_rate(speech, 48_000)
    heard = await client.listen(said.size)
    assert likeness(said[: said.size // 2], heard, 48_000) > ALIKE
    await until(lambda: len(engine.sessions[-1].heard) > len(question) + 4_800)
    client.send("input_audio_buffer.commit")
    await client.event("input_audio_buffer.committed")
    asked = at_rate(bytes(engine.sessions[-1].heard), 24_000)
    assert likeness(at_rate(question, 24_000), asked, 24_000) > ALIKE


async def test_ports_are_of_the_range_and_one_call_too_many_is_told_why(serve: Serve) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        calls = serve(port_min=port, port_max=port)
        client = Client(calls)
        with pytest.raises(NoPortFree, match=f"from {port} to {port} are in use"):
            await client.call()
        await client.hang_up()
    assert await candidates(calls) == [("127.0.0.1", port, "host")]


async def test_a_call_that_finds_no_port_keeps_none(serve: Serve) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.2", 0))
        port = taken.getsockname()[1]
        calls = serve(host_addresses=("127.0.0.1", "127.0.0.2"), port_min=port, port_max=port)
        client = Client(calls)
        with pytest.raises(NoPortFree):
            await client.call()
        await client.hang_up()
        await calls.aclose()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free_again:
            free_again.bind(("127.0.0.1", port))


async def test_servers_that_do_not_answer_are_waited_for_together(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    together: list[int] = []
    """How many were waited for, when each wait began."""
    under_way = 0
    waiting = asyncio.wait

    async def note(tasks: Any, *, timeout: float | None = None) -> Any:  # noqa: ASYNC109
        nonlocal under_way
        if timeout != 0.5:
            return await waiting(tasks, timeout=timeout)
        under_way += 1
        together.append(under_way)
        try:
            return await waiting(tasks, timeout=timeout)
        finally:
            under_way -= 1

    monkeypatch.setattr(asyncio, "wait", note)
    nobody = IceServer(urls=("stun:127.0.0.1:9", "turn:127.0.0.1:9"), username="u", credential="c")
    await candidates(serve(ice_servers=(nobody,), gather_timeout_s=0.5))
    assert together == [1, 2], "the second wait began while the first went on"


async def test_the_world_is_told_the_public_address_on_the_same_port(serve: Serve) -> None:
    calls = serve(public_addresses=("203.0.113.7", "2001:db8::7"))
    host, public = await candidates(calls)
    assert host == ("127.0.0.1", host[1], "host")
    assert public == ("203.0.113.7", host[1], "srflx"), "of the same IP version only"


async def test_nobody_is_asked_unasked(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(socket, "gethostbyname", asked.append)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *place, **_: asked.append(place))
    assert [kind for _, _, kind in await candidates(serve())] == ["host"]
    assert asked == []


async def test_a_server_that_does_not_answer_costs_its_candidate_not_the_call(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    nobody = IceServer(urls=("stun:127.0.0.1:9", "turn:127.0.0.1:9"), username="u", credential="c")
    found = await candidates(serve(ice_servers=(nobody,), gather_timeout_s=0.2))
    assert [kind for _, _, kind in found] == ["host"]
    assert "the STUN server does not answer" in caplog.text
    assert "the TURN server does not answer" in caplog.text


@needs_turn_server
async def test_a_stun_server_tells_our_address(serve: Serve, tmp_path: Path) -> None:
    async with turn_server(tmp_path) as server:
        found = await candidates(serve(ice_servers=(server.stun,)))
    assert [kind for _, _, kind in found] == ["host", "srflx"]


@needs_turn_server
async def test_a_call_whose_only_way_is_our_relay(
    serve: Serve, tmp_path: Path, engine: SayingEngine, speech: bytes
) -> None:
    async with turn_server(tmp_path) as server:
        calls = serve(ice_servers=(server.turn,))
        client = CandidClient(calls, takes="relay", microphone=speech)
        answer = await client.call(patch=BY_HAND)
        assert "typ relay" in answer
        await talk(client, engine, speech, speech)
        await client.hang_up()
        await calls.aclose()


@needs_turn_server
async def test_a_client_behind_a_relay_of_its_own(
    serve: Serve, tmp_path: Path, engine: SayingEngine, speech: bytes
) -> None:
    async with turn_server(tmp_path) as server:
        calls = serve()
        through = RTCIceServer(
            urls=list(server.turn.urls),
            username=server.turn.username,
            credential=server.turn.credential,
        )
        client = CandidClient(calls, takes="host", through=through, microphone=speech)
        await client.call(patch=BY_HAND)
        await talk(client, engine, speech, speech)
        await client.hang_up()
        await calls.aclose()
