from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from antiphon.core.causes import EngineFinished, EngineNews, EngineSpoke, PlayoutDrained, Tick
from antiphon.core.conversation import Conversation
from antiphon.core.effects import EngineCommand, Generate, PlayAudio
from antiphon.engines.engine import Abilities
from antiphon.journal.tape import Tape, TapeWriter, tapes_in
from antiphon.protocol import client, server
from antiphon.protocol.server import ServerEvent
from antiphon.runtime.hub import Hub
from antiphon.testing import VirtualCall
from antiphon.testing.replay import first_difference, replay, shortened
from tests.data.tapes import make

TAPES = Path(make.__file__).parent


class Echo:
    """An engine that answers everything with a tenth of a second of speech."""

    name = "echo"
    description = "Answers at once."
    abilities = Abilities(finds_turns=True)

    async def start(self) -> None: ...

    async def aclose(self) -> None: ...

    def open(self, session_id: str) -> EchoSession:
        return EchoSession()


class EchoSession:
    def __init__(self) -> None:
        self.news: asyncio.Queue[EngineNews | None] = asyncio.Queue()

    def send(self, command: EngineCommand) -> None:
        if isinstance(command, Generate):
            self.news.put_nowait(EngineSpoke(command.response_id, bytes(4_800)))
            self.news.put_nowait(EngineFinished(command.response_id))

    async def __aiter__(self) -> AsyncIterator[EngineNews]:
        while (news := await self.news.get()) is not None:
            yield news

    async def aclose(self) -> None:
        self.news.put_nowait(None)


class Listener:
    id = "listener"
    queued_bytes = 0

    def __init__(self) -> None:
        self.done, self.closed = asyncio.Event(), asyncio.Event()

    def send(self, event: ServerEvent) -> None:
        if isinstance(event, server.ResponseDone):
            self.done.set()

    def close(self, code: int, reason: str) -> None:
        self.closed.set()

    async def flushed(self) -> None: ...


async def test_the_tape_of_a_live_session_replays_without_a_difference(tmp_path: Path) -> None:
    hub = Hub(lambda _: Echo(), observers=[tapes_in(tmp_path)])
    session = hub.open(kind="realtime", model="echo")
    listener = Listener()
    session.attach(listener)
    session.receive(listener, client.InputAudioBufferAppend(audio=bytes(9_600)))
    session.receive(listener, client.InputAudioBufferCommit())
    session.receive(listener, client.ResponseCreate())
    session.receive(listener, client.ResponseCreate(event_id="too soon"))
    async with asyncio.timeout(60):
        await listener.done.wait()
    session.detach(listener)
    await hub.aclose()
    steps = list(replay(Tape(tmp_path / f"{session.id}.tape")))
    assert [s.difference for s in steps] == [None] * len(steps)
    assert any(isinstance(e, server.ResponseDone) for s in steps for e in s.effects)


@pytest.mark.parametrize("name", ["websocket", "interrupted"])
def test_yesterdays_tapes_replay_today(name: str) -> None:
    differences = [str(s.difference) for s in replay(Tape(TAPES / f"{name}.tape")) if s.difference]
    assert differences == []


def _changed(path: Path, **changes: object) -> Tape:
    """The interrupted call, recorded by a server whose response.done said something else."""
    call = make.interrupted()
    writer = TapeWriter(path, call.terms)
    conversation = Conversation(call.terms)
    for now_ms, cause in call.tape:
        effects = conversation.handle(cause, now_ms)
        for i, effect in enumerate(effects):
            if isinstance(effect, server.ResponseDone):
                response = msgspec.structs.replace(effect.response, **changes)
                effects[i] = msgspec.structs.replace(effect, response=response)
        writer.saw(now_ms, cause, effects)
    writer.close()
    return Tape(path)


def test_a_difference_names_step_effect_field_and_both_values(tmp_path: Path) -> None:
    tape = _changed(tmp_path / "a.tape", metadata={"k": "v"})
    found = [s for s in replay(tape) if s.difference]
    difference = found[0].difference
    assert difference is not None
    assert isinstance(found[0].effects[difference.effect], server.ResponseDone)
    assert difference.field == "response.metadata"
    assert (difference.recorded, difference.now) == ("{'k': 'v'}", "None")
    assert f"step {found[0].number}, effect {difference.effect}" in str(difference)


def test_an_effect_too_many_or_too_few_is_a_difference() -> None:
    play = PlayAudio(bytes(2))
    more = first_difference(0, [play], [play, play])
    assert more is not None
    assert (more.effect, more.recorded) == (1, "nothing")
    fewer = first_difference(0, [play], [])
    assert fewer is not None
    assert (fewer.effect, fewer.now) == (0, "nothing")


def test_audio_is_shown_by_its_size_and_its_first_bytes() -> None:
    was, now = PlayAudio(bytes(9_600)), PlayAudio(b"\x01\x02" * 4_800)
    difference = first_difference(0, [was], [now])
    assert difference is not None
    assert difference.field == "pcm"
    assert difference.recorded == "<9600 bytes 0000000000000000…>"
    assert difference.now == "<9600 bytes 0102010201020102…>"


def test_a_long_value_is_shortened() -> None:
    assert len(shortened("x" * 1_000)) < 200


def test_a_conversation_that_fails_now_is_a_difference_and_the_end(tmp_path: Path) -> None:
    call = VirtualCall()
    writer = TapeWriter(tmp_path / "a.tape", call.terms)
    writer.saw(0, PlayoutDrained(5), [])  # Nobody here owns the playout.
    writer.saw(1, Tick(), [])
    writer.close()
    [only] = replay(Tape(tmp_path / "a.tape"))
    assert only.difference is not None
    assert "the conversation fails: AssertionError" in only.difference.now


class Breaker(Echo):
    """Its news is what no engine can say."""

    def open(self, session_id: str) -> EchoSession:
        session = EchoSession()
        news: Any = PlayoutDrained(0)
        session.news.put_nowait(news)
        return session


async def test_the_cause_that_broke_a_conversation_is_on_its_tape(tmp_path: Path) -> None:
    hub = Hub(lambda _: Breaker(), observers=[tapes_in(tmp_path)])
    session = hub.open(kind="realtime", model="echo")
    listener = Listener()
    session.attach(listener)
    async with asyncio.timeout(60):
        await listener.closed.wait()
    await session.ended()
    *_, last = replay(Tape(tmp_path / f"{session.id}.tape"))
    assert last.cause == PlayoutDrained(0)
    assert last.difference is not None
    assert "the conversation fails" in last.difference.now
