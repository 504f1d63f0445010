"""The upstream is killed in mid-word: another engine speaks on in the same session."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import NoReturn

import aiohttp
import pytest
from aiohttp.connector import BaseConnector

from antiphon.engines.engine import Engine
from antiphon.engines.health import FIRST_S
from antiphon.engines.relay.engine import RelayEngine
from antiphon.engines.relay.session import RelayRules
from antiphon.engines.relay.upstreams import Upstream
from antiphon.engines.relay.wishes import TurnFinding
from antiphon.engines.scripted import Hearing, Script, ScriptedEngine, Speak, Wait
from antiphon.engines.vad.energy import EnergyDetector
from antiphon.runtime.hub import Hub
from antiphon.testing import run_in_virtual_time
from antiphon.testing.served import Served
from tests.engines.relay.caller import Attentive, Caller, words
from tests.engines.relay.upstream import STEADY, upstream

SEEDS = 200 if os.environ.get("ANTIPHON_LAWS") == "deep" else 20
WITHIN_S = 1.5
"""From the upstream's end to the first sound of who speaks on."""
THERE = Script(
    replies=(
        (
            Wait(ms=200),
            Speak(ms=3000, text="Once upon a time there lived a fox in a wood", paced=True),
        ),
    ),
    hears=(Hearing(text="aloud"),),
)
HERE = Script(replies=((Speak(ms=600, text="Let me go on."),),), hears=(Hearing(text="aloud"),))


@asynccontextmanager
async def calling(*engines: Engine) -> AsyncIterator[Caller]:
    hub = Hub(lambda _: engines[0], fallbacks_for=lambda _: engines[1:], detector=EnergyDetector())
    try:
        yield Caller(hub.open(kind="realtime", model="test"))
    finally:
        await hub.aclose()


class Nobody(BaseConnector):
    async def _create_connection(self, *_: object) -> NoReturn:
        raise aiohttp.ClientConnectionError("nobody listens")


class Line:
    """The way to an upstream, which may be cut."""

    def __init__(self, served: Served, finding: TurnFinding = "ours") -> None:
        self._served = served
        self._is_cut = False
        self.relay = RelayEngine(
            Upstream(url="ws://localhost/v1/realtime"),
            rules=RelayRules(patience_s=0.5, turn_detection=finding),
            world=STEADY,
            make_connector=self._connector,
        )

    def cut(self) -> None:
        self._is_cut = True
        self.hang_up()

    def hang_up(self) -> None:
        for session in list(self._served.hub.sessions):
            session.close(1011, "gone")

    def _connector(self) -> BaseConnector:
        return Nobody() if self._is_cut else self._served.make_connector()


@pytest.mark.parametrize("finding", ["ours", "theirs", "duplex"])
@pytest.mark.parametrize("seed", range(SEEDS))
def test_killed_in_mid_word(seed: int, finding: TurnFinding) -> None:
    async def main() -> None:
        random = Random(seed)
        local = Attentive(HERE, name="local")
        async with (
            upstream(engine=ScriptedEngine(THERE)) as served,
            calling((line := Line(served, finding)).relay, local) as caller,
        ):
            if random.random() < 0.5:
                caller.types_text("Tell me a story.")
            else:
                await caller.speaks(600)
                await caller.is_quiet(700)
            await caller.until("response.created")
            await asyncio.sleep(random.uniform(0, 3.4))
            began_s = asyncio.get_running_loop().time()
            told_before = len(caller.of_type("response.done"))
            audio_before = len(caller.of_type("response.output_audio.delta"))
            line.cut()
            if told_before:
                caller.types_text("And then?")
            await caller.until("response.output_audio.delta")
            assert asyncio.get_running_loop().time() - began_s < WITHIN_S
            done = await caller.until("response.done")
            assert done["response"]["status"] == "completed"
            check_story(caller, local, had_begun=bool(audio_before) and not told_before)

    run_in_virtual_time(main())


def check_story(caller: Caller, local: Attentive, *, had_begun: bool) -> None:
    events = caller.take()
    created = [e["response"]["id"] for e in events if e["type"] == "response.created"]
    done = [e["response"]["id"] for e in events if e["type"] == "response.done"]
    statuses = [e["response"]["status"] for e in events if e["type"] == "response.done"]
    assert created == done
    assert statuses.count("completed") == len(statuses) - had_begun
    assert statuses.count("failed") == had_begun, "one was interrupted, if one had begun"
    assert not [e for e in events if e["type"] == "error"]
    assert len([e for e in events if e["type"] == "session.created"]) == 1
    added = [e["item"]["id"] for e in events if e["type"] == "conversation.item.added"]
    assert len(added) == len(set(added))
    [moved] = [e for e in events if e["type"] == "session.updated"]
    assert moved["session"]["antiphon"]["engine"] == "local"
    assert [item.id for item in local.saw[-1]] == added[:-1], "it was told the same items"
    assert words(local.saw[-1])[0] in ("user: Tell me a story.", "user: aloud")


def test_who_is_there_again_serves_again_after_a_while() -> None:
    async def main() -> None:
        async with (
            upstream(engine=ScriptedEngine(THERE)) as served,
            calling((line := Line(served)).relay, ScriptedEngine(HERE, name="local")) as caller,
        ):
            caller.types_text("Hello.")
            await asyncio.sleep(1)
            line.hang_up()
            await caller.until("response.done")
            await caller.until("response.done")
            assert caller.session.about.engine_name == "local"
            caller.types_text("Go on.")
            await caller.until("response.done")
            assert caller.session.about.engine_name == "local"
            await asyncio.sleep(FIRST_S)
            caller.types_text("Go on.")
            await caller.until("response.done")
            await asyncio.sleep(0.1)
            assert caller.session.about.engine_name == "relay"
            caller.types_text("Go on.")
            done = await caller.until("response.done")
            [item] = done["response"]["output"]
            assert item["content"][0]["transcript"].startswith("Once upon a time")
            assert not caller.of_type("error")

    run_in_virtual_time(main())


def test_a_session_that_begins_meanwhile_is_served_by_the_next_at_once() -> None:
    async def main() -> None:
        async with upstream(engine=ScriptedEngine(THERE)) as served:
            line, local = Line(served), ScriptedEngine(HERE, name="local")
            hub = Hub(lambda _: line.relay, fallbacks_for=lambda _: [local])
            line.cut()
            first = Caller(hub.open(kind="realtime", model="test"))
            first.types_text("Hello.")
            assert (await first.until("response.done"))["response"]["status"] == "completed"
            second = Caller(hub.open(kind="realtime", model="test"))
            created = await second.until("session.created")
            assert created["session"]["antiphon"]["engine"] == "local"
            await hub.aclose()

    run_in_virtual_time(main())
