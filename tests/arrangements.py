"""Who answers a client in a test: a server itself, or another one behind a relay."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Protocol, get_args

import pytest
from msgspec.structs import replace

from antiphon.engines.relay.engine import RelayEngine
from antiphon.engines.relay.session import RelayRules
from antiphon.engines.relay.upstreams import Upstream
from antiphon.engines.relay.wishes import TurnFinding
from antiphon.mock import MockCall, MockReply, MockScript, mocking
from antiphon.server.self_signed import Files
from antiphon.server.settings import Config
from antiphon.testing import serving

DIRECT = "direct"
TO_ANTIPHON = {f"relay to Antiphon, {finding}": finding for finding in get_args(TurnFinding)}
TO_MOCK = "relay to mock"
EACH = (DIRECT, "relay to Antiphon, ours", TO_MOCK)
"""Of the ways to find turns, one is enough for a client that is as good as another."""
RELAYED = EACH[1:]
WITH_ALL_TURNS = (DIRECT, *TO_ANTIPHON, TO_MOCK)

STORY = (
    "Once upon a time there were two ships on the wide sea, and neither knew of the other. "
    "They met after many years, and had so much to tell that they forgot to sail on."
)
REPLIES = (
    MockReply(when="the old mill", says="The old mill is yours."),
    MockReply(when="two people|book", calls=(MockCall(name="book_room"),)),
    MockReply(when="six times ten", says="Six times ten is sixty."),
    MockReply(when="story", says=STORY),
    MockReply(when="yes", says="Good. What would you like to do?"),
    MockReply(when="today", says="Today it is."),
    MockReply(says="Good evening."),
)
"""What the offline engine says too, so that one test is for both."""


class Serves(Protocol):
    """A server, or a mock."""

    @property
    def url(self) -> str: ...

    @property
    def websocket_url(self) -> str: ...


class Arrangement:
    """Args:
    name: One of `WITH_ALL_TURNS`.
    upstream: The Antiphon that is relayed to, where it is one.
    """

    def __init__(self, name: str, upstream: Serves | None) -> None:
        assert name in WITH_ALL_TURNS
        self._name = name
        self._upstream = upstream

    @asynccontextmanager
    async def of(
        self,
        direct: Serves,
        *,
        hears: Iterable[str] = (),
        keys: Iterable[str] = (),
        certificate: Files | None = None,
    ) -> AsyncIterator[Serves]:
        """The server to connect to: ``direct`` itself, or a relay in its place.

        Args:
            direct: The server without a relay.
            hears: What a mock understands of spoken turns, one after the other.
            keys: Of the relay, as ``direct`` has them.
            certificate: Of the relay; None: it serves no TLS.
        """
        if self._name == DIRECT:
            yield direct
            return
        async with self.relaying(hears=hears, keys=keys, certificate=certificate) as relay:
            yield relay

    @asynccontextmanager
    async def relaying(
        self,
        *,
        hears: Iterable[str] = (),
        keys: Iterable[str] = (),
        certificate: Files | None = None,
    ) -> AsyncIterator[Serves]:
        """The relay, in this process; arguments as above."""
        async with AsyncExitStack() as stack:
            upstream = self._upstream
            if upstream is None:
                assert self._name == TO_MOCK
                script = MockScript(replies=REPLIES, hears=tuple(hears) or ("hello",))
                upstream = await stack.enter_async_context(mocking(script, in_memory=False))
            relay = RelayEngine(
                Upstream(url=f"{upstream.websocket_url}/v1/realtime"),
                rules=RelayRules(turn_detection=TO_ANTIPHON.get(self._name, "ours")),
            )
            config = _config(certificate)
            yield await stack.enter_async_context(serving(relay, keys=keys, config=config))


def _config(certificate: Files | None) -> Config:
    config = Config()
    webrtc = replace(config.webrtc, host_addresses=("127.0.0.1",))
    server = config.server
    if certificate is not None:
        server = replace(
            server, tls_cert=str(certificate.certificate), tls_key=str(certificate.key)
        )
    return replace(config, server=server, webrtc=webrtc)


@pytest.fixture(params=EACH)
def arrangement(request: pytest.FixtureRequest) -> Arrangement:
    name = request.param
    upstream = request.getfixturevalue("offline_server") if name in TO_ANTIPHON else None
    return Arrangement(name, upstream)
