"""A browser's call whose engine relays: the other server is a WebSocket away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from antiphon.engines.relay.engine import RelayEngine
from antiphon.engines.relay.session import World
from antiphon.engines.relay.upstreams import Upstream
from antiphon.engines.scripted import ScriptedEngine
from antiphon.engines.vad.energy import EnergyDetector
from antiphon.server.wiring import Parts
from antiphon.testing import serving
from antiphon.testing.conformance import for_server_playout, play, read_script
from antiphon.testing.conformance.script import Head
from tests.conformance.test_over_webrtc import WebRtcLine

SCRIPTS = Path(__file__).parents[2] / "conformance" / "scripts"
CHOSEN = (  # Those whose order does not hang on which of two servers is quicker.
    "4.05-server-vad-turn",
    "4.07-function-call",
    "4.17-usage-and-rate-limits",
    "4.20-response-while-active",
)


@asynccontextmanager
async def relayed(head: Head) -> AsyncIterator[str]:
    engine = ScriptedEngine(head.engine, speaks=head.engine_speaks)
    parts = Parts(detector=EnergyDetector())
    async with serving(engine, parts=parts) as there:
        address = there.url.replace("http", "ws", 1) + "/v1/realtime"
        relay = RelayEngine(Upstream(url=address), world=World(lambda: 0.5))
        async with serving(relay, parts=parts) as here:
            yield here.url


@pytest.mark.parametrize("name", CHOSEN)
def test_a_call_follows_over_a_relay(name: str, local_calls: None) -> None:
    script = for_server_playout(read_script(SCRIPTS / f"{name}.script"))

    async def main() -> None:
        async with WebRtcLine(script, served=relayed) as line:
            await play(script, line)

    asyncio.run(main())
