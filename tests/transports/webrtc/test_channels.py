"""Which of several data channels carries the events, with channels of our own making."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from antiphon.testing import run_in_virtual_time
from antiphon.transports.webrtc.channels import EVENTS_LABEL, GRACE_S, Channels


class FakeTransport:
    state = "connected"


class FakeChannel:
    def __init__(self, label: str = EVENTS_LABEL) -> None:
        self.label = label
        self.readyState = "open"
        self.bufferedAmount = 0
        self.transport = FakeTransport()
        self.sent: list[str] = []
        self._listeners: dict[str, Callable[..., None]] = {}

    def on(self, event: str, listener: Callable[..., None]) -> object:
        self._listeners[event] = listener
        return listener

    def send(self, data: str) -> None:
        self.sent.append(data)

    def say(self, text: str) -> None:
        self._listeners["message"](text)

    def close(self) -> None:
        self.readyState = "closed"
        self._listeners["close"]()


class Told:
    """What the channels told, in order."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def on_channel_open(self) -> None:
        self.told.append("open")

    def on_channel_settled(self) -> None:
        self.told.append("settled")

    def on_channel_lost(self) -> None:
        self.told.append("lost")

    def on_message(self, data: str | bytes) -> None:
        self.told.append(f"message {data!s}")

    def on_channel_closed(self) -> None:
        self.told.append("closed")

    def on_channel_torn(self) -> None:
        self.told.append("torn")


def test_the_channel_of_the_right_name_carries_the_events_at_once() -> None:
    told, channels, channel = Told(), Channels(), FakeChannel()
    channels.add(told, channel)
    channels.send_text("hello")
    channel.say("yes")
    channel.close()
    assert channel.sent == ["hello"]
    assert told.told == ["open", "settled", "message yes", "closed"]


def test_a_channel_that_went_with_its_connection_was_not_closed() -> None:
    told, channels, channel = Told(), Channels(), FakeChannel()
    channels.add(told, channel)
    channel.transport.state = "closed"
    channel.close()
    assert told.told == ["open", "settled", "torn"]


def test_others_may_come_first_and_close_and_are_not_used() -> None:
    async def scenario() -> None:
        told, channels = Told(), Channels()
        chat, stats, events = FakeChannel("chat"), FakeChannel("stats"), FakeChannel()
        for channel in (chat, stats, events):
            channels.add(told, channel)
        channels.send_text("hello")
        await asyncio.sleep(2 * GRACE_S)
        chat.say("no event")
        chat.close()
        stats.close()
        later = FakeChannel("later")
        channels.add(told, later)
        later.close()
        assert told.told == ["open", "settled"]
        assert (chat.sent, stats.sent, events.sent) == ([], [], ["hello"])

    run_in_virtual_time(scenario())


def test_a_channel_of_another_name_carries_them_where_no_other_comes() -> None:
    async def scenario() -> None:
        told, channels, data = Told(), Channels(), FakeChannel("data")
        channels.add(told, data)
        assert told.told == []
        await asyncio.sleep(2 * GRACE_S)
        channels.send_text("hello")
        data.say("yes")
        data.close()
        assert data.sent == ["hello"]
        assert told.told == ["open", "settled", "message yes", "closed"]

    run_in_virtual_time(scenario())


def test_or_at_once_where_the_client_speaks_there() -> None:
    async def scenario() -> None:
        told, channels, data = Told(), Channels(), FakeChannel("data")
        channels.add(told, data)
        data.say("yes")
        assert told.told == ["open", "settled", "message yes"]

    run_in_virtual_time(scenario())


def test_the_right_name_wins_however_late_it_comes() -> None:
    async def scenario() -> None:
        for spoken in (False, True):
            told, channels, chat, events = Told(), Channels(), FakeChannel("chat"), FakeChannel()
            channels.add(told, chat)
            await asyncio.sleep(2 * GRACE_S)
            if spoken:
                chat.say("something")
            told.told.clear()
            channels.add(told, events)
            channels.send_text("hello")
            chat.say("no event")
            chat.close()
            assert told.told == ["open", "settled"]
            assert events.sent == ["hello"]

    run_in_virtual_time(scenario())


def test_one_that_closes_unused_makes_room_for_the_next() -> None:
    async def scenario() -> None:
        told, channels = Told(), Channels()
        first, second = FakeChannel("first"), FakeChannel("second")
        channels.add(told, first)
        channels.add(told, second)
        await asyncio.sleep(2 * GRACE_S)
        first.close()
        assert told.told == ["open", "lost", "open"]
        channels.send_text("hello")
        assert second.sent == ["hello"]
        second.close()
        assert told.told[-1] == "lost", "nobody has hung up"
        channels.close()

    run_in_virtual_time(scenario())


def test_nothing_is_told_of_a_call_that_has_ended() -> None:
    async def scenario() -> None:
        told, channels = Told(), Channels()
        data = FakeChannel("data")
        channels.add(told, data)
        channels.close()
        await asyncio.sleep(2 * GRACE_S)
        data.say("yes")
        data.close()
        assert told.told == []

    run_in_virtual_time(scenario())
