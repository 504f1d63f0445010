"""A person at the terminal: the microphone's clock, and the keyboard."""

from __future__ import annotations

from dataclasses import dataclass, field

from antiphon.talk import notices
from antiphon.talk.app import Exit
from antiphon.talk.line import BACKLOG, AudioLine, Exchange
from antiphon.talk.playback import Playback
from antiphon.talk.settings import Settings
from tests.fakes.realtime_server import FakeServer, Reply, tone

from .world import NoticeView, World, make_talk, world_of

LOUD, QUIET = tone(20), bytes(960)


@dataclass
class FakeDevice:
    """A device whose clock is the world's."""

    output_latency_ms: float = 30
    played: list[bytes] = field(default_factory=list)
    is_running: bool = False
    _exchange: Exchange = bytes

    def start(self, exchange: Exchange) -> None:
        self._exchange, self.is_running = exchange, True

    def stop(self) -> None:
        self.is_running = False

    def hears(self, world: World, from_ms: int, to_ms: int, pcm: bytes) -> None:
        for at_ms in range(from_ms, to_ms, 20):
            world.at(at_ms, lambda: self.played.append(self._exchange(pcm)))


async def test_the_microphone_is_streamed_and_the_reply_played_on_the_devices_clock() -> None:
    server = FakeServer([Reply("Hello.", 300)])
    view, device = NoticeView(), FakeDevice()
    async with world_of(server) as world:
        talk = make_talk(world, view, device=device)
        device.hears(world, 100, 500, LOUD)
        device.hears(world, 500, 2000, QUIET)
        world.at(2000, talk.interrupt)
        assert await world.run(talk) == (Exit.OK, None)
    assert not device.is_running
    assert sum(any(piece) for piece in device.played) == 15
    assert [said.text for said in view.of(notices.AgentSaid)] == ["Hello."]
    # It sounds when the device has brought it to the ear.
    (turn,) = view.of(notices.TurnTimed)
    assert turn.sound_after_ms is not None
    assert turn.audio_after_ms is not None
    assert turn.sound_after_ms - turn.audio_after_ms >= 30


async def test_typing_during_a_reply_interrupts_it() -> None:
    text = "one two three four five six seven eight nine ten eleven twelve"
    server = FakeServer([Reply(text, 4000, paced=True), Reply("Yes.", 200)])
    view, device = NoticeView(), FakeDevice()
    async with world_of(server) as world:
        talk = make_talk(world, view, device=device)
        device.hears(world, 0, 3000, QUIET)
        world.at(100, lambda: talk.typed("hello"))
        world.at(1000, lambda: talk.typed("stop"))
        world.at(3000, talk.interrupt)
        await world.run(talk)
    cut, whole = view.of(notices.AgentSaid)
    assert (cut.text, whole.text) == ("one two three", "Yes.")
    assert cut.cut == text.removeprefix("one two three ")


async def test_enter_ends_a_manual_turn_and_enter_interrupts_the_reply() -> None:
    server = FakeServer([Reply("one two three four", 2000)])
    device = FakeDevice()
    async with world_of(server) as world:
        talk = make_talk(world, NoticeView(), settings=Settings(turns="manual"), device=device)
        device.hears(world, 0, 3000, QUIET)
        world.at(500, lambda: talk.typed(""))
        world.at(1000, lambda: talk.typed(""))
        world.at(3000, talk.interrupt)
        await world.run(talk)
    kinds = [e["type"] for e in server.received if e["type"] != "input_audio_buffer.append"]
    assert kinds[1:] == [
        "input_audio_buffer.commit",
        "response.create",
        "conversation.item.truncate",
        "input_audio_buffer.clear",
    ]


async def test_the_user_is_asked_for_a_functions_result() -> None:
    server = FakeServer([Reply(call=("weather", "{}")), Reply("It rains.", 200)])
    view = NoticeView()
    async with world_of(server) as world:
        talk = make_talk(world, view, may_ask=True)
        world.at(100, lambda: talk.typed("How is the weather?"))
        world.at(400, lambda: talk.typed("rain"))
        world.at(1500, talk.interrupt)
        await world.run(talk)
    assert server.of_type("conversation.item.create")[-1]["item"]["output"] == "rain"
    assert "needs a result" in view.states
    assert view.of(notices.AgentSaid)[0].text == "It rains."


async def test_a_session_that_the_server_ends_ends_the_run() -> None:
    server = FakeServer(drop_at_ms=[(500, 1000)])
    device = FakeDevice()
    async with world_of(server) as world:
        talk = make_talk(world, NoticeView(), device=device)
        device.hears(world, 0, 3000, QUIET)
        assert await world.run(talk) == (Exit.OK, "the server ended the session")


def test_a_loop_that_is_late_loses_the_oldest_sound_only() -> None:
    line = AudioLine(Playback())
    for index in range(BACKLOG + 5):
        line.exchange(index.to_bytes(2, "little"))
    drained = line.drain()
    assert len(drained) == BACKLOG
    assert drained[-1].user == (BACKLOG + 4).to_bytes(2, "little")
    assert line.drain() == []
