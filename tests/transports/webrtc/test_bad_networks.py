"""A real server and a caller, with a network between them that loses, delays, and goes away.

That network is a relay of our own (`bad_network`), so that these run everywhere and lose the same
packets each time; test_netem.py has the kernel's own, where there is one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from aiohttp import ClientSession

from antiphon.transports.rtp.rtcp import CallQuality
from tests.desk import BOOKING, STORY, TODAY
from tests.recordings import at_24khz
from tests.server_process import ServerProcess
from tests.transports.webrtc.bad_network import BadNetwork, Conditions, bad_network
from tests.transports.webrtc.client import TIMEOUT_S, Client, until
from tests.transports.webrtc.served_calls import Answered, ServedCalls

LOUD = 500
"""Of 48 kHz samples in 16 bits."""


class Visit:
    """One call over one network."""

    def __init__(self, calls: ServedCalls, network: BadNetwork) -> None:
        self._calls = calls
        self.network = network
        self.caller = Client(calls, way=network)

    async def say(self, clip: str) -> None:
        await self.network.become()  # The same losses within the sentence, in each run.
        self.caller.microphone.say(at_24khz(clip))

    def type(self, text: str) -> None:
        self.add(text)
        self.caller.send("response.create")

    def add(self, text: str) -> None:
        content = [{"type": "input_text", "text": text}]
        item = {"type": "message", "role": "user", "content": content}
        self.caller.send("conversation.item.create", item=item)

    async def answered(self) -> Answered:
        """Wait until an answer has been spoken to its end, and tell of it."""
        return Answered(await self.caller.events_until("output_audio_buffer.stopped"))

    async def quality(self) -> CallQuality:
        return await self._calls.quality(self.caller.call_id)

    async def until_quality(self, is_so: Callable[[CallQuality], bool]) -> CallQuality:
        deadline_s = time.monotonic() + TIMEOUT_S
        while not is_so(quality := await self.quality()):
            assert time.monotonic() < deadline_s, quality
            await asyncio.sleep(0.05)  # The server tells nobody.
        return quality

    async def until_heard_ms(self, least: int) -> None:
        await until(lambda: self.heard_ms >= least)

    async def until_added(self, text: str) -> None:
        """Wait until what was typed is in the conversation, and take no event."""
        await until(lambda: text in Answered(self.caller.events).typed)

    @property
    def heard_ms(self) -> int:
        """How much of the assistant's voice was heard."""
        heard = self.caller.heard
        frames = np.abs(heard[: heard.size // 960 * 960].reshape(-1, 960)).max(axis=1)
        return 20 * int((frames > LOUD).sum())


@asynccontextmanager
async def visiting(server: ServerProcess, **conditions: Any) -> AsyncIterator[Visit]:
    async with ClientSession() as http, bad_network(Conditions(**conditions)) as network:
        visit = Visit(ServedCalls(server.url, http), network)
        try:
            await visit.caller.call()
            await visit.caller.event("session.created")
            yield visit
        finally:
            await visit.caller.hang_up()


ON_A_TRAIN = {"delay_ms": 30, "jitter_ms": 20}
"""A third of the packets are overtaken."""


async def test_a_sentence_is_understood_and_answered_and_the_loss_is_told(
    offline_server: ServerProcess,
) -> None:
    async with visiting(offline_server, loss=0.05, **ON_A_TRAIN) as visit:
        await visit.say("cmd_two_people")
        answered = await visit.answered()
        assert answered.understood == ["two people"]
        assert answered.said == BOOKING
        assert visit.heard_ms > 600

        await check_quality(visit, loss=0.05)


async def test_with_every_fifth_packet_lost_the_talk_goes_on(
    offline_server: ServerProcess,
) -> None:
    async with visiting(offline_server, **ON_A_TRAIN) as visit:
        # Only now: a handshake alone may take ten seconds on such a line.
        await visit.network.become(loss=0.2)
        for turn in (1, 2):
            before = await visit.quality()
            await visit.say("cmd_two_people")
            answered = await visit.answered()
            [words] = answered.understood  # Not always the right ones.
            assert words, turn
            assert answered.said, turn
            after = await visit.quality()
            assert 20 * (after.packets_sent - before.packets_sent) > 600, "the voice goes on"
        assert visit.heard_ms, "though aiortc, as it waits for what is lost, plays little of it"
        await check_quality(visit, loss=0.2)


def is_reported(quality: CallQuality) -> bool:
    """By the caller, too, who hears few packets where the server says little; and at a time when
    nobody stood still.
    """
    return (
        quality.rtt_s is not None
        and quality.peer_packets_lost > 0
        # Twice 30 ms, each 20 more or less.
        and 0.02 <= quality.rtt_s < 0.4
        # Two delays of within 20 ms of 30 differ by 13 on average (test_rtcp).
        and 0.006 < quality.jitter_s < 0.2
        and 0.003 < quality.peer_jitter_s < 0.2
    )


async def check_quality(visit: Visit, *, loss: float) -> None:
    quality = await visit.until_quality(is_reported)
    tally = await visit.network.become()
    assert tally.lost
    assert quality.packets_lost == pytest.approx(tally.lost, abs=5 + quality.packets_late)
    lost = quality.packets_lost / (quality.packets_received + quality.packets_lost)
    assert loss / 2.5 < lost < loss * 2.5
    assert quality.peer_packets_lost / quality.packets_sent < loss * 2.5


async def test_when_the_link_was_down_the_call_goes_on_and_no_event_is_missing(
    offline_server: ServerProcess,
) -> None:
    async with visiting(offline_server) as visit:
        visit.type(STORY)
        await visit.until_heard_ms(500)
        await visit.network.become(is_down=True)
        # Near the end of it: SCTP waits twice as long each time before it sends again.
        await visit.until_quality(lambda quality: quality.media_silent_s >= 2.5)
        visit.add("Are you there?")
        await visit.until_quality(lambda quality: quality.media_silent_s >= 3)
        before = visit.heard_ms
        await visit.network.become(is_down=False)
        await visit.until_heard_ms(before + 500)
        await visit.until_added("Are you there?")

        await visit.say("cmd_two_people")  # Into the midst of the story.
        story = Answered(await visit.caller.events_until("output_audio_buffer.cleared"))
        assert story.pieces.startswith("Once upon a time")
        answered = await visit.answered()
        assert answered.understood == ["two people"]
        assert answered.said == BOOKING


async def test_where_media_dies_the_turn_ends_and_one_can_still_type(
    offline_server: ServerProcess,
) -> None:
    async with visiting(offline_server) as visit:
        await visit.say("cmd_two_people")
        await visit.caller.event("input_audio_buffer.speech_started")
        await visit.network.become(drops_media=True)
        await visit.caller.event("input_audio_buffer.speech_stopped")
        answered = await visit.answered()
        assert answered.types.count("response.done") == 1
        quality = await visit.until_quality(lambda quality: quality.media_silent_s > 1)
        assert quality.packets_received

        visit.type(TODAY)
        assert (await visit.answered()).said == "Today it is."

        await visit.network.become(drops_media=False)
        before = visit.heard_ms
        await visit.say("cmd_two_people")
        answered = await visit.answered()
        assert answered.understood == ["two people"]
        assert answered.said == BOOKING
        assert visit.heard_ms > before
