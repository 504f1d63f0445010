"""Several upstreams hold the same models: who is dialled, and who instead."""

from __future__ import annotations

from collections import Counter
from random import Random

import aiohttp
import pytest
from aiohttp.connector import BaseConnector

from antiphon.engines.health import FIRST_S
from antiphon.engines.relay.engine import RelayEngine
from antiphon.engines.relay.session import World
from antiphon.engines.relay.upstreams import Upstream, Upstreams
from antiphon.engines.scripted import Script, Write
from antiphon.protocol.session import Session
from antiphon.testing import run_in_virtual_time
from antiphon.testing.served import Served
from antiphon.upstream.connection import CannotConnect
from tests.engines.relay.caller import Attentive, calling, words
from tests.engines.relay.upstream import upstream

SESSION = Session(id="s", model="m", expires_at=0)
ONE, TWO, SPARE = (
    Upstream(url="ws://localhost/v1/realtime", weight=1),
    Upstream(url="ws://two/v1/realtime", weight=3),
    Upstream(url="ws://127.0.0.1/v1/realtime", weight=0),
)


class Clock:
    now_s = 0.0


def some(*upstreams: Upstream, clock: Clock | None = None) -> Upstreams:
    clock = clock or Clock()
    return Upstreams(upstreams, random=Random(1).random, now_s=lambda: clock.now_s)


def test_each_has_its_share_and_a_spare_one_has_none() -> None:
    upstreams = some(ONE, TWO, SPARE)
    picked = Counter(
        upstream.place for upstream in (upstreams.pick() for _ in range(4_000)) if upstream
    )
    assert picked.keys() == {"localhost", "two"}
    assert picked["two"] / picked["localhost"] == pytest.approx(3, rel=0.15)


def test_one_that_failed_is_left_alone_for_a_while_and_the_spare_comes_last() -> None:
    clock = Clock()
    upstreams = some(ONE, TWO, SPARE, clock=clock)
    upstreams.failed(ONE)
    assert {upstreams.pick() for _ in range(50)} == {TWO}
    upstreams.failed(TWO)
    assert upstreams.pick() == SPARE
    upstreams.failed(SPARE)
    assert upstreams.pick() in (ONE, TWO), "somebody must be asked"
    assert upstreams.pick([ONE]) is None, "but not all of them each time"
    clock.now_s = FIRST_S
    assert {upstreams.pick() for _ in range(50)} == {ONE, TWO}


class Roads:
    """Hosts that can be reached, by name: those that are there."""

    def __init__(self, there: dict[str, Served]) -> None:
        self.there = there
        self.dialled: list[str] = []

    def connector(self) -> BaseConnector:
        return Road(self)


class Road(BaseConnector):
    def __init__(self, roads: Roads) -> None:
        super().__init__()
        self._roads = roads

    async def _create_connection(self, req: aiohttp.ClientRequest, *args: object) -> object:  # type: ignore[override]
        host = req.url.host or ""
        self._roads.dialled.append(host)
        served = self._roads.there.get(host)
        if served is None:
            raise aiohttp.ClientConnectionError("nobody listens")
        return await served.make_connector()._create_connection(req, *args)  # type: ignore[arg-type]


def relay(roads: Roads) -> RelayEngine:
    return RelayEngine(ONE, SPARE, world=World(Random(1).random), make_connector=roads.connector)


def test_another_region_goes_on_where_one_is_lost_in_the_middle_of_a_call() -> None:
    script = Script(replies=((Write(text="Yes."),),))

    async def main() -> None:
        here, there = Attentive(script), Attentive(script)
        async with upstream(engine=here) as one, upstream(engine=there) as spare:
            roads = Roads({"localhost": one, "127.0.0.1": spare})
            async with calling(relay(roads)) as caller:
                caller.types_text("Hello.")
                await caller.until("response.done")
                del roads.there["localhost"]
                for session in list(one.hub.sessions):
                    session.close(1011, "gone")
                caller.types_text("Again.")
                done = await caller.until("response.done", within_s=1)
                assert done["response"]["status"] == "completed"
                assert words(there.saw[0]) == ["user: Hello.", "assistant: Yes.", "user: Again."]
                assert roads.dialled == ["localhost", "127.0.0.1"]

    run_in_virtual_time(main())


def test_where_none_can_be_had_the_last_one_says_why() -> None:
    async def main() -> None:
        roads = Roads({})
        with pytest.raises(CannotConnect):
            await relay(roads).dial(SESSION)
        assert roads.dialled == ["localhost", "127.0.0.1"]

    run_in_virtual_time(main())
