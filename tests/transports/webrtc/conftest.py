from __future__ import annotations

from collections.abc import AsyncIterator

import aioice.ice
import pytest

from antiphon.runtime.hub import Hub
from antiphon.transports.webrtc.calls import Calls
from antiphon.transports.webrtc.settings import WebRtcSettings
from tests.transports.webrtc.client import LOCALHOST, SayingEngine


@pytest.fixture(autouse=True)
def _without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client's own addresses, so that tests need no network beyond this machine."""
    monkeypatch.setattr(
        aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: list(LOCALHOST)
    )


@pytest.fixture
def engine(speech: bytes) -> SayingEngine:
    return SayingEngine(speech, finds_turns=True)


@pytest.fixture
def hub(engine: SayingEngine) -> Hub:
    return Hub(lambda _: engine)


@pytest.fixture
async def calls(hub: Hub) -> AsyncIterator[Calls]:
    calls = Calls(hub, WebRtcSettings(host_addresses=LOCALHOST))
    yield calls
    await calls.aclose()
    await hub.aclose()
